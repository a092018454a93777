"""What each format gives, on small documents made here and on real ones."""

import codecs
import io
import random

import documents
import PIL.Image
import pytest
from documents import WORDS
from flywheel.gen.convert import Refused, convert_bytes, convert_file
from flywheel.gen.convert._converted import DAMAGED


def convert(tmp_path, name, make, **settings):
    path = tmp_path / name
    make(path, **settings)
    return convert_file(path)


def refused(data, name):
    with pytest.raises(Refused) as caught:
        convert_bytes(data, name)
    return caught.value.reason


def test_docx(tmp_path):
    converted = convert(tmp_path, "a.docx", documents.make_docx)
    assert converted.title == "Rivers" and converted.metadata["parser"].startswith("python-docx ")
    assert converted.text == (
        f"# Rivers of the north\n\n{WORDS}\n\n## Bridges\n\n- The old bridge\n- The new bridge\n1. First step\n2. Second step"
        "\n\n| name | length |\n| - | - |\n| Alder | 81 km |"
    )


def test_pptx_has_a_page_a_slide(tmp_path):
    converted = convert(tmp_path, "a.pptx", documents.make_pptx)
    first, second = converted.pages
    assert converted.text[first:second] == "# Rivers\n\n- Alder\n- Birch\n\nNotes: Say more of rivers.\n\n"
    assert converted.text[second:].startswith("# Bridges\n\n- old\n- new")


def test_xlsx_has_a_page_a_sheet(tmp_path):
    converted = convert(tmp_path, "a.xlsx", documents.make_xlsx)
    first, second = converted.pages
    assert converted.text[first:second] == (
        "## Rivers\n\n| name | length |\n| - | - |\n| Alder | 81 |\n| Birch | 12.5 |\n\n"
    )
    assert converted.text[second:] == "## Towns\n\n| town |\n| - |\n| Marn |"


def test_tables_side_by_side_on_a_sheet_are_apart(tmp_path):
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet("S")
        for y, x, row in ((0, 0, ["a", "b"]), (1, 0, [1, 2]), (4, 3, ["c"]), (5, 3, [3])):
            sheet.write_row(y, x, row)
    assert convert_file(tmp_path / "a.xlsx").text == "## S\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n| c |\n| - |\n| 3 |"


def test_epub_reads_chapters_in_the_order_of_the_spine(tmp_path):
    converted = convert(tmp_path, "a.epub", documents.make_epub)
    assert converted.title == "A river book"
    assert converted.text == f"# The start\n\n{WORDS}\n\n# The end\n\n{WORDS}"


def test_odt(tmp_path):
    converted = convert(tmp_path, "a.odt", documents.make_odt)
    assert converted.text == (
        f"# Rivers\n\n{WORDS}  It is\tlong.\n\n- one\n    - inner\n\n| twice | twice |\n| - | - |"
    )


def test_eml_prefers_plain_text_and_reads_its_encoding(tmp_path):
    converted = convert(tmp_path, "a.eml", documents.make_eml)
    assert converted.title == "The ríver"
    assert converted.text.endswith("Subject: The ríver\n\nThe café stands by the river.")


def test_ipynb_fences_code_and_outputs(tmp_path):
    converted = convert(tmp_path, "a.ipynb", documents.make_ipynb)
    assert converted.text == f"# Lengths\n{WORDS}\n\n```python\n81 + 12\n```\n\n```output\n93\n```"


def test_rtf(tmp_path):
    assert convert(tmp_path, "a.rtf", documents.make_rtf).text == "The café by the river.\n\nA second paragraph."


def test_image_keeps_what_it_says_of_itself(tmp_path):
    converted = convert(tmp_path, "a.png", documents.make_image)
    assert (converted.media, converted.text) == ("png", "A photograph of the river Alder")
    assert converted.metadata == {"width": 8, "height": 6, "kind": "png"}


