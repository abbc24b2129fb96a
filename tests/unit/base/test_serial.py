from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from evalkit.base.errors import UsageError
from evalkit.base.model import Frozen, Many
from evalkit.base.serial import (
    FileError,
    JsonlLimits,
    Located,
    Problems,
    atomic_write,
    inside,
    parse_yaml,
    read_bytes,
    read_json,
    read_jsonl,
    read_toml,
    read_yaml,
    shown,
    spell,
    validate,
)


class Inner(Frozen):
    use: str
    negate: bool = False


class Outer(Frozen):
    name: str
    level: float = 0.0
    graders: Many[Inner] = ()


def test_yaml_keeps_the_place_of_every_value_and_key() -> None:
    located = parse_yaml("name: x\ngraders:\n  - use: contain\n    values: [a, b]\n", path="s.yaml")
    assert located.data == {"name": "x", "graders": [{"use": "contain", "values": ["a", "b"]}]}
    assert located.position(("graders", 0, "use")) == (3, 10)
    assert located.position(("graders", 0, "use"), key=True) == (3, 5)
    assert located.position(("graders", 0, "values", 1)) == (4, 17)
    assert located.where(("graders", 0, "absent")) == "s.yaml:3:5"
    assert located.line_text(3) == "  - use: contain"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("true", True), ("false", False), ("null", None),
        ("~", None), ("2026-11-23", "2026-11-23"), ("012", 12), ("0o17", 15), ("0xff", 255), ("1.5", 1.5),
        ("12:30:45", "12:30:45"), ("1_000", "1_000"), ("'1'", "1"), ("-7", -7), (".5", 0.5), ("1e3", 1000.0),
    ],
)  # fmt: skip
def test_yaml_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = parse_yaml(f"a: {text}", path="s.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "s.yaml:3:1", "given twice, first on line 1"),
        ("a: &x [*x]", "s.yaml:1:8", "alias"),
        ("a: *nowhere", "s.yaml:1:4", "alias"),
        ("a: !!python/object/apply:os.system ['x']", "s.yaml:1:4", "tag"),
        ("a: !include other.yaml", "s.yaml:1:4", "tag"),
        ("a: 1\n---\nb: 2\n", "s.yaml:2:1", "second document"),
        ("", "s.yaml:1", "empty"),
        ("# only a comment\n", "s.yaml:1", "empty"),
        ("{[a]: 1}", "s.yaml:1:2", "key is one word"),
        ("1: 2", "s.yaml:1:1", "is not a word"),
        ("true: 2", "s.yaml:1:1", "is not a word"),
        ("a: .nan", "s.yaml:1:4", "not a number"),
        ("a: -.inf", "s.yaml:1:4", "not a number"),
        ("a: 1e999", "s.yaml:1:4", "too large"),
        ("base: {a: 1}\n<<: {b: 1}", "s.yaml:2:1", "merge keys"),
        ("a: 99999999999999999999", "s.yaml:1:4", "64 bits"),
        ("a: [1, 2", "s.yaml:", "not valid YAML"),
        ("a: b: c", "s.yaml:1:5", "not valid YAML"),
        ("a:\n\tb: 1", "s.yaml:2:1", "not valid YAML"),
        ("ok: 1\na: \x01", "s.yaml:2", "not valid YAML"),
        ('a: "\\ud800"', "s.yaml:1", "not valid YAML"),
        ("[" * 60 + "]" * 60, "s.yaml:1:41", "nested deeper"),
        ("[" * 100_000, "s.yaml:1:41", "nested deeper"),
        ("x: &a k\n*a : 2", "s.yaml:2:1", "alias"),
    ],
)
def test_malformed_yaml_is_refused_with_line_and_reason(text: str, where: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_yaml(text, path="s.yaml")
    assert str(caught.value.where).startswith(where)
    assert message in caught.value.message
    assert caught.value.hint


def test_yaml_aliases_are_allowed_but_cannot_multiply() -> None:
    assert parse_yaml("a: &x {k: 1}\nb: *x\n", path="s.yaml").data == {"a": {"k": 1}, "b": {"k": 1}}
    layers = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(FileError, match="stands for more than"):
        parse_yaml("\n".join(layers), path="s.yaml")


def test_a_byte_order_mark_is_tolerated_everywhere(tmp_path: Path) -> None:
    for name, text in {"a.yaml": "a: 1", "a.json": '{"a": 1}', "a.toml": "a = 1"}.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}')
    assert read_yaml(tmp_path / "a.yaml").data == {"a": 1}
    assert read_json(tmp_path / "a.json").data == {"a": 1}
    assert read_toml(tmp_path / "a.toml").data == {"a": 1}
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (3, {"a": 2})]


