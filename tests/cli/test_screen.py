"""Files and pipes get the same characters as a terminal that is wide enough."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.console import Console

from odefit.screen import PlainScreen, TextTable, text_width

TABLE = TextTable(
    ("parameter", "estimate", "unit", ""),
    (("k[mug]", "0.5", "1/s", "[bold]"), ("速度", "12.25", "", ""), ("and 3 more",)),
    frozenset([1]),
    frozenset([2, 3]),
)


def printed(*objects: object) -> tuple[str, str]:
    """By a plain screen, and by rich."""
    plain, rich = io.StringIO(), io.StringIO()
    PlainScreen(plain).print(*objects)
    wide = Console(file=rich, width=200, highlight=False, emoji=False)
    for one in objects:
        wide.print(one, markup=False)
    return plain.getvalue(), rich.getvalue()


def test_a_table_is_that_of_rich() -> None:
    plain, rich = printed(TABLE)
    assert plain == rich
    assert TABLE.column(0) == ["k[mug]", "速度", "and 3 more"]


@pytest.mark.parametrize("line", ["", "k[mug]: [red]0.5[/red] …", "a\tb", "word " * 30, "a\rb", ":smile: – ✓"])
def test_a_line_is_that_of_rich(line: str) -> None:
    plain, rich = printed(line)
    assert plain == rich


def test_wide_and_combining_characters_have_their_width() -> None:
    assert [text_width(text) for text in ("abc", "速度", "e\u0301", "ö")] == [3, 4, 1, 1]


def test_a_pipe_needs_no_rich() -> None:
    code = "import sys; from odefit.terminal import console; console().print('k[mug]'); print('rich' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["k[mug]", "False"]


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", b"a ? b ?\n"), ("latin-1", b"a ? b \xe9\n")])
def test_characters_that_a_stream_does_not_know_are_question_marks(encoding: str, expected: bytes) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    PlainScreen(stream).print("a … b é")
    stream.seek(0)
    assert stream.buffer.read() == expected
