"""The heavy parser: docling, with layout models, OCR and table structure. Chosen by ``--parser docling``."""

import importlib.metadata
from io import BytesIO
from typing import Any

from ._converted import Converted, Refused


def convert_with_docling(data: bytes, name: str, named: str) -> Converted:
    """Convert a file with docling; an image becomes the text that OCR reads on it."""
    from docling.datamodel.base_models import ConversionStatus, DocumentStream
    from docling.document_converter import DocumentConverter

    result: Any = DocumentConverter().convert(DocumentStream(name=name, stream=BytesIO(data)), raises_on_error=False)
    if result.status == ConversionStatus.FAILURE:
        raise Refused("parser failed: docling", result.errors[0].error_message if result.errors else None)
    text = result.document.export_to_markdown()
    return Converted(text, format=named, metadata={"parser": f"docling {importlib.metadata.version('docling')}"})
