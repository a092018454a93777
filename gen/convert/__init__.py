"""Files to text, text to chunks. This side of ingestion runs in a worker process and imports nothing of flywheel, so
that a worker starts at once and a parser that hangs, explodes or dies costs one file.
"""

from ._convert import convert_bytes, convert_file
from ._converted import Converted, Refused

__all__ = ["Converted", "Refused", "convert_bytes", "convert_file"]