def test_files_that_are_not_regular_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for path in (tmp_path / "fifo.jsonl", tmp_path / "folder.jsonl", Path("/dev/zero")):
        with pytest.raises(UsageError, match=r"not a regular file|Is a directory"):
            list(read_jsonl(path))


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text("a: 1")
    with pytest.raises(UsageError, match="there is no file") as caught:
        read_yaml(tmp_path / "suit.yaml")
    assert "suite.yaml" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        read_yaml(tmp_path / "nowhere" / "suit.yaml")
    assert "no folder" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        read_yaml(tmp_path / "suit.json")
    assert "holds no *.json" in str(caught.value.hint)


def test_bad_utf8_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"a": "\xe9"}\n')
    with pytest.raises(UsageError, match=r"a\.yaml:2 is not UTF-8"):
        read_yaml(tmp_path / "a.yaml")
    with pytest.raises(UsageError, match=r"a\.jsonl:2: not UTF-8: byte 0xe9 at byte 8"):
        list(read_jsonl(tmp_path / "a.jsonl"))


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert len(read_bytes(tmp_path / "a", limit=11)) == 11
    with pytest.raises(UsageError, match="larger than 10 bytes"):
        read_bytes(tmp_path / "a", limit=10)


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ('{"a": 1,}', "f.jsonl:2:9", "not valid JSON"),
        ('{"a": 1', "f.jsonl:2:8", "not valid JSON"),
        ("{'a': 1}", "f.jsonl:2:2", "not valid JSON"),
        ('{"a": 1} {"b": 2}', "f.jsonl:2:10", "extra data"),
        ('{"a": 1, "a": 2}', "f.jsonl:2", "'a' is given twice"),
        ('{"x": {"a": 1, "a": 2}}', "f.jsonl:2", "'a' is given twice"),
        ('{"a": NaN}', "f.jsonl:2", "NaN is not JSON"),
        ('{"a": -Infinity}', "f.jsonl:2", "-Infinity is not JSON"),
        ('{"a": 1e999}', "f.jsonl:2", "too large"),
        ('{"a": 123456789012345678901}', "f.jsonl:2", "64 bits"),
        ('{"a": "\\ud800"}', "f.jsonl:2", "surrogate"),
        ('{"a": "tab\there"}', "f.jsonl:2:11", "not valid JSON"),
        ('{"a": ' + "[" * 80 + "]" * 80 + "}", "f.jsonl:2", "nested deeper than 64"),
        ("[" * 200_000, "f.jsonl:2", "nested deeper than 64"),
        ("undefined", "f.jsonl:2:1", "not valid JSON"),
    ],
)
def test_malformed_json_lines_are_refused_with_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, place: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.jsonl").write_text(f'{{"ok": 1}}\n{line}\n')
    rows = read_jsonl("f.jsonl")
    assert next(rows) == (1, {"ok": 1})
    with pytest.raises(UsageError) as caught:
        next(rows)
    assert caught.value.where == place
    assert message in caught.value.message
    assert caught.value.hint


