"""Compare document parsers on real files against their expected Markdown: similarity and seconds, per file and parser.

    python bench/ingest_parsers.py FOLDER [--jsonl OUT]

FOLDER holds files in sub-folders and, in ``expected_markdown/``, ``<file name>.md`` for some of them. Similarity is
difflib's ratio over the words alone, case and markup aside, so that it says what was read, in which order, and not how
it was decorated. ``headings`` is the F1 of heading lines, for parsers that give Markdown. Parsers that are not
installed are left out; each file is read once to warm up and once for the time.
"""

import argparse
import difflib
import importlib.util
import io
import json
import re
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

Parser = Callable[[Path], str]


def words(text: str) -> list[str]:
    """Return the words that count: no comments, no addresses behind links, no markup, no case."""
    return re.findall(r"[^\W_]+", re.sub(r"<!--.*?-->|\]\([^)\n]*\)|https?://\S+", " ", text).casefold())


def similarity(ours: str, expected: str) -> float:
    """Return difflib's ratio (0 to 1) over words."""
    return difflib.SequenceMatcher(None, words(ours), words(expected), autojunk=False).ratio()


def heading_f1(ours: str, expected: str) -> float | None:
    """Return the F1 of Markdown heading lines; None where nothing is expected."""
    found, wanted = ([" ".join(words(h)) for h in re.findall(r"^#+ (.+)$", t, re.M)] for t in (ours, expected))
    if not wanted:
        return None
    hits = sum(min(found.count(h), wanted.count(h)) for h in set(wanted))
    return 2 * hits / (len(found) + len(wanted))


def by_pypdf(path: Path) -> str:
    """Read with pypdf."""
    import pypdf

    return "\n\n".join(p.extract_text() for p in pypdf.PdfReader(path).pages)


def by_pdfminer(path: Path) -> str:
    """Read with pdfminer.six."""
    from pdfminer.high_level import extract_text

    return extract_text(str(path))


def by_pdfplumber(path: Path) -> str:
    """Read with pdfplumber."""
    import pdfplumber

    with pdfplumber.open(path) as pdf:
        return "\n\n".join(p.extract_text() or "" for p in pdf.pages)


def by_pdfium(path: Path) -> str:
    """Read with pypdfium2."""
    import pypdfium2

    pdf = pypdfium2.PdfDocument(path)
    return "\n\n".join(page.get_textpage().get_text_bounded() for page in pdf)


def by_markitdown(path: Path) -> str:
    """Read with markitdown."""
    from markitdown import MarkItDown

    return MarkItDown().convert(str(path)).text_content


def by_mammoth(path: Path) -> str:
    """Read with mammoth, then markdownify."""
    import mammoth
    import markdownify

    with path.open("rb") as stream:
        return markdownify.markdownify(mammoth.convert_to_html(stream).value, heading_style="ATX")


def by_python_docx(path: Path) -> str:
    """Read paragraphs and tables in order with python-docx."""
    import docx

    parts = []
    for block in docx.Document(str(path)).iter_inner_content():
        if hasattr(block, "rows"):
            parts += [" | ".join(c.text for c in row.cells) for row in block.rows]
        else:
            level = re.match(r"Heading (\d)", block.style.name or "")
            parts.append(("#" * int(level[1]) + " " if level else "") + block.text)
    return "\n\n".join(parts)


def by_docx2python(path: Path) -> str:
    """Read with docx2python."""
    from docx2python import docx2python

    with docx2python(path) as content:
        return content.text


