"""The wheel and the editable install, built offline by the build backend that the locks hold."""

from __future__ import annotations

import json
import subprocess
import sys
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLED = "evalkit/_bundled"

pytest.importorskip("hatchling", reason="the build backend is not installed: `make setup`")


def build(*words: str, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", *words, "-d", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build("-t", "wheel", folder=folder)
    (found,) = folder.glob("*.whl")
    return ZipFile(found)


@pytest.fixture(scope="module")
def names(wheel: ZipFile) -> frozenset[str]:
    return frozenset(wheel.namelist())


def test_the_wheel_holds_every_module_and_data_file_of_the_package(names: frozenset[str]) -> None:
    package = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "evalkit").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {"evalkit/py.typed", "evalkit/report/templates/report.css", "evalkit/suite/schemas/suite.json"} <= package
    assert package - names == set()


def test_the_wheel_holds_every_suite_prompt_and_schema_of_the_demonstration(wheel: ZipFile) -> None:
    folder = REPOSITORY / "suites"
    shipped = [*folder.glob("*.yaml"), *folder.glob("prompts/*"), *folder.glob("schemas/*")]
    assert len(shipped) > 5
    for path in shipped:
        assert wheel.read(f"{BUNDLED}/suites/{path.relative_to(folder).as_posix()}") == path.read_bytes()


def test_the_wheel_holds_every_locked_version_of_every_dataset_with_its_card(wheel: ZipFile) -> None:
    locked = json.loads((REPOSITORY / "datasets/lock.json").read_text(encoding="utf-8"))["datasets"]
    assert "support_qa" in locked
    for name in ["lock.json"] + [
        f"{dataset}/{file}"
        for dataset, versions in locked.items()
        for file in ["dataset.yaml", *(f"{version}.jsonl" for version in versions)]
    ]:
        assert wheel.read(f"{BUNDLED}/datasets/{name}") == (REPOSITORY / "datasets" / name).read_bytes(), name


def test_the_wheel_holds_nothing_that_is_not_for_users(names: frozenset[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"evalkit"}
    unwanted = (".evalkit", "tests", "source", "baselines", "__pycache__", ".venv", "reports", "build.py")
    bundled = [name for name in names if name.startswith(BUNDLED)]
    assert [name for name in bundled if any(part in unwanted for part in name.split("/"))] == []
    assert [name for name in names if name.endswith((".pyc", ".db", ".duckdb", ".parquet"))] == []


def test_the_wheel_names_its_command_license_and_python(wheel: ZipFile) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    points = ConfigParser()
    points.read_string(wheel.read(f"{info}/entry_points.txt").decode())
    about = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert points["console_scripts"]["evalkit"] == "evalkit.cli.main:main"
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.11"
    assert wheel.read(f"{info}/licenses/LICENSE") == (REPOSITORY / "LICENSE").read_bytes()


def test_the_demonstration_s_suite_loads_from_an_unpacked_wheel_without_the_repository(
    wheel: ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    code = (
        "from pathlib import Path\n"
        "import evalkit as ek\n"
        "from evalkit.cli.demonstration.project import make_project, source_folder\n"
        "source = source_folder(Path.cwd())\n"
        "make_project(source, Path('demo'))\n"
        "Path('demo/evalkit.toml').touch()\n"
        "suite = ek.load_suite('demo/suites/support_qa.yaml')\n"
        "print(ek.__file__, source, suite.dataset.name, len(suite.items))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    imported, source, dataset, items = done.stdout.split()
    assert (imported, source, dataset) == (str(site / "evalkit/__init__.py"), str(site / BUNDLED), "support_qa")
    assert int(items) > 500


def test_an_editable_install_adds_no_second_package_folder(tmp_path: Path) -> None:
    code = f"import hatchling.build; print(hatchling.build.build_editable({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, timeout=60, check=True)
    (found,) = tmp_path.glob("*.whl")
    laid = {name for name in ZipFile(found).namelist() if ".dist-info/" not in name}
    assert {Path(name).suffix for name in laid} == {".pth"}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-ci.lock"])
def test_the_locks_hold_hashes_and_the_build_backend_and_name_no_registry(lock: str) -> None:
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
    assert {"hatchling", "editables"} <= {pin.split("==")[0] for pin in pins}
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text
    assert "index-url" not in text
