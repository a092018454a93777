"""How texts are cut: what holds for every text, and what each rule does."""

import random
import re
from itertools import pairwise

import pytest
from flywheel.gen.convert import convert_bytes, convert_file
from flywheel.gen.convert._blocks import find_blocks
from flywheel.gen.convert._chunk import chunk_text
from flywheel.gen.convert._definitions import find_definitions
from flywheel.gen.convert._tokens import estimate_tokens, load_counter
from support import HERE


def cut(converted, limit=64, overlap=0, count=estimate_tokens):
    return chunk_text(converted, find_blocks(converted.text, converted.syntax), count, limit, overlap)


def texts(converted, chunks):
    return [converted.text[c.start : c.end] for c in chunks]


def read(text, name="a.md"):
    return convert_bytes(text.encode(), name)


def prose(seed, sentences):
    draw = random.Random(seed)
    words = re.findall(
        r"\w+", "river hill bridge stone water old new long runs stands over under near the a in of town mill"
    )
    return " ".join(" ".join(draw.choices(words, k=draw.randint(4, 12))).capitalize() + "." for _ in range(sentences))


def article(seed, sections=12):
    parts = [f"# Article {seed}"]
    for i in range(sections):
        parts += [f"## Section {i} of {seed}", *(prose(f"{seed}-{i}-{j}", 5) for j in range(1 + (i * 7 + seed) % 5))]
        parts += ["```python\n" + "\n\n".join(f"def f{n}(x):\n    return x + {n}" for n in range(6)) + "\n```"] * (
            i % 3 == 0
        )
        parts += ["\n".join(f"- item {n} of the {prose(n, 1)}" for n in range(5))] * (i % 4 == 1)
        parts += ["| a | b |\n| - | - |\n" + "\n".join(f"| {n} | {n * n} |" for n in range(9))] * (i % 5 == 2)
    return "\n\n".join(parts) + "\n"


def check_invariants(converted, limit, overlap):
    chunks = cut(converted, limit, overlap)
    text, at = converted.text, 0
    for before, chunk in zip([None, *chunks], chunks, strict=False):
        assert 0 < chunk.n_tokens <= limit and chunk.n_tokens == estimate_tokens(text[chunk.start : chunk.end])
        assert text[chunk.start : chunk.end].strip() and not text[chunk.end - 1].isspace()
        assert not text[at : chunk.start].strip(), "text between two chunks is lost"
        assert chunk.end > at, "a chunk that adds nothing"
        if before and chunk.start < before.end:
            assert chunk.start > before.start and estimate_tokens(text[chunk.start : before.end]) <= overlap
        at = chunk.end
    assert not text[at:].strip()
    return chunks