def test_a_broken_image_is_refused(tmp_path):
    documents.make_image(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert refused(data[:40], "a.png").startswith("damaged")


def test_pdf_pages_headings_and_cut_paragraphs(tmp_path):
    body = [(10, "The river rises in the hills"), (10, "and reaches the sea.")]
    pages = [[(18, "Rivers"), (10, ""), *body], [(18, "Bridges"), (10, ""), *body, (10, ""), (10, "A new paragraph.")]]
    converted = convert(tmp_path, "a.pdf", documents.make_pdf, pages=pages)
    assert converted.text == (
        "# Rivers\n\nThe river rises in the hills\nand reaches the sea.\n\n"
        "# Bridges\n\nThe river rises in the hills\nand reaches the sea.\n\nA new paragraph."
    )
    assert converted.pages == [0, converted.text.index("# Bridges")]


def test_running_heads_of_a_pdf_are_left_out(tmp_path):
    pages = [[(10, "The river book"), (10, f"Body of page {'abcde'[i]}."), (10, f"page {i} of 5")] for i in range(5)]
    text = convert(tmp_path, "a.pdf", documents.make_pdf, pages=pages).text
    assert "river book" not in text and "of 5" not in text and text.count("Body of page") == 5


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: documents.make_pdf(p, [[]]), "no text layer (an image-only PDF)"),
        (lambda p: documents.make_pdf(p, [[(10, "secret")]], password=True), "password-protected"),
        (lambda p: p.write_bytes(b"%PDF-1.4\n"), DAMAGED),
    ],
)
def test_pdfs_that_give_nothing_say_why(tmp_path, make, reason):
    path = tmp_path / "a.pdf"
    make(path)
    assert refused(path.read_bytes(), path.name) == reason


def test_html():
    page = """<!doctype html><html><head><title>Rivers &amp; more</title><style>p{}</style></head><body>
      <nav><a href="/">Home</a></nav><script>x()</script>
      <h1>Rivers <em>of</em> the north</h1><p>The <a href="http://x.example">river</a>
      rises<br>here, see <code>f(x)</code>.</p><p hidden>not seen</p>
      <ul><li>one<ol><li>inner</li><li>more</li></ol></li><li>two</li></ul>
      <pre><code class="language-py">if a:
    b</code></pre>
      <table><tr><th>a</th><th>b</th></tr><tr><td rowspan="2">1</td><td>2</td></tr><tr><td>3</td></tr></table>
      <table><tr><td><p>laid out</p></td></tr></table></body></html>"""
    converted = convert_bytes(page.encode(), "a.html")
    assert converted.title == "Rivers & more"
    assert converted.text == (
        "# Rivers of the north\n\nThe river rises\nhere, see `f(x)`.\n\n- one\n    1. inner\n    2. more\n- two\n\n"
        "```py\nif a:\n    b\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n| 1 | 3 |\n\nlaid out"
    )


def test_the_main_part_of_a_page_is_what_is_read():
    page = (
        "<a class='mw-jump-link' href='#c'>Jump to content</a><div role='search'>Search</div>{}<footer>About</footer>"
    )
    languages = "<div class='vector-dropdown'>136 languages<ul><li>Deutsch</li></ul></div>"
    main = page.format(f"<main><h1>Duck</h1>{languages}<p>Ducks are birds that swim on ponds.</p></main>")
    assert convert_bytes(main.encode(), "a.html").text == "# Duck\n\nDucks are birds that swim on ponds."
    small = page.format("<main>Hi.</main><p>What most of the page says stands beside it.</p>")
    assert "most of the page" in convert_bytes(small.encode(), "a.html").text


def test_a_real_wiki_page_begins_with_its_heading(shared_data):
    text = convert_file(shared_data / "docs/html/docling_wiki_duck.html").text
    assert text.startswith("# Duck\n")
    assert not any(words in text for words in ("Jump to content", "136 languages", "Esperanto", "Privacy policy"))
    assert "Ducks are generally divided into two groups" in text or "Duck is the common name" in text


def test_html_declares_its_encoding():
    page = '<html><head><meta charset="windows-1251"></head><body><p>Привет</p></body></html>'.encode("cp1251")
    assert convert_bytes(page, "a.html").text == "Привет"
    assert convert_bytes("<p>Привет</p>".encode("koi8-r"), "a", "text/html; charset=koi8-r").text == "Привет"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter_and_keeps_line_numbers(delimiter):
    rows = [["name", "note"], ["Alder", '"two\nlines"'], ["Birch", "x"]]
    converted = convert_bytes("\r\n".join(delimiter.join(r) for r in rows).encode("utf-8-sig"), "a.csv")
    assert converted.text == "| name | note |\n| - | - |\n| Alder | two lines |\n| Birch | x |"
    assert converted.lines == [1, 1, 2, 4]


