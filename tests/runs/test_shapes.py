"""The shapes of JSON files, and that a damaged file of profiles, a bootstrap or draws is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from odefit.errors import RunError
from odefit.runs.shapes import misfit

DECAY: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}},
    "parameters": {"k": {"value": 0.3, "bounds": [0.01, 10], "scale": "log"}},
    "fit": {"starts": 1},
}


class Colour(StrEnum):
    RED = "red"


@pytest.mark.quick
@pytest.mark.parametrize(
    ("value", "shape", "where"),
    [
        (1.5, float, None),
        (2, float, None),
        (True, float, "the file"),
        (float("nan"), float, "the file"),
        ("red", Colour, None),
        ("blue", Colour, "the file"),
        (None, (float, None), None),
        ("word", (float, None), "the file"),
        ([1, 2], [float, float], None),
        ([1], [float, float], "the file"),
        ([1, "b"], [float], "1"),
        ({"a": {"x": 1, "more": "z"}}, {str: {"x": int}}, None),
        ({"a": {"y": 1}}, {str: {"x": int}}, "a.x"),
        ({"a": {"x": [1, None]}}, {"a": {"x": [int]}}, "a.x.1"),
        ([], {"a": int}, "the file"),
    ],
)
def test_the_part_that_does_not_fit_is_named(value: object, shape: Any, where: str | None) -> None:
    found = misfit(value, shape)
    assert (found is None) if where is None else (found is not None and found.startswith(f"{where} "))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shapes") / "run"
    t = np.linspace(0, 8, 9)
    data = [odefit.Experiment("a", t, {"x": 5 * np.exp(-0.4 * t) * (1 + 0.05 * np.sin(7 * t))})]
    run = odefit.fit(DECAY, data=data, out=path)
    assert isinstance(run, odefit.Run)
    run.profile(["k"])
    run.bootstrap(samples=4)
    run.sample(draws=4, chains=2, warm_up=10)
    return path


def damages(text: str) -> Iterator[str]:
    """Each key gone, and each value of another kind, two levels down."""
    data = json.loads(text)
    for key, value in data.items():
        yield json.dumps({k: v for k, v in data.items() if k != key})
        yield json.dumps(data | {key: {"other": []}})
        for name, part in value.items() if isinstance(value, dict) else ():
            for own in part if isinstance(part, dict) else ():
                yield json.dumps(data | {key: value | {name: {k: v for k, v in part.items() if k != own}}})
                yield json.dumps(data | {key: value | {name: part | {own: [{}]}}})


READERS: dict[str, Any] = {
    "profiles.json": lambda run: odefit.load_run(run).profile(["k"], seconds=0),
    "bootstrap.json": lambda run: odefit.load_run(run).bootstrap(samples=4),
    "posterior.json": lambda run: odefit.load_run(run).sample(draws=4, chains=2, warm_up=10),
}


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_summary_is_one_line(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_text()
    try:
        for text in damages(whole):
            path.write_text(text)
            with pytest.raises(RunError):
                READERS[name](folder)
    finally:
        path.write_text(whole)
    READERS[name](folder)


def test_a_point_of_a_profile_without_its_number_is_damage(folder: Path) -> None:
    path = folder / "profiles.csv"
    whole = path.read_text()
    header, first, *rest = whole.splitlines()
    cells = first.split(",")
    try:
        for column in (1, 2, 5):
            changed = ",".join([*cells[:column], "", *cells[column + 1 :]])
            path.write_text("\n".join([header, changed, *rest]) + "\n")
            with pytest.raises(RunError, match="has no number"):
                odefit.load_run(folder).profile(["k"], seconds=0)
    finally:
        path.write_text(whole)


def test_profiles_that_are_finished_already_say_the_same_again(folder: Path) -> None:
    known = json.loads((folder / "profiles.json").read_text())
    assert odefit.load_run(folder).profile(["k"]).remarks == tuple(known["remarks"]) == ()
    assert json.loads((folder / "profiles.json").read_text()) == known


def test_nothing_that_is_named_is_refused(folder: Path) -> None:
    run = odefit.load_run(folder)
    for ask in (lambda: run.profile([]), lambda: run.predict(curves=[]), lambda: odefit.design(run, folder, [])):
        with pytest.raises(odefit.InputError, match=r"names (nothing|none); there is: "):
            ask()
    with pytest.raises(odefit.InputError, match="candidates: there are none"):
        odefit.design(run, {})