@pytest.mark.parametrize("overlap", [0, 16])
@pytest.mark.parametrize("limit", [16, 40, 120, 1000])
def test_every_text_is_covered_in_order_within_the_limit(limit, overlap):
    tables = "a,b\n" + "\n".join(f"{n},{prose(n, 1)}" for n in range(50))
    for text, name in (
        (article(1), "a.md"), (article(2), "a.txt"), (article(3), "a.rst"), (article(4), "a.py"), (article(5), "a.adoc"),
        (article(6), "a.jsonl"), (tables, "a.csv"), ("x" * 5000, "a.txt"), ("河" * 3000, "a.txt"), ("\n \x0c\n é\n", "a.txt"),
        ("# \n\n#\n\n```\nnever closed\n\n" + "y\n" * 300, "a.md"), ("---\ntitle: x\n---\n\nbody", "a.md"),
    ):  # fmt: skip
        check_invariants(read(text, name), min(limit, 1000), min(overlap, limit // 2))


def test_real_texts_are_covered_in_order_within_the_limit(shared_data):
    for path in sorted((shared_data / "docs").glob("*/*")):
        if path.parent.name in ("rst", "md", "txt", "html", "asciidoc", "ipynb", "csv"):
            check_invariants(convert_file(path), 256, 32)


@pytest.mark.parametrize("name", ["a.md", "a.rst", "a.txt", "a.py", "a.adoc", "a.jsonl"])
def test_lines_are_those_of_the_file(name):
    text = article(7)
    converted = read(text, name)
    lines = text.split("\n")
    for chunk in cut(converted, 100, 20):
        cited = "\n".join(lines[chunk.line_start - 1 : chunk.line_end])
        assert converted.text[chunk.start : chunk.end] in cited
        assert cited.count("\n") == converted.text[chunk.start : chunk.end].count("\n")


def test_headings_are_those_above_all_of_a_chunk():
    text = "# Book\n\n## One\n\n" + prose(1, 12) + "\n\n## Two\n\n### Deep\n\n" + prose(2, 12)
    converted = read(text)
    for chunk in cut(converted, 90):
        body = converted.text[chunk.start : chunk.end]
        assert chunk.headings[0] == "Book"
        inside = "One" if chunk.end <= text.index("## Two") else "Two"
        assert chunk.headings[1:2] in ((inside,), ()), body
    assert cut(converted, 90)[-1].headings == ("Book", "Two", "Deep")
    small = cut(read("# Book\n\n## One\n\nshort\n\n## Two\n\nshort"), 90)
    assert [c.headings for c in small] == [("Book",)]


def test_a_chunk_ends_before_a_heading_rather_than_inside_a_section():
    converted = read("\n\n".join(f"## S{i}\n\n{prose(i, 4)}" for i in range(20)))
    for body in texts(converted, cut(converted, 150)):
        assert body.startswith("## S")
        assert not body.split("\n")[-1].startswith("#")


def test_code_is_not_cut_unless_it_is_too_long():
    converted = read(article(3))
    fences = re.findall(r"```python\n.*?\n```", converted.text, re.S)
    whole = estimate_tokens(fences[0])
    bodies = texts(converted, cut(converted, whole + 2, 20))
    assert all(any(fence in body for body in bodies) for fence in fences)
    assert all(body.count("```") % 2 == 0 for body in bodies)
    pieces = [line for body in texts(converted, cut(converted, whole // 2)) for line in body.split("\n")]
    assert all(line in pieces for fence in fences for line in fence.split("\n")), "code is cut at lines"


def test_paragraphs_are_cut_between_sentences_only_when_too_long():
    paragraphs = [prose(i, 3) for i in range(12)]
    converted = read("\n\n".join(paragraphs))
    assert all(p in paragraphs for body in texts(converted, cut(converted, 80)) for p in body.split("\n\n"))
    long = read(prose(5, 60))
    assert all(body[0].isupper() and body.endswith(".") for body in texts(long, cut(long, 80)))


def test_the_header_of_a_cut_table_is_a_heading_of_its_further_pieces():
    converted = read("name,river\n" + "\n".join(f"town {i},Alder" for i in range(60)), "a.csv")
    chunks = cut(converted, 60)
    assert len(chunks) > 3 and chunks[0].headings == ()
    assert {c.headings for c in chunks[1:]} == {("name | river",)}
    for chunk in chunks[1:]:
        first = converted.text[chunk.start : chunk.end].split("\n")[0]
        assert first == f"| town {chunk.line_start - 2} | Alder |"


def test_overlap_repeats_whole_sentences_and_never_crosses_a_heading():
    converted = read("# A\n\n" + prose(1, 60) + "\n\n# B\n\n" + prose(2, 60))
    chunks = cut(converted, 100, 30)
    overlapping = [(a, b) for a, b in pairwise(chunks) if b.start < a.end]
    assert len(overlapping) > len(chunks) / 2
    for a, b in overlapping:
        repeated = converted.text[b.start : a.end]
        assert repeated[0].isupper() and repeated.endswith(".") and b.headings == a.headings
        assert estimate_tokens(repeated) <= 30
    assert any(converted.text[c.start :].startswith("# B") for c in chunks)


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_an_edit_changes_the_chunks_near_it_only(name):
    paragraphs = [prose(i, 6) for i in range(150)]
    before = read("\n\n".join(paragraphs), name)
    known = set(texts(before, cut(before, 256, 32)))
    for seed in range(5):
        edited = list(paragraphs)
        edited.insert(random.Random(seed).randrange(20), prose(f"new {seed}", 9))
        after = read("\n\n".join(edited), name)
        bodies = texts(after, cut(after, 256, 32))
        new = [b for b in bodies if b not in known]
        assert 1 <= len(new) <= 8, f"{len(new)} of {len(bodies)} chunks changed"


def test_rst_headings_follow_the_order_of_their_marks():
    text = "====\nBook\n====\n\nOne\n---\n\nbody::\n\n    code\n\n    more code\n\nDeep\n~~~~\n\nx\n\nTwo\n---\n\ny\n"
    blocks = find_blocks(text, "rst")
    assert [(b.level, b.title) for b in blocks if b.kind == "heading"] == [
        (1, "Book"),
        (2, "One"),
        (3, "Deep"),
        (2, "Two"),
    ]
    assert [text[b.start : b.end] for b in blocks if b.kind == "code"] == ["    code\n\n    more code"]


def test_markdown_headings_are_none_inside_fences():
    text = "Title\n=====\n\n~~~~\n# not one\n```\n~~~~\n\n## `Code` and [link](http://x.example) ##\n\n    # nor this\n"
    headings = [(b.level, b.title) for b in find_blocks(text, "markdown") if b.kind == "heading"]
    assert headings == [(1, "Title"), (2, "Code and link")]


def test_numbered_sections_of_a_plain_text_are_headings():
    text = "3.1 Overview ........ 4\n\n3.1 Overview\n\nText of it, in 3 parts.\n\n12 apples were eaten.\n\nCHAPTER IV.\nThe Mill\n\nx\n"
    headings = [(b.level, b.title) for b in find_blocks(text, "plain") if b.kind == "heading"]
    assert headings == [(2, "3.1 Overview"), (1, "CHAPTER IV. The Mill")]


def test_pages_of_a_text_are_its_form_feeds():
    converted = read("page one is here\n\x0cpage two is here\n\x0c\n", "a.txt")
    assert converted.pages == [0, converted.text.index("page two")]
    assert [(c.page_start, c.page_end) for c in cut(converted, 16)] == [(1, 2)]


def test_the_estimate_of_two_parts_is_at_most_one_less_than_of_the_whole():
    text = article(9) + "河の水 naïve Привет мир 12345 ____ ==== \t\t end"
    draw = random.Random(0)
    for _ in range(200):
        at = draw.randrange(len(text))
        assert estimate_tokens(text[:at]) + estimate_tokens(text[at:]) + 1 >= estimate_tokens(text)
    assert estimate_tokens("The river runs past 3 mills.") == 7


def test_a_tokenizer_of_its_own_counts(tmp_path):
    count = load_counter(str(HERE.parent / "seed" / "model"))
    converted = read(article(1))
    chunks = cut(converted, 128, 16, count)
    assert all(c.n_tokens == count(converted.text[c.start : c.end]) <= 128 for c in chunks)
    assert [c.n_tokens for c in chunks] != [c.n_tokens for c in cut(converted, 128, 16)]


SOURCE = '''"""A shop."""
import math
from functools import cache

RATE = 7

# Prices end in .99.
@cache
def price(n: int) -> int:
    rest = n % 100

    return n - rest + 99


class Basket:
    def add(self, n):
        self.n = n

    def total(self):
        return math.fsum([self.n])

print(price(10))
def last(xs): return xs[-1]
'''


def cut_definitions(text, limit=512):
    """Return the texts of the chunks, and of their spans."""
    converted = read(text, "shop.py")
    chunks = chunk_text(converted, find_definitions(converted.text), estimate_tokens, limit, 64, alone=True)
    assert all(c.n_tokens == estimate_tokens(c.before + converted.text[c.start : c.end]) <= limit for c in chunks)
    spans = texts(converted, chunks)
    return [c.before + span for c, span in zip(chunks, spans, strict=True)], spans


def test_each_definition_is_a_chunk_of_its_own():
    _, spans = cut_definitions(SOURCE)
    assert [m.split("\n")[0] for m in spans] == [
        '"""A shop."""', "RATE = 7", "# Prices end in .99.", "class Basket:", "    def total(self):", "print(price(10))",
        "def last(xs): return xs[-1]",
    ]  # fmt: skip
    assert "@cache" in spans[2] and spans[2].endswith("+ 99") and spans[3].endswith("self.n = n")
    assert "".join("".join(spans).split()) == "".join(SOURCE.split()), "nothing is lost, nothing stands twice"
    assert len(cut_definitions(SOURCE, limit=16)[0]) > len(spans), "what is too long is cut all the same"


NEEDY = '''from __future__ import annotations
import math, os
from decimal import (
    Decimal,
    ROUND_UP,
)
try:
    import fast
except ImportError:
    fast = None

RATE = 7
FEES = {
    "post": RATE,
}
UNUSED = 1


def post(n: int) -> Decimal:
    return Decimal(n + FEES["post"])


def own(RATE, math=fast):
    return RATE


class Basket(Base):
    """Things."""

    most: int = RATE

    def __init__(self, n):
        self.n = n

    # what it costs
    @property
    def total(self):
        return math.ceil(self.n * 1.2)

    least = 2

    async def go(self):
        return os.path

    # no method's

    def stay(self): return self.n


def last(xs): return xs[-1]
'''


FUTURE = "from __future__ import annotations\n"


def test_a_definition_comes_with_what_it_names_of_its_files_top_and_a_method_with_the_head_of_its_class():
    made, spans = cut_definitions(NEEDY)
    found = {
        span.split("def ")[-1].split("(")[0]: text for text, span in zip(made, spans, strict=True) if "def " in span
    }
    fees = 'RATE = 7\nFEES = {\n    "post": RATE,\n}'
    assert (
        found["post"]
        == f'{FUTURE}from decimal import Decimal\n{fees}\n\n\ndef post(n: int) -> Decimal:\n    return Decimal(n + FEES["post"])'
    )
    assert found["own"].startswith("try:\n    import fast\nexcept ImportError:\n    fast = None\n\n\ndef own"), (
        "an argument is no constant"
    )
    head = 'class Basket(Base):\n    """Things."""\n\n    most: int = RATE\n\n    def __init__(self, n):\n        self.n = n'
    assert found["__init__"] == f"{FUTURE}RATE = 7\n\n\n{head}"
    costs = "    # what it costs\n    @property\n    def total(self):\n        return math.ceil(self.n * 1.2)"
    assert found["total"] == f"{FUTURE}import math\nRATE = 7\n\n\n{head}\n\n{costs}"
    assert found["go"].startswith(f"{FUTURE}import os\nRATE = 7\n") and found["go"].endswith(
        "    async def go(self):\n        return os.path"
    )
    assert found["last"] == "def last(xs): return xs[-1]"
    for text in found.values():
        compile(text, "chunk", "exec")
    assert "".join("".join(spans).split()) == "".join(NEEDY.split()), "spans: nothing is lost, nothing stands twice"
    longest, _ = cut_definitions(NEEDY, limit=40)
    assert any(text.startswith("    # what it costs") for text in longest), (
        "what would take half of a chunk is left out"
    )


BOX = '''"""Boxes."""
from __future__ import annotations

LEAST: Box | None = None


class Box:
    def __init__(self, size=1):
        self._size = size

    def double(self) -> Box:
        return Box(2 * self._size)

    @property
    def size(self):
        return self._size

    # in inches

    @size.setter
    def size(self, size: Inches):
        self._size = size

    @size.deleter
    def size(self):
        self._size = 0

    def plain(self):
        return self._size


def largest(boxes: list[Box]) -> Box | None:
    return max(boxes, key=lambda box: box.size, default=LEAST)


def bare(): return LEAST


def last(xs): return xs[-1]
'''


def test_a_definition_runs_whose_annotations_name_what_is_not_there_yet_and_a_property_stays_whole():
    made, spans = cut_definitions(BOX)
    found = {
        span.split("def ")[-1].split("(")[0]: text for text, span in zip(made, spans, strict=True) if "def " in span
    }
    assert [*found] == ["__init__", "double", "size", "plain", "largest", "bare", "last"]
    done = {}
    for name, text in found.items():
        done[name] = {}
        exec(compile(text, name, "exec", dont_inherit=True), done[name])  # a NameError at its definition otherwise
    box = done["size"]["Box"](3)
    box.size = 7
    assert box.size == 7 and done["double"]["Box"](4).double()._size == 8
    del box.size
    assert box.size == 0
    assert [name for name, text in found.items() if not text.startswith(FUTURE)] == ["__init__", "plain", "last"]
    assert "".join("".join(spans).split()) == "".join(BOX.split()), "spans: nothing is lost, nothing stands twice"


def test_other_languages_are_cut_where_a_blank_line_ends_a_run():
    made, _ = cut_definitions("function a(x) {\n  return x\n\n}\n\nfunction b() {}\n")
    assert [m.split("(")[0] for m in made] == ["function a", "function b"]