def test_json_lines_stay_lines_and_one_long_line_of_json_is_indented():
    rows = '{"a": "x\u2028y"}\n{"a": 2}\n'
    assert convert_bytes(rows.encode(), "a.jsonl").text == rows
    short = convert_bytes(b'{"a":[1,2]}', "a.json")
    assert (short.text, short.lines) == ('{"a":[1,2]}', "same")
    said = "{,: " * 300
    converted = convert_bytes(f'{{"a":[1e400,1.0, {{ }},[]],"b" :"{said}\\u00e9"}}'.encode(), "a.json")
    lines = ["{", '  "a": [', "    1e400,", "    1.0,", "    {},", "    []", "  ],", f'  "b": "{said}\\u00e9"', "}"]
    assert (converted.text.split("\n"), converted.lines) == (lines, None), "values as they are spelled"
    assert refused(b"{not json}", "a.json") == "not JSON"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.adoc", "a.py", "no_suffix", "a.cob"])
def test_texts_are_kept_as_they_are(name):
    text = "Title\n=====\n\n  indented\t\x0c\u2028 end  \n\n\n"
    converted = convert_bytes(text.replace("\n", "\r\n").encode(), name)
    assert converted.text == text and converted.lines == "same"


CHINESE = "这条河发源于山区，最后流入大海。河上有一座老桥。"
KOREAN = "이 강은 산에서 시작하여 바다로 흘러간다. 오래된 다리가 있다"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。"
FRENCH = "Un café très noir, à côté de la rivière, où l’été dure « longtemps »."
RUSSIAN = "Река берёт начало в холмах и впадает в море у порта, где стоит старый мост."

POLISH = "Zażółć gęślą jaźń. W Szczebrzeszynie chrząszcz brzmi w trzcinie, a źrebię śpi przy stajni. Świeży śnieg."
EUROS = (
    "Le prix est de 100 €, l'œuvre complète est déjà vendue à Noël. Les élèves étaient très fatigués. Ça coûte 25 €."
)
GERMAN = "Die Straße führt über die Brücke nach Köln. Müller und Söhne hören schöne Grüße, Äpfel und Öl sind übrig."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "utf-8-sig"), (FRENCH, "utf-16"), (FRENCH, "utf-16-le"), (FRENCH, "utf-16-be"), (FRENCH, "utf-32"),
        (FRENCH, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "cp932"), (JAPANESE, "euc-jp"),
        (JAPANESE, "utf-8"), ("这条河发源于山区，最后流入大海。", "gb18030"), (JAPANESE, "iso2022_jp"),
        (POLISH, "iso8859-2"), (POLISH, "cp1250"), (EUROS, "iso8859-15"), (EUROS, "cp1252"), (GERMAN, "cp850"),
        (GERMAN, "latin-1"), (FRENCH, "utf-8"),
    ],
)  # fmt: skip
def test_encodings(text, encoding):
    assert convert_bytes(text.encode(encoding), "a.txt").text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (JAPANESE, "cp932"), (CHINESE, "gb18030"), (KOREAN, "cp949"), (JAPANESE, "iso2022_jp"),
    ],
)  # fmt: skip
def test_a_cut_or_damaged_byte_is_a_replacement_and_the_rest_stays_readable(text, encoding):
    data = (text * 3).encode(encoding)
    damaged = [data[:-1]] if encoding.startswith("iso") else [data[:-1], data[:20] + b"\xff" + data[20:]]
    for one in damaged:
        assert convert_bytes(one, "a.txt").text.count(text) >= 1
        assert text[:6] in convert_bytes(one, "a.txt").text


NOISE = bytes(b for _ in range(60) for b in b"\xff\x41\xfe\x42")


@pytest.mark.parametrize(
    ("text", "encoding", "steps"),
    [
        (JAPANESE, "cp932", (20, 10, 5, 3, 0)), (CHINESE, "gb18030", (20, 10, 5, 3, 0)), (KOREAN, "cp949", (20, 10, 5, 3, 0)),
        (JAPANESE, "euc_jp", (20, 10, 5, 3, 0)), (JAPANESE, "utf-8", (20, 10, 5)), (FRENCH, "utf-8", (20,)),
    ],
)  # fmt: skip
def test_what_is_damaged_all_over_is_refused_not_misread(text, encoding, steps):
    """One byte in so many is no part of any character; 0: half of the file is such bytes."""
    for every in steps:
        data = bytearray(text.encode(encoding) * 4)
        data[2 :: every or len(data)] = b"\xff" * len(data[2 :: every or len(data)])
        with pytest.raises(Refused) as refused:
            convert_bytes(bytes(data) + (b"" if every else NOISE), "a.txt")
        assert refused.value.reason == DAMAGED, every


