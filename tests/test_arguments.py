"""Arguments of the public functions: what is of a wrong type is one line that says what it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit import arguments


@pytest.fixture(scope="module")
def decay() -> odefit.Run:
    run = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
        data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    )
    assert isinstance(run, odefit.Run)
    return run


A: dict[str, Any] = {"a": {"times": "1 2"}}
WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (odefit.predict, ("0:70",), {}, "times: must be numbers, such as [0, 0.5, 1] (got '0:70')"),
    (odefit.predict, (["a", 1],), {}, "times: must be numbers, such as [0, 0.5, 1] (got ['a', 1])"),
    (odefit.predict, ({"a": None},), {}, "times: must be numbers, such as [0, 0.5, 1] (got {'a': None})"),
    (odefit.predict, (), {"experiments": {"a": 3}}, "experiments: must be a path, a frame, or a mapping"),
    (odefit.predict, (), {"doses": 3}, "doses: must be a path, a frame, or a list of doses (got 3)"),
    (odefit.predict, (), {"inputs": 3}, "inputs: must be a path (got 3)"),
    (odefit.predict, (), {"curves": [3]}, "curves: must be a list of names (got [3])"),
    (odefit.predict, (), {"bands": None}, "bands: must be a word (got None)"),
    (odefit.predict, (), {"level": "0.9"}, "level: must be a number (got '0.9')"),
    (odefit.predict, (), {"seconds": float("nan")}, "seconds: must be a number of seconds, 0 or more (got nan)"),
    (odefit.profile, (3,), {}, "parameters: must be a list of names (got 3)"),
    (odefit.profile, (), {"overwrite": "no"}, "overwrite: must be True or False (got 'no')"),
    (odefit.profile, (), {"progress": 3}, "progress: must be an object with the methods"),
    (odefit.compare, (None,), {}, "runs: must be a run, or the path of its folder (got None)"),
    (odefit.design, (None,), {}, "candidates: must be a path, a frame, or a mapping"),
    (odefit.design, (A,), {"criterion": 3}, "criterion: must be a word (got 3)"),
    (odefit.report, (3,), {}, "out: must be a path (got 3)"),
    (odefit.sample, (2.5,), {}, "draws: must be a whole number (got 2.5)"),
    (odefit.sample, (), {"chains": True}, "chains: must be a whole number (got True)"),
    (odefit.bootstrap, (None,), {}, "samples: must be a whole number (got None)"),
    (odefit.bootstrap, (), {"seed": -1}, "seed: must be a whole number, 0 or more (got -1)"),
    (odefit.plot, (3,), {}, "kind: must be a word (got 3)"),
    (odefit.plot, (), {"time_range": (1, 2, 3)}, "time_range: must be two numbers"),
    (odefit.plot, (), {"experiments": 3}, "experiments: must be a list of names (got 3)"),
]


@pytest.mark.parametrize(("ask", "args", "named", "line"), WRONG, ids=lambda one: getattr(one, "__name__", ""))
def test_a_wrong_type_is_one_line(
    ask: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], line: str, decay: odefit.Run
) -> None:
    with pytest.raises(odefit.InputError) as caught:
        ask(decay, *args, **named)
    assert str(caught.value).startswith(line)
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("value", [None, 3])
def test_every_function_says_what_is_no_run(value: Any) -> None:
    asked = (odefit.predict, odefit.profile, odefit.compare, odefit.design, odefit.report, odefit.sample)
    for ask in (*asked, odefit.bootstrap, odefit.plot):
        with pytest.raises(odefit.InputError, match=r"runs?: must be a run, or the path of its folder"):
            ask(value, *([A] if ask is odefit.design else []))
    with pytest.raises(odefit.InputError, match="path: must be a path"):
        odefit.load_run(value)


def test_all_wrong_arguments_are_named_at_once(decay: odefit.Run) -> None:
    with pytest.raises(odefit.InputError) as caught:
        decay.predict("x", level=None, curves=3)  # type: ignore[arg-type]
    assert {fault.where for fault in caught.value.faults} == {"times", "level", "curves"}


def test_what_can_be_meant_is_taken(decay: odefit.Run) -> None:
    found = decay.predict(np.arange(3), curves="x", level=np.float64(0.9)).frame
    same = decay.predict(pd.Series([0, 1, 2]), curves=("x",), level=0.9, seconds=None).frame
    pd.testing.assert_frame_equal(found, same)
    assert list(decay.profile("k")) == list(decay.profile(["k"]))


def test_a_function_keeps_its_name_and_its_own_mistakes() -> None:
    @arguments.checked(level=arguments.text)
    def ask(level: str, *runs: int, seed: int = 1) -> tuple[str, tuple[int, ...], int]:
        """Says what it got."""
        return level, runs, seed

    assert ask.__doc__ == "Says what it got."
    with pytest.raises(TypeError, match="missing 1 required"):
        ask()  # type: ignore[call-arg]
    with pytest.raises(odefit.InputError, match=r"^level: must be a word"):
        ask(3)  # type: ignore[arg-type]
    assert ask("x", seed=4) == ("x", (), 4)
