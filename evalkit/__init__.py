"""evalkit: evaluation and regression harness for LLM applications."""

__version__ = "0.1.0"
