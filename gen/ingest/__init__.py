"""Ingestion: files, folders and URLs to documents and chunks in the store."""

from ._ingest import Ingested, ingest_documents
from ._settings import IngestSettings
from ._walk import check_arguments

__all__ = ["IngestSettings", "Ingested", "check_arguments", "ingest_documents"]
