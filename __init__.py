"""flywheel: the data flywheel for language models, closed, crash-proof and measured."""

__version__ = "0.1.0"
