"""Write the parameter tables of checks.md anew: `python docs/reference/generate_checks.py`."""

from pathlib import Path

from evalkit.graders.reference import with_tables

page = Path(__file__).with_name("checks.md")
page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
