"""Nothing is silent for long, on a terminal, in a pipe or in a file."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from rich.console import Console

from odefit import heartbeat, turning
from odefit.heartbeat import Heartbeat
from odefit.runs.log import Logged
from odefit.screen import PlainScreen
from odefit.terminal import Reporter

GUARD = 60.0


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", 0.02)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "no line came"
        time.sleep(0.005)


def test_it_is_less_than_ten_seconds() -> None:
    assert heartbeat.EVERY < 10


@pytest.mark.usefixtures("often")
def test_there_is_a_line_as_long_as_it_is_silent() -> None:
    lines: list[str] = []
    with Heartbeat(lines.append, "reading") as pulse:
        wait_for(lambda: len(lines) >= 2)
        pulse.doing = "writing"
        wait_for(lambda: lines[-1].endswith("s: writing"))
    assert lines[0].endswith("s: reading")
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


def test_there_is_none_while_something_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY", GUARD)
    lines: list[str] = []
    with Heartbeat(lines.append, "reading") as pulse:
        for _ in range(10):
            pulse.spoke()
            time.sleep(0.002)
    assert not lines


@pytest.mark.usefixtures("often")
def test_what_a_fit_is_doing_is_said_in_a_file() -> None:
    file = io.StringIO()
    with Reporter(Console(file=file, width=100)) as told:
        progress = Logged(told)
        wait_for(lambda: "s: reading" in file.getvalue())
        progress.begin("starts", 3)
        wait_for(lambda: "s: starts, 3 in all" in file.getvalue())
        progress.start(1, 0, 12.5, 1, "")
        wait_for(lambda: "s: start 1/3  best 12.5, reached by 1" in file.getvalue())
        progress.end()
        progress.begin("epochs", 100)
        progress.epoch(7, 0.25, {"k": 1.5})
        wait_for(lambda: "s: epoch 7/100  loss 0.25  k 1.5" in file.getvalue())
        progress.end()
        progress.now("standard errors")
        wait_for(lambda: "s: standard errors" in file.getvalue())


def test_a_listener_that_knows_nothing_of_it_is_spared() -> None:
    class Old:
        def note(self, sentence: str) -> None: ...
        def begin(self, what: str, total: int) -> None: ...

    Logged(Old()).now("anything")  # type: ignore[arg-type]


def test_on_a_terminal_a_line_turns_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "PATIENCE", 0.0)
    monkeypatch.setattr(turning, "STEP", 0.001)
    file = io.StringIO()
    with turning.Turning("predicting", file):
        wait_for(lambda: "\r/ predicting, 0 s" in file.getvalue())
    assert file.getvalue().endswith("\r\x1b[K")
    monkeypatch.setattr(turning, "PATIENCE", GUARD)
    silent = io.StringIO()
    with turning.Turning("predicting", silent):
        pass
    assert not silent.getvalue()


@contextmanager
def terminal_of_30_columns(monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[Callable[[], str]]:
    """Standard error is such a terminal; gives what has been written to it until now."""
    monkeypatch.setattr(turning, "PATIENCE", 0.0)
    monkeypatch.setattr(turning, "STEP", 0.001)
    monkeypatch.setenv("TERM", kind)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    os.set_blocking(ours, False)
    said = bytearray()

    def written() -> str:
        with suppress(BlockingIOError):
            said.extend(os.read(ours, 100_000))
        return said.decode(errors="replace")

    with os.fdopen(theirs, "w") as file:
        monkeypatch.setattr("sys.stderr", file)
        yield written
    os.close(ours)


def test_on_a_terminal_stages_turn_in_one_line_that_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    with terminal_of_30_columns(monkeypatch, "xterm") as terminal, Reporter(PlainScreen(file)) as told:
        told.now("choosing where to start among very many")
        wait_for(lambda: re.search("\r/ [ -~]+…[ -~]*, 0 s\x1b", terminal()))
        told.note("said between")
        told.begin("starts", 3)
        told.start(1, 0, 12.5, 1, "")
        wait_for(lambda: "starts" in terminal() and "1/3" in terminal())
        told.now("2 starts together, objective 7")
        told.end()
        told.now("standard errors")
        wait_for(lambda: "standard errors, 0 s" in terminal())
        longest = max(re.findall("\r[/|-] [^\x1b]+", terminal()), key=len)
        assert len(longest) <= 30  # with the return before it, so that a column is left
    assert file.getvalue() == "note: said between\n"


@pytest.mark.usefixtures("often")
def test_a_terminal_that_cannot_move_lines_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    with terminal_of_30_columns(monkeypatch, "dumb") as terminal:
        with Reporter(PlainScreen(file)) as told:
            told.begin("starts", 3)
            wait_for(lambda: "s: starts, 3 in all" in file.getvalue())
            told.start(3, 0, 12.5, 1, "")
        assert terminal() == ""
    assert "start 3/3  best 12.5, reached by 1" in file.getvalue()
