"""YAML with line numbers: what is read, where it stands, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from odefit.config import yaml_tree
from odefit.config.source import Source, apply_overrides, parse_yaml, read_yaml
from odefit.config.yaml_tree import parse_tree
from odefit.errors import ConfigError

ROOT = Path(__file__).parents[2]
TEXT = """\
# a comment
model:
  equations: {x: -k*x}

fit:
  starts: 3
  list:
    - a
    - b: 1
      c: 2
parameters:
"""


def source() -> Source:
    return parse_yaml(TEXT, "c.yaml")


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "c.yaml")
    return str(caught.value)


def test_data_and_lines() -> None:
    assert source().data == {
        "model": {"equations": {"x": "-k*x"}},
        "fit": {"starts": 3, "list": ["a", {"b": 1, "c": 2}]},
        "parameters": None,
    }
    assert source().line(("model", "equations", "x")) == 3
    assert source().where(("fit", "starts")) == "c.yaml:6"
    assert source().where(("fit", "list", 1, "c")) == "c.yaml:10"


def test_the_line_of_an_absent_key_is_that_of_its_nearest_ancestor() -> None:
    assert source().line(("fit", "strats")) == 5
    assert source().line(("fit", "list", 7, "x")) == 7
    assert source().line(("parameters", "k", "value")) == 11
    assert source().line(()) == 2


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-6", 1e-6),
        ("1e5", 1e5),
        ("-1.5E+3", -1500.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("+7", 7),
        ("010", 10),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", float("inf")),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1e", "1e"),
        ("'1e5'", "1e5"),
        ('"null"', "null"),
        ("!!str 5", "5"),
        ("a*x - b", "a*x - b"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    got = parse_yaml(f"a: {text}", "c.yaml").data["a"]
    assert got == value
    assert type(got) is type(value)


def test_not_a_number_is_read_and_left_to_the_schema() -> None:
    assert str(parse_yaml("a: .nan", "c.yaml").data["a"]) == "nan"


def test_states_may_be_called_no_and_on() -> None:
    assert list(parse_yaml("{no: 1, on: 2, y: 3, n: 4, off: 5, yes: 6}", "c").data) == [
        "no",
        "on",
        "y",
        "n",
        "off",
        "yes",
    ]


def test_aliases_and_merges() -> None:
    got = parse_yaml("base: &b {p: 1, q: 2}\nc:\n  <<: *b\n  q: 3\nd: *b", "c.yaml")
    assert got.data == {"base": {"p": 1, "q": 2}, "c": {"p": 1, "q": 3}, "d": {"p": 1, "q": 2}}
    assert got.line(("c", "q")) == 4
    assert got.line(("d",)) == 5


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 3)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("- 1\n- 2", 1, "top level must be 'key: value' lines (got a list)"),
        ("hello", 1, "(got a text)"),
        ("a: 1\n\tb: 2", 2, "a tab indents this line; YAML allows spaces only (column 1)"),
        ("a:\n  b: 1\n \t c: 2", 3, "a tab indents"),
        ("a: 1\nb:\n  c: 2\n  c: 3", 4, "'c' is already given in line 3"),
        ("a: 1\n---\nb: 2", 2, "a second document begins here"),
        ("a: 1\n2: 3", 2, "a key must be text (got a number): write it in quotes, as '2':"),
        ("true: 3", 1, "as 'true':"),
        ("~: 3", 1, "a key must be text (got nothing)"),
        ("[1]: 2", 1, "not a mapping or a list"),
        ("a: !!python/object/apply:os.system [ls]", 1, "tag '!!python/object/apply:os.system' is not allowed"),
        ("a: !!float 1", 1, "tag '!!float'"),
        ("!mine {a: 1}", 1, "tag '!mine'"),
        ("a: *b", 1, "put text that starts with * in quotes"),
        ("a: &a [*a]", 1, "stands inside of what it refers to"),
        ("<<: 1", 1, "takes in mappings only"),
        (BOMB, 10, "more than 100000 values"),
        ("a: &a 1\n" + "\n".join(f"b{i}: *a" for i in range(200)), 102, "more than 100 aliases"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested more than 50 levels"),
        ("[" * 100_000, 1, "nested more than 50 levels"),
        ("a: 1\nb: " + "9" * 5000, 2, "a number of 5000 characters"),
        ("a: [1, 2\nb: 3", 2, "a bracket is not closed"),
        ("a: 'x\nb: 1", 2, "never closed"),
        ("a: b: c", 1, "put text that contains ': ' in quotes"),
        ("a: 1\n  b: 2", 2, "check the indentation"),
        ("  a: 1\n b: 2", 2, "check its indentation"),
        ("a: @x", 1, "put the text in quotes (column 4)"),
        ('a: "\\q"', 1, "unknown escape"),
        ("a: 1\nb: \0", 2, "a character that YAML does not allow (column 4)"),
        ("a: \ud800", 1, "a character that YAML does not allow"),
    ],
)
def test_faults(text: str, line: int, says: str) -> None:
    message = fault(text)
    assert message.startswith(f"c.yaml:{line}: ")
    assert says in message
    assert "\n" not in message


def test_a_large_file_is_refused() -> None:
    assert "put measurements into a CSV file" in fault("a: " + "x" * (1 << 20))
    assert "more than 100000 values" in fault("a: [" + "1," * 150_000 + "]")


def test_reading_files(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes("\ufeffa: ü\r\nb: 2\r\n".encode())
    got = read_yaml(path)
    assert got.data == {"a": "ü", "b": 2}
    assert got.where(("b",)) == f"{path}:2"


@pytest.mark.parametrize(
    "content, says",
    [
        (b"a: 1\nb: \xff\xfe", ":2: the file is not UTF-8"),
        ("a: 1".encode("utf-16"), ":1: the file is not UTF-8"),
        (b"", "empty"),
        (b"a" * ((1 << 20) + 1), "too many for a config"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="directory"):
        read_yaml(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml("a\0b")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml("x" * 5000)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigError, match="not a regular file"):
            read_yaml(tmp_path / "pipe")


# -- --set


def test_overrides() -> None:
    got = apply_overrides(
        source(), ["fit.starts=1e3", "fit.list.1.b=[1, 2]", "parameters.k.value=0.1", "new={a: {b: yes}}", "fit.x="]
    )
    assert got.data == {
        "model": {"equations": {"x": "-k*x"}},
        "fit": {"starts": 1000.0, "list": ["a", {"b": [1, 2], "c": 2}], "x": None},
        "parameters": {"k": {"value": 0.1}},
        "new": {"a": {"b": "yes"}},
    }
    assert source().data["fit"]["starts"] == 3
    assert got.where(("fit", "starts")) == "--set fit.starts"
    assert got.where(("new", "a", "b")) == "--set new"
    assert got.where(("fit", "list", 1, "b", 0)) == "--set fit.list.1.b"
    assert got.where(("fit", "list", 1, "c")) == "c.yaml:10"
    assert got.where(("fit",)) == "c.yaml:5"


def test_overrides_leave_the_source_as_it_was() -> None:
    before = source()
    apply_overrides(before, ["fit.list.0=z", "model.equations.x=k", "fit.starts=9"])
    assert before.data == source().data
    assert before.where(("fit", "starts")) == "c.yaml:6"


def test_the_last_override_wins() -> None:
    got = apply_overrides(source(), ["fit.starts=1", "fit={starts: 2}", "fit.starts=5"])
    assert got.data["fit"] == {"starts": 5}


def test_an_equals_sign_in_the_value_belongs_to_it() -> None:
    assert apply_overrides(source(), ["a.b=x == y"]).data["a"] == {"b": "x == y"}
    assert apply_overrides(source(), ["a=b=c"]).data["a"] == "b=c"


@pytest.mark.parametrize(
    "assignment, says",
    [
        ("fit.starts", "--set fit.starts: write key=value"),
        ("=1", "write key=value"),
        ("fit..starts=1", "--set fit..starts: a key is missing"),
        ("fit.starts.x=1", "'fit.starts' is a number and has no key 'x': set 'fit.starts' as a whole"),
        ("fit.list.7=1", "--set fit.list.7: 'fit.list' is a list of 2"),
        ("fit.list.b=1", "count its items from 0"),
        ("fit.list.-1=1", "count its items from 0"),
        ("a=[1", "--set a: a bracket is not closed"),
        ("a=*x", "in quotes"),
        ("a=!!python/name:os.system x", "is not allowed"),
        (".".join("a" * 99) + "=1", "more than 50 keys deep"),
        ("a={b: 1, b: 2}", "already given"),
    ],
)
def test_faulty_overrides(assignment: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides(source(), [assignment])
    assert says in str(caught.value)


# -- anything at all

_PIECES = st.sampled_from(
    (
        *("a", "b", ":", ": ", "\n", "  ", "\t", "- ", "[", "]", "{", "}", ",", "&a ", "*a", "!!x ", "'", '"'),
        *(
            "|",
            ">",
            "#",
            "<<",
            "---",
            "...",
            "%YAML",
            "? ",
            "1e5",
            "~",
            "\\",
            "@",
            "\r\n",
            "é",
            "\0",
            "\u2028",
            "=",
            ".",
        ),
    )
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=30).map("".join)))
def test_any_text_gives_data_or_a_config_error(text: str) -> None:
    try:
        got = parse_yaml(text, "c.yaml")
    except ConfigError:
        return
    assert isinstance(got.data, dict)
    for key in got.data:
        assert 1 <= got.line((key,)) <= len(text.splitlines()) + 1


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30), st.lists(_PIECES, max_size=12).map("".join))
def test_any_override_gives_data_or_a_config_error(key: str, value: str) -> None:
    try:
        got = apply_overrides(source(), [f"{key}={value}"])
    except ConfigError:
        return
    assert isinstance(got.data, dict)


_PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text("abcxyz ", max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abcxyz", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=3), _PLAIN, min_size=1, max_size=3))
def test_json_is_read_as_itself(data: dict[str, object]) -> None:
    import json

    assert parse_yaml(json.dumps(data), "c.yaml").data == data


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, odefit.config.source\nassert not {'sympy', 'numpy', 'torch', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML without libyaml")
@pytest.mark.parametrize("folder", ["configs", "tests/hostile/configs"])
def test_libyaml_reads_configs_as_pyyaml_does(folder: str) -> None:
    read = 0
    for path in sorted((ROOT / folder).rglob("*.yaml")):
        text = path.read_text()
        if yaml_tree._READ_OTHERWISE.search(text):
            continue
        found = []
        for loader in (yaml.CSafeLoader, yaml.SafeLoader):
            try:
                found.append(repr(yaml_tree._Builder(text, path.name, loader).document()))
            except (yaml.YAMLError, ConfigError, ValueError, OverflowError):
                found.append("refused")
        assert found[0] == found[1], path
        read += found[0] != "refused"
    assert read > 20


@pytest.mark.parametrize("text", ["a:\tb", "? a\n: b", "a: !b, c", "a: [b,\n c", "a: 'b", "a: 1\na: 2"])
def test_what_libyaml_reads_otherwise_or_not_at_all_is_told_as_without_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        try:
            return repr(parse_tree(text, "c.yaml"))
        except ConfigError as error:
            return str(error)

    fast = told()
    monkeypatch.setattr(yaml_tree, "_FAST", yaml.SafeLoader)
    assert told() == fast
