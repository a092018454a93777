"""Which format a file is: by its first bytes where they tell, then by its name, then by its media type."""

from pathlib import PurePath

TEXT = {
    "txt": ("plain", "txt text log srt vtt"),
    "markdown": ("markdown", "md markdown mdown mkd mdx qmd rmd"),
    "rst": ("rst", "rst rest"),
    "asciidoc": ("asciidoc", "adoc asciidoc asc"),
    "code": (
        "code",
        "py pyi js mjs cjs jsx ts tsx java kt kts scala c h cc cpp cxx hpp hh cs go rs rb php swift m mm r jl lua pl pm sh bash "
        "zsh fish ps1 bat sql cob cbl cpy f f90 f95 for pas ada adb ads hs ml mli fs clj lisp el erl ex exs dart groovy gradle "
        "vb asm s v sv vhd vhdl tcl toml yaml yml ini cfg conf cmake mk proto graphql tf css scss less tex bib xml xsd xsl svg "
        "nxml vue svelte zig nim dockerfile makefile",
    ),
}
"""Formats that are kept verbatim: their syntax, and the suffixes of their files."""

SUFFIXES = {suffix: name for name, (_, suffixes) in TEXT.items() for suffix in suffixes.split()} | {
    "html": "html", "htm": "html", "xhtml": "html", "pdf": "pdf", "docx": "docx", "docm": "docx", "pptx": "pptx",
    "pptm": "pptx", "xlsx": "xlsx", "xlsm": "xlsx", "xlsb": "xlsx", "xls": "xlsx", "ods": "xlsx", "csv": "csv",
    "tsv": "csv", "tab": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "epub": "epub", "odt": "odt",
    "rtf": "rtf", "eml": "eml", "ipynb": "ipynb", "png": "image", "jpg": "image", "jpeg": "image", "gif": "image",
    "webp": "image", "bmp": "image", "tif": "image", "tiff": "image",
}  # fmt: skip

MEDIA_TYPES = {
    "text/html": "html", "application/xhtml+xml": "html", "text/markdown": "markdown", "text/csv": "csv",
    "text/tab-separated-values": "csv", "application/json": "json", "application/pdf": "pdf", "text/x-rst": "rst",
    "application/epub+zip": "epub", "application/rtf": "rtf", "text/rtf": "rtf", "message/rfc822": "eml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.oasis.opendocument.text": "odt", "application/x-ndjson": "jsonl",
}  # fmt: skip

OTHER = {
    "doc": "Word 97", "ppt": "PowerPoint 97", "msg": "Outlook message", "odp": "ODF presentation", "pages": "Pages",
    "numbers": "Numbers", "key": "Keynote", "djvu": "DjVu", "mobi": "Mobipocket", "zip": "archive", "gz": "archive",
    "tar": "archive", "7z": "archive", "xz": "archive", "bz2": "archive", "zst": "archive", "parquet": "Parquet",
    "mp3": "sound", "wav": "sound", "flac": "sound", "ogg": "sound", "mp4": "video", "mkv": "video", "mov": "video",
    "avi": "video", "webm": "video", "heic": "HEIC image", "ico": "icon",
}  # fmt: skip
"""Formats that are known and not read."""

_MAGIC = (
    (b"%PDF-", "pdf"), (b"{\\rtf", "rtf"), (b"\x89PNG\r\n\x1a\n", "image"), (b"\xff\xd8\xff", "image"),
    (b"GIF87a", "image"), (b"GIF89a", "image"), (b"II*\0", "image"), (b"MM\0*", "image"),
)  # fmt: skip
_ZIPPED = ("docx", "pptx", "xlsx", "epub", "odt")


def name_format(name: str, media_type: str | None = None) -> str | None:
    """Return the format that a file's name or media type says, None where neither tells."""
    path = PurePath(name)
    suffix = path.suffix.lower().lstrip(".") or path.name.lower()
    declared = MEDIA_TYPES.get((media_type or "").split(";")[0].strip().lower())
    return declared or SUFFIXES.get(suffix) or (suffix if suffix in OTHER else None)


def sniff(head: bytes, named: str | None) -> str | None:
    """Return the format by the first bytes; ``named`` where they do not contradict it."""
    found = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = "image"
    if found is None and named is None and head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    return found or named


def is_zipped(name: str | None) -> bool:
    """Say whether files of the format are ZIP archives inside."""
    return name in _ZIPPED


def unread(named: str) -> str:
    """Return the reason for which a known format is refused."""
    return f"format not read: {OTHER[named]}"