TABLE = "║ été ║ hiver ║\n╚═════╩═══════╝\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Élève, où as-tu été cet été? À l'école, à côté du vieux château. ", "cp1252"), (f"Le tableau des étés:\n{TABLE * 20}", "cp850"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy. ", "cp1250"), ("Žąsų būrys tyliai plaukė šaltu ežeru. ", "cp1257"),
    ],
)  # fmt: skip
def test_many_accents_and_a_drawn_table_are_no_damage(text, encoding):
    assert text in convert_bytes((text * 5).encode(encoding), "a.txt").text


def test_the_encoding_and_its_certainty_are_on_record():
    sure = convert_bytes(FRENCH.encode(), "a.txt").metadata
    assert (sure["encoding"], sure["encoding_certainty"]) == ("utf-8", 1.0)
    guessed = convert_bytes(FRENCH.encode("cp1252"), "a.md").metadata
    assert guessed["encoding"] == "cp1252" and 0 < guessed["encoding_certainty"] < 0.9


def test_an_image_says_words_and_not_bytes():
    stream = io.BytesIO()
    image, exif = PIL.Image.new("RGB", (4, 4)), PIL.Image.Exif()
    exif[270] = "A mill.\0junk"
    image.save(stream, "JPEG", exif=exif, comment=b"PFU ScanSnap Manager #iX500\x00")
    said = convert_bytes(stream.getvalue(), "a.jpg").text
    assert said.split("\n") == ["PFU ScanSnap Manager #iX500", "A mill."]


def test_a_byte_order_mark_never_reaches_the_text():
    for bom, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        assert convert_bytes(bom + "name,age\nAda,3".encode(encoding), "a.csv").text.startswith("| name |")


def test_a_damaged_byte_in_utf8_is_one_replacement():
    data = (FRENCH * 10).encode()
    assert convert_bytes(data[:50] + b"\xff" + data[50:], "a.txt").text.count("\ufffd") <= 3


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (random.Random(1).randbytes(1024), "a.bin", "neither text nor a known format"),
        (random.Random(2).randbytes(1024), "a.txt", "neither text nor a known format"),
        (random.Random(3).randbytes(1024), "a.docx", DAMAGED),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.docx", "password-protected"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.doc", "format not read: Word 97"),
        (b" \n", "a.txt", "empty"), (b"PK\x03\x04", "a.zip", "format not read: archive"),
        (b"no headers here", "a.eml", DAMAGED), (b"[]", "a.ipynb", DAMAGED),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused_with_a_reason(data, name, reason):
    assert refused(data, name) == reason


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    documents.make_zip_bomb(tmp_path / "a.docx")
    assert refused((tmp_path / "a.docx").read_bytes(), "a.docx") == "unpacks to far more than a document (a ZIP bomb)"


def test_the_bytes_tell_the_format_before_the_name(tmp_path):
    documents.make_pdf(tmp_path / "a.txt", [[(10, "A PDF by another name")]])
    assert convert_file(tmp_path / "a.txt").format == "pdf"
    assert convert_bytes(b"<!DOCTYPE html><p>page</p>", "page").format == "html"


EXPECTED_SIMILARITY = {
    "docling_2305.03393v1-pg9.pdf": 0.85, "docling_powerpoint_sample.pptx": 0.85, "docling_xlsx_01.xlsx": 0.7,
    "docling_asciidoc_02.asciidoc": 0.85,
}  # fmt: skip


def test_real_documents_read_as_expected(shared_data):
    import difflib
    import re

    docs = shared_data / "docs"
    for expected in sorted((docs / "expected_markdown").glob("*.md")):
        path = next(
            p for p in docs.glob(f"*/{expected.name.removesuffix('.md')}") if p.parent.name != "expected_markdown"
        )
        if path.name == "docling_wiki_duck.html":
            continue
        ours, theirs = (
            re.findall(r"[^\W_]+", re.sub(r"<!--.*?-->|\]\([^)\n]*\)", " ", text).casefold())
            for text in (convert_file(path).text, expected.read_text(encoding="utf-8"))
        )
        ratio = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()
        assert ratio >= EXPECTED_SIMILARITY.get(path.name, 0.94), (path.name, ratio)


def test_real_bad_documents_are_refused(shared_data):
    docs = shared_data / "docs"
    reasons = {
        "bin/markitdown_random.bin": "neither text nor a known format",
        "pdf/pypdf_005_libreoffice-writer-password.pdf": "password-protected",
        "pdf/pypdf_019_grayscale-image.pdf": "no text layer (an image-only PDF)",
    }
    for name, reason in reasons.items():
        assert refused((docs / name).read_bytes(), name) == reason
    assert convert_file(docs / "csv" / "markitdown_test_mskanji.csv").text.startswith("| 名前 | 年齢 | 住所 |")