def by_python_pptx(path: Path) -> str:
    """Read the text frames and tables of each slide with python-pptx."""
    import pptx

    parts = []
    for slide in pptx.Presentation(str(path)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                parts.append(shape.text_frame.text)
            if shape.has_table:
                parts += [" | ".join(c.text for c in row.cells) for row in shape.table.rows]
    return "\n\n".join(parts)


def by_openpyxl(path: Path) -> str:
    """Read the cells with openpyxl."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    rows = [(f"## {s.title}", s.iter_rows(values_only=True)) for s in book.worksheets]
    return "\n".join(
        t + "\n" + "\n".join(" | ".join("" if c is None else str(c) for c in r) for r in rr) for t, rr in rows
    )


def by_calamine(path: Path) -> str:
    """Read the cells with python-calamine."""
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_path(str(path))
    sheets = [(name, book.get_sheet_by_name(name).to_python(skip_empty_area=True)) for name in book.sheet_names]
    return "\n".join(f"## {n}\n" + "\n".join(" | ".join(_cell(c) for c in r) for r in rows) for n, rows in sheets)


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def by_markdownify(path: Path) -> str:
    """Read with markdownify."""
    import markdownify

    return markdownify.markdownify(path.read_text(encoding="utf-8"), heading_style="ATX", strip=["script", "style"])


def by_html2text(path: Path) -> str:
    """Read with html2text."""
    import html2text

    reader = html2text.HTML2Text(bodywidth=0)
    reader.ignore_links = True
    return reader.handle(path.read_text(encoding="utf-8"))


def by_docling(path: Path) -> str:
    """Read with docling."""
    from docling.document_converter import DocumentConverter

    return DocumentConverter().convert(path).document.export_to_markdown()


def by_flywheel(path: Path) -> str:
    """Read as ``flywheel ingest`` does; its converters need nothing else of flywheel."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "gen"))
    from convert import convert_file

    return convert_file(path).text


OTHERS = (("flywheel", by_flywheel), ("markitdown", by_markitdown), ("docling", by_docling))
PARSERS: dict[str, tuple[tuple[str, Parser], ...]] = {
    ".pdf": (
        ("pypdf", by_pypdf),
        ("pdfminer", by_pdfminer),
        ("pdfplumber", by_pdfplumber),
        ("pypdfium2", by_pdfium),
        *OTHERS,
    ),
    ".docx": (("mammoth", by_mammoth), ("docx", by_python_docx), ("docx2python", by_docx2python), *OTHERS),
    ".pptx": (("pptx", by_python_pptx), *OTHERS),
    ".xlsx": (("openpyxl", by_openpyxl), ("python_calamine", by_calamine), *OTHERS),
    ".html": (("markdownify", by_markdownify), ("html2text", by_html2text), *OTHERS),
}


def measure(parser: Parser, path: Path, expected: str) -> dict[str, object]:
    """Return similarity, heading F1 and seconds of one parser on one file, or its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser(path)
            started = time.perf_counter()
            text = parser(path)
    except Exception as error:  # noqa: BLE001 - a parser that fails is a result
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:80]}
    seconds = time.perf_counter() - started
    return {"similarity": similarity(text, expected), "headings": heading_f1(text, expected), "seconds": seconds}


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--jsonl", type=Path, default=None, help="Write the rows there too.")
    options = arguments.parse_args()
    expected = {p.name.removesuffix(".md"): p for p in (options.folder / "expected_markdown").glob("*.md")}
    files = sorted(p for p in options.folder.glob("*/*") if p.name in expected and p.parent.name != "expected_markdown")
    out = options.jsonl.open("w") if options.jsonl else io.StringIO()
    totals: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    print(f"{'file':<58}{'parser':<17}{'similarity':>10}{'headings':>10}{'seconds':>9}")
    for path in files:
        text = expected[path.name].read_text(encoding="utf-8")
        for name, parser in PARSERS.get(path.suffix, OTHERS):
            if name != "flywheel" and importlib.util.find_spec(name) is None:
                continue
            row = measure(parser, path, text)
            out.write(json.dumps({"file": path.name, "parser": name, **row}) + "\n")
            totals[path.suffix, name].append(row)
            print(f"{path.name[:56]:<58}{name:<17}{show(row)}")
    for (suffix, name), rows in sorted(totals.items()):
        good = [r for r in rows if "error" not in r]
        means = {k: mean([r[k] for r in good if r[k] is not None]) for k in ("similarity", "headings", "seconds")}
        print(f"{'mean of ' + str(len(rows)) + ' ' + suffix:<58}{name:<17}{show(means)}", file=sys.stdout)


def mean(values: list[float]) -> float | None:
    """Return the mean; None of nothing."""
    return sum(values) / len(values) if values else None


def show(row: dict[str, object]) -> str:
    """Return the figures of a row, or its error."""
    if "error" in row:
        return f"  {row['error']}"
    cell = lambda v, w, d: f"{'–' if v is None else format(v, f'.{d}f'):>{w}}"  # noqa: E731
    return cell(row["similarity"], 10, 3) + cell(row["headings"], 10, 2) + cell(row["seconds"], 9, 3)


if __name__ == "__main__":
    main()