def test_brackets_inside_strings_are_not_depth(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('{"a": "' + "[" * 500 + '\\"{{{"}\n')
    assert len(list(read_jsonl(tmp_path / "f.jsonl"))) == 1


def test_a_line_over_the_limit_stops_the_reading(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text('"' + "x" * 100 + '"\n')
    with pytest.raises(UsageError, match=r"f\.jsonl:1: the line is longer than 50 bytes"):
        list(read_jsonl(tmp_path / "f.jsonl", limits=JsonlLimits(line_bytes=50)))


def test_compressed_lines_are_read_and_bombs_are_not(tmp_path: Path) -> None:
    good, bomb, torn, fake = (tmp_path / f"{name}.jsonl.gz" for name in ("good", "bomb", "torn", "fake"))
    good.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert [row["a"] for _, row in read_jsonl(good)] == [1, 2]
    bomb.write_bytes(gzip.compress(b"1\n" * 1_000_000))
    with pytest.raises(UsageError, match="more than 1,000 bytes when decompressed"):
        list(read_jsonl(bomb, limits=JsonlLimits(total_bytes=1000)))
    torn.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    with pytest.raises(UsageError, match="not a complete gzip file"):
        list(read_jsonl(torn))
    fake.write_bytes(b'{"a": 1}\n')
    with pytest.raises(UsageError, match="not a complete gzip file"):
        list(read_jsonl(fake))


def test_toml_errors_and_places_have_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text('store = "x"\n\n[models.prod]  # ours\nkind = "openai"\n[tool."a.b"]\nc.d = 1\n')
    located = read_toml("a.toml")
    assert located.position(("store",)) == (1, 9)
    assert located.position(("models", "prod", "kind"), key=True) == (4, 1)
    assert located.position(("models", "prod")) == (3, 2)
    assert located.position(("tool", "a.b", "c", "d")) == (6, 7)
    for text, where in {"a = 1\nb = = 2\n": "a.toml:2:5", "a = 1\na = 2\n": "a.toml:2", 'a = "x': "a.toml:1"}.items():
        Path("a.toml").write_text(text)
        with pytest.raises(UsageError, match="not valid TOML") as caught:
            read_toml("a.toml")
        assert str(caught.value.where).startswith(where)


def test_all_problems_of_a_file_are_reported_at_once_in_its_order() -> None:
    text = "graders:\n  - {use: 3, negat: true}\n  - {negate: yes}\nlevel: high\nnme: x\n"
    with pytest.raises(FileError) as caught:
        validate(Outer, parse_yaml(text, path="s.yaml"))
    found = [(problem.where, problem.loc, problem.message) for problem in caught.value.problems]
    assert found == [
        ("s.yaml:1:1", "", "field 'name' is missing"),
        ("s.yaml:2:11", "graders[0].use", "must be a valid string, not 3"),
        ("s.yaml:2:14", "graders[0].negat", "unknown field 'negat', did you mean 'negate'?"),
        ("s.yaml:3:5", "graders[1]", "field 'use' is missing"),
        ("s.yaml:3:14", "graders[1].negate", "must be a valid boolean, not 'yes'"),
        ("s.yaml:4:8", "level", "must be a valid number, not 'high'"),
        ("s.yaml:5:1", "nme", "unknown field 'nme', did you mean 'name'?"),
    ]
    hints = [problem.hint for problem in caught.value.problems]
    assert hints[1] == 'quote it: "3"'
    assert hints[4] == "write true or false"


def test_an_error_prints_place_way_source_line_caret_and_hint() -> None:
    located = parse_yaml("graders:\n  - use: contain\n", path="suites/s.yaml")
    problems = Problems(located)
    problems.add(("graders", 0, "use"), "unknown grader 'contain'", hint="known graders: contains_any")
    with pytest.raises(FileError) as caught:
        problems.raise_if_any()
    assert str(caught.value) == (
        "suites/s.yaml:2:10 graders[0].use: unknown grader 'contain'\n"
        "      - use: contain\n"
        "             ^\n"
        "  hint:  known graders: contains_any"
    )
    assert caught.value.exit_code == 2


def test_the_excerpt_of_a_long_line_is_cut_around_the_column_and_shows_no_control_characters() -> None:
    located = Located(path="s", data=None, lines=["x" * 200 + "\x1b]0;title\x07bad" + "y" * 200])
    problem = Located(
        path="s", data=None, lines=located.lines, values={(): parse_yaml("a: 1", path="s").values[()]}
    ).problem((), "m")
    excerpt = "\n".join(problem.excerpt())
    assert max(map(len, problem.excerpt())) < 120
    assert "\x1b" not in excerpt


def test_a_part_of_a_file_is_validated_at_its_own_place() -> None:
    located = parse_yaml("graders:\n  - {use: a, vals: 1}\n", path="s.yaml")
    with pytest.raises(FileError) as caught:
        validate(Inner, located, at=("graders", 0), data=located.data["graders"][0])
    assert caught.value.problems[0].headline() == "s.yaml:2:14 graders[0].vals: unknown field 'vals'"


def test_a_row_of_a_large_file_reports_its_line() -> None:
    with pytest.raises(FileError, match=r"f\.jsonl:17 negate: must be a valid boolean, not 'x'"):
        validate(Inner, Located(path="f.jsonl", data={"use": "a", "negate": "x"}, first_line=17))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with atomic_write(path) as file:
        file.write(b"old")

    def write_and_fail() -> None:
        with atomic_write(path) as file:
            file.write(b"new")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_write_without_overwriting_refuses_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def write() -> None:
        with atomic_write(path, overwrite=False) as file:
            file.write(b"new")

    with pytest.raises(UsageError, match="exists already"):
        write()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_links_out_of_the_project_are_not_inside_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")
    assert inside(root / "file", root)
    assert not inside(root / "link", root)
    assert not inside(root / ".." / "secret", root)


def test_paths_and_ways_are_shown_as_people_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b.yaml") == "a/b.yaml"
    assert shown("/elsewhere/b.yaml") == "/elsewhere/b.yaml"
    assert spell(("graders", 2, "values", 0, "x")) == "graders[2].values[0].x"


def test_a_mapping_of_models_explains_its_fields() -> None:
    class Table(Frozen):
        models: dict[str, Inner] = {}
        plain: dict[str, int] = {}

    text = "models: {a: {use: x, negte: true}, b: 3}\nplain: {c: x}\n"
    with pytest.raises(FileError) as caught:
        validate(Table, parse_yaml(text, path="s.yaml"))
    assert [problem.message for problem in caught.value.problems] == [
        "unknown field 'negte', did you mean 'negate'?",
        "must be a mapping of fields, not 3",
        "must be a valid integer, not 'x'",
    ]


def test_a_value_none_of_a_unions_branches_takes_is_reported_once_with_the_words_of_yaml() -> None:
    class Either(Frozen):
        values: str | Many[str]

    for text, shown_value in {"{}": "a mapping", "~": "nothing", "true": "true", "x" * 3: None}.items():
        located = parse_yaml(f"values: {text}", path="s.yaml")
        if shown_value is None:
            assert validate(Either, located).values == "xxx"
            continue
        with pytest.raises(FileError) as caught:
            validate(Either, located)
        assert len(caught.value.problems) == 1
        assert caught.value.problems[0].message.endswith(f"not {shown_value}")


def test_a_long_value_is_cut_in_its_message() -> None:
    with pytest.raises(FileError) as caught:
        validate(Outer, parse_yaml(f"name: x\nlevel: {'y' * 500}", path="s.yaml"))
    assert len(caught.value.problems[0].message) < 120


def test_secrets_in_the_source_line_are_not_shown() -> None:
    with pytest.raises(FileError) as caught:
        validate(Outer, parse_yaml("name: x\nkey: sk-abcdefghijklmnopqrst", path="s.yaml"))
    assert "sk-abc" not in str(caught.value)


def test_a_path_that_cannot_be_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot open"):
        read_bytes(tmp_path / "a\0b")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot open") as caught:
        read_bytes(tmp_path / "file" / "below.yaml")
    assert caught.value.hint


def test_a_file_without_permission_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match=r"cannot open .*a.yaml': Permission denied"):
        read_bytes(tmp_path / "a.yaml")


def test_a_folder_that_cannot_be_synced_does_not_stop_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_nothing_found_raises_nothing_and_problems_of_other_files_come_last() -> None:
    located = parse_yaml("a: 1\nb: 2\n", path="s.yaml")
    problems = Problems(located)
    problems.raise_if_any()
    problems.add_error(("a",), FileError([parse_yaml("x: 1", path="other.yaml").problem((), "elsewhere")]))
    problems.add_error(("b",), UsageError("second"))
    problems.add(("a",), "first", key=True)
    with pytest.raises(FileError) as caught:
        problems.raise_if_any()
    assert [problem.message for problem in caught.value.problems] == ["first", "second", "elsewhere"]
