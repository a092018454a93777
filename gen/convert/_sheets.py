"""Spreadsheets by python-calamine, CSV and TSV by the standard library: tables, in the text as Markdown pipe tables."""

import csv
import datetime
import io
from typing import Any

from ._converted import Converted, Refused, join_pages
from ._decode import decode
from ._markup import heading, squeeze, table

_DELIMITERS = ",;\t|"
csv.field_size_limit(1 << 24)


def convert_workbook(data: bytes) -> Converted:
    """Convert XLSX, XLS, XLSB or ODS: a page a sheet, its name as heading, a table for each block of rows.

    Formulas stand as the values that the file has for them.
    """
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    except python_calamine.PasswordError:
        raise Refused("password-protected") from None
    sheets = [(name, book.get_sheet_by_name(name).to_python(skip_empty_area=False)) for name in book.sheet_names]
    bodies = [(name, [table(rows) for rows in _regions(cells)]) for name, cells in sheets]
    text, pages = join_pages(["\n\n".join([heading(2, n), *b]) if b else "" for n, b in bodies])
    return Converted(text, pages=pages, metadata={"sheets": [n for n, _ in sheets]})


def _regions(rows: list[list[Any]]) -> list[list[list[str]]]:
    """Cut a sheet at empty rows and columns into the tables on it, in reading order."""
    return _cut_apart([[_show(c) for c in row] for row in rows])


def _cut_apart(cells: list[list[str]]) -> list[list[list[str]]]:
    bands = [_turn(block) for band in _split(cells) for block in _split(_turn(band))]
    whole = len(bands) == 1 and len(bands[0]) == len(cells)
    return bands if whole else [region for band in bands for region in _cut_apart(band)]


def _turn(rows: list[list[str]]) -> list[list[str]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _split(rows: list[list[str]]) -> list[list[list[str]]]:
    groups: list[list[list[str]]] = [[]]
    for row in rows:
        if any(row):
            groups[-1].append(row)
        elif groups[-1]:
            groups.append([])
    return [g for g in groups if g]


def _show(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return squeeze(str(value))


def convert_csv(data: bytes, name: str) -> Converted:
    """Convert CSV or TSV: one table, whose rows keep the numbers of the lines that they began on.

    The delimiter is the one of comma, semicolon, tab and bar that splits the first lines most evenly.
    """
    text, found = decode(data)
    delimiter = "\t" if name.lower().endswith((".tsv", ".tab")) else _find_delimiter(text)
    rows, lines = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begins = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error:
        raise Refused("not CSV", text) from None
    metadata = {**found, "delimiter": delimiter, "rows": max(len(rows) - 1, 0)}
    return Converted(table(rows), "markdown", lines=[*lines[:1], *lines[:1], *lines[1:]], metadata=metadata)


def _find_delimiter(text: str) -> str:
    """Return the delimiter that gives the first lines the most fields, alike in most of them."""
    sample = [line for line in text[: 1 << 14].split("\n")[:50] if line.strip()]

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(sample, delimiter=delimiter)]
        common = max(set(widths), key=widths.count, default=1)
        return (widths.count(common) / len(widths) if common > 1 else 0.0), common

    try:
        return max(_DELIMITERS, key=score) if sample else ","
    except csv.Error:
        return ","
