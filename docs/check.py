"""Checks the documentation: `python docs/check.py`, part of `make check`. Prints what is wrong; exit 1 if anything is.

- relative links and anchors of every page lead somewhere, and every page below docs/ can be reached from docs/index.md
- blocks marked ``yaml suite`` and ``yaml prompt``, and ``toml`` blocks, say what evalkit accepts
- generated tables, schemas and the changelog are what their scripts make
- changelog fragments have a known category
- no tracked file holds a package index's address or a path of somebody's machine
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
from pydantic import ValidationError

from evalkit.base.errors import EvalkitError
from evalkit.base.serial import parse_yaml
from evalkit.settings import SettingsFile
from evalkit.suite.files import SuiteFile
from evalkit.suite.prompts import PromptFile

ROOT = Path(__file__).resolve().parents[1]
CATEGORIES = {"added", "changed", "fixed", "removed", "security", "stats"}
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
_INDEX = r"--(?:extra-)?index-url[ =]|--find-links[ =]|\bindex-url\s*=|files\.pythonhosted\.org|pypi\.org/simple"
_MACHINE = r"(?<![\w.])/(?:root|work)/[\w.]|(?<![\w.])/(?:home|Users)/[a-z][\w.-]*/|[A-Z]:\\Users\\"
_GENERATED = ("docs/reference", "docs/changelog.d", "suites/schema")


def pages() -> list[Path]:
    """Return every page of the documentation and every page at the top of the project."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("reports/*.md")]
    return sorted(page for page in found if page.is_file())


def without_code(text: str) -> str:
    """Return a page without its blocks and without code in its lines."""
    return re.sub(r"`[^`\n]*`", "code", _FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield each relative link of a page: as written, the file, the anchor."""
    for one, other in _LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        link = one or other
        if urlsplit(link).scheme or link.startswith("//"):
            continue
        name, _, anchor = link.partition("#")
        yield link, (page.parent / name).resolve() if name else page, anchor


def bad_links() -> Iterator[str]:
    """Yield every link that leads nowhere, and every page that no link leads to."""
    reached, left = {ROOT / "docs/index.md"}, [ROOT / "docs/index.md"]
    for page in pages():
        for link, target, anchor in links(page):
            if not target.exists():
                yield f"{name_of(page)}: {link} does not exist"
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                yield f"{name_of(page)}: {link}: there is no such heading"
    while left:
        for _, target, _ in links(left.pop()):
            if target.suffix == ".md" and target.is_file() and target not in reached:
                reached.add(target)
                left.append(target)
    for page in pages():
        fragment = page.parent.name == "changelog.d" and page.name != "README.md"
        if page.is_relative_to(ROOT / "docs") and page not in reached and not fragment:
            yield f"{name_of(page)}: no link from docs/index.md leads here"


def bad_blocks() -> Iterator[str]:
    """Yield every block that evalkit would not accept."""
    schema = json.loads((ROOT / "suites/schema/suite.json").read_text(encoding="utf-8"))
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for block in _FENCE.finditer(text):
            where = f"{name_of(page)}:{text.count(chr(10), 0, block.start()) + 1}"
            try:
                _accept(block["info"].strip(), block["body"], where, schema)
            except (EvalkitError, ValidationError, jsonschema.ValidationError, tomllib.TOMLDecodeError) as error:
                yield f"{where}: {' '.join(str(error).split())[:200]}"


def _accept(info: str, body: str, where: str, schema: dict[str, object]) -> None:
    if info == "yaml suite":
        data = parse_yaml(body, path=where).data
        SuiteFile.model_validate(data)
        jsonschema.validate(data, schema)
    elif info == "yaml prompt":
        PromptFile.model_validate(parse_yaml(body, path=where).data)
    elif info == "toml":
        SettingsFile.model_validate(tomllib.loads(body))


def stale() -> Iterator[str]:
    """Yield every generated file that its script would write differently; the scripts run on copies."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for folder in _GENERATED:
            shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "evalkit/suite/schemas").mkdir(parents=True)
        shutil.copyfile(ROOT / "CHANGELOG.md", copy / "CHANGELOG.md")
        scripts = [*copy.glob("docs/reference/generate_*.py"), copy / "docs/changelog.d/collect.py"]
        for script in [*sorted(scripts), copy / "suites/schema/build.py"]:
            done = _run([sys.executable, str(script)])
            if done.returncode:
                yield f"{script.relative_to(copy)}: {done.stderr.strip().splitlines()[-1]}"
        for path in sorted(path for path in copy.rglob("*") if path.suffix in {".md", ".json"}):
            original = ROOT / path.relative_to(copy)
            if not original.is_file() or original.read_bytes() != path.read_bytes():
                yield f"{path.relative_to(copy)} is not what its script makes: run it again"


def bad_fragments() -> Iterator[str]:
    """Yield every changelog fragment that is not ``<topic>.<category>.md`` or is empty."""
    for path in sorted((ROOT / "docs/changelog.d").iterdir()):
        if path.name in {"README.md", "collect.py", "__pycache__"}:
            continue
        parts = path.name.split(".")
        if len(parts) != 3 or parts[1] not in CATEGORIES or parts[2] != "md":
            yield f"{name_of(path)}: name it <topic>.<category>.md, a category of {', '.join(sorted(CATEGORIES))}"
        elif not path.read_text(encoding="utf-8").strip():
            yield f"{name_of(path)}: it is empty"


def private_addresses() -> Iterator[str]:
    """Yield every line of a tracked file with a package index's address or a path of somebody's machine."""
    tracked = _run(["git", "-C", str(ROOT), "ls-files", "-z"])
    if tracked.returncode:
        return
    forbidden = re.compile("|".join([_INDEX, _MACHINE, *map(re.escape, _own_hosts())]))
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path == Path(__file__).resolve() or path.stat().st_size > 4_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            found = forbidden.search(line)
            if found and "evalkit: allow-path" not in line:
                yield f"{name}:{number}: {found[0]!r} is an address or path of one machine"


def _own_hosts() -> set[str]:
    """Return the hosts that pip is configured to ask on this machine."""
    listed = _run([sys.executable, "-m", "pip", "config", "list"]).stdout
    return {host for url in re.findall(r"https?://[^\s'\"]+", listed) if (host := urlsplit(url).hostname)}


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - fixed words


def name_of(path: Path) -> str:
    """Return ``path`` from the project's folder."""
    return str(path.relative_to(ROOT))


def main() -> int:
    """Print what is wrong and return the exit code."""
    checks: list[Iterable[str]] = [bad_links(), bad_blocks(), stale(), bad_fragments(), private_addresses()]
    problems = [problem for check in checks for problem in check]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(f"documentation: {len(pages())} pages, {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
