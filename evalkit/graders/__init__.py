"""Graders: checks, which are deterministic, and judges, which ask a model."""
