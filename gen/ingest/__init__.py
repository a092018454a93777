"""Ingestion: files, folders and URLs to documents and chunks in the store."""

from ._ingest import Ingested, ingest_documents
from ._settings import IngestSettings

__all__ = ["IngestSettings", "Ingested", "ingest_documents"]
