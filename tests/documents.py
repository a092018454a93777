"""Small documents of every format, made here: what ingestion is tested on without real data."""

import json
import zipfile
import zlib

WORDS = "The river Alder rises in the hills above Marn and reaches the sea at Port Ellis."


def make_docx(path, *, body=WORDS):
    import docx

    document = docx.Document()
    document.core_properties.title = "Rivers"
    document.add_heading("Rivers of the north", 1)
    document.add_paragraph(body)
    document.add_heading("Bridges", 2)
    document.add_paragraph("The old bridge", style="List Bullet")
    document.add_paragraph("The new bridge", style="List Bullet")
    document.add_paragraph("First step", style="List Number")
    document.add_paragraph("Second step", style="List Number")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("name", "length", "Alder", "81 km"), strict=True):
        cell.text = text
    document.save(path)


def make_pptx(path):
    import pptx

    deck = pptx.Presentation()
    for title, lines in (("Rivers", ["Alder", "Birch"]), ("Bridges", ["old", "new"])):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(lines)
        slide.notes_slide.notes_text_frame.text = f"Say more of {title.lower()}."
    deck.save(path)


def make_xlsx(path):
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        for name, rows in (
            ("Rivers", [["name", "length"], ["Alder", 81], ["Birch", 12.5]]),
            ("Towns", [["town"], ["Marn"]]),
        ):
            sheet = book.add_worksheet(name)
            for y, row in enumerate(rows):
                sheet.write_row(y, 0, row)


def make_epub(path):
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        )
        items = "".join(f'<item id="c{i}" href="c%20{i}.xhtml"/>' for i in (1, 2))
        book.writestr(
            "OEBPS/book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>A river book</dc:title></metadata><manifest>{items}</manifest>"
            '<spine><itemref idref="c2"/><itemref idref="c1"/></spine></package>',
        )
        for i, title in ((1, "The end"), (2, "The start")):
            page = f"<html><head><title>x</title></head><body><h1>{title}</h1><p>{WORDS}</p></body></html>"
            book.writestr(f"OEBPS/c {i}.xhtml", page)


def make_odt(path):
    ns = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<office:document-content xmlns:office="{ns}office:1.0" xmlns:text="{ns}text:1.0" xmlns:table="{ns}table:1.0">'
        '<office:body><office:text><text:h text:outline-level="1">Rivers</text:h>'
        f'<text:p>{WORDS}<text:s text:c="2"/>It is<text:tab/>long.</text:p>'
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>inner</text:p></text:list-item>"
        "</text:list></text:list-item></text:list>"
        '<table:table><table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>twice</text:p>'
        "</table:table-cell></table:table-row></table:table></office:text></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)


def make_eml(path):
    path.write_bytes(
        b"From: Ada <ada@example.org>\r\nTo: Ben <ben@example.org>\r\nSubject: =?utf-8?q?The_r=C3=ADver?=\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>not this part</p>\r\n--x\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nThe caf\xe9 stands by the river.\r\n--x--\r\n"
    )


def make_ipynb(path):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Lengths\n", WORDS]},
        {"cell_type": "code", "metadata": {}, "source": "81 + 12", "outputs": [{"data": {"text/plain": ["93"]}}]},
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def make_rtf(path):
    path.write_text(r"{\rtf1\ansi\ansicpg1252 The caf\'e9 by the river.\par A second paragraph.\par}")


def make_image(path, words="A photograph of the river Alder"):
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("Description", words)
    Image.new("RGB", (8, 6), "blue").save(path, pnginfo=info)


def make_pdf(path, pages, *, password=False):
    """Write a PDF of (size, line) rows a page, in Helvetica; a page without rows has a grey box."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for rows in pages:
        y, drawn = 720, []
        for size, line in rows:
            escaped = line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            drawn.append(f"BT /F1 {size} Tf 72 {y} Td ({escaped}) Tj ET")
            y -= int(size * 1.3) if line else 24
        stream = "\n".join(drawn) or "0.5 g 72 72 200 200 re f"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    secret = ""
    if password:
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{'41' * 32}> /U <{'42' * 32}> >>")
        secret = f" /Encrypt {len(objects)} 0 R /ID [<{'43' * 16}> <{'43' * 16}>]"
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    xref = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(b"%010d 00000 n \n" % o for o in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R{secret} >>\nstartxref\n{xref}\n%%EOF\n".encode()
    path.write_bytes(out)


def make_zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (80 << 20))


def checksum(path):
    return zlib.crc32(path.read_bytes())
