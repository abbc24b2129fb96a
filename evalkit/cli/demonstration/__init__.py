"""The five acts of ``evalkit demo``."""
