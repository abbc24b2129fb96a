"""The frozen nouns of the harness. No input, no output, no model calls."""
