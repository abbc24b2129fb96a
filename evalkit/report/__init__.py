"""Renderers: a verdict in, text or files out."""
