"""Pairing, comparison, decision, baselines, planning."""
