"""Nothing is silent for long, on a terminal, in a pipe or in a file."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from odefit import heartbeat
from odefit.commands import alive
from odefit.heartbeat import Heartbeat
from odefit.runs.log import Logged
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
    monkeypatch.setattr(alive, "PATIENCE", 0.0)
    monkeypatch.setattr(alive, "STEP", 0.001)
    file = io.StringIO()
    with alive.Turning("predicting", file):
        wait_for(lambda: "\r/ predicting, 0 s" in file.getvalue())
    assert file.getvalue().endswith("\r\x1b[K")
    monkeypatch.setattr(alive, "PATIENCE", GUARD)
    silent = io.StringIO()
    with alive.Turning("predicting", silent):
        pass
    assert not silent.getvalue()
