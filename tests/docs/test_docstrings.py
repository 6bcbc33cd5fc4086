"""Every public name has a docstring, and an example in it that runs and says what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import odefit
from odefit.runs.stored import StoredRun

ROOT = Path(__file__).parents[2]
NAMES = [name for name in odefit.__all__ if name != "__version__"]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_examples(found: object, name: str) -> int:
    """How many examples the docstring of something, and those of its members, have; all of them hold."""
    tests = doctest.DocTestFinder(exclude_empty=True).find(found, name, module=False, extraglobs={})
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    with np.printoptions(legacy=False):
        for test in tests:
            runner.run(test)
    result = runner.summarize(verbose=False)
    assert not result.failed
    return result.attempted


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_an_example_that_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = getattr(odefit, name)
    assert inspect.getdoc(found)
    assert run_examples(found, name) > 0


def test_the_example_of_the_package_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert run_examples(odefit.__doc__ and _Only(odefit.__doc__), "odefit") > 0


class _Only:
    """Something with this docstring and no members."""

    def __init__(self, text: str) -> None:
        self.__doc__ = text


@pytest.mark.parametrize("owner", [odefit.Problem, odefit.Run, odefit.Experiment, StoredRun])
def test_every_public_method_is_explained(owner: type) -> None:
    members = {name: member for name, member in vars(owner).items() if not name.startswith("_")}
    for name, member in members.items():
        if callable(member) or isinstance(member, property):
            assert inspect.getdoc(getattr(owner, name)), f"{owner.__name__}.{name}"


def test_all_is_what_there_is() -> None:
    assert sorted(NAMES) == NAMES
    assert dir(odefit) == odefit.__all__
    for name in NAMES:
        assert getattr(importlib.import_module("odefit"), name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        odefit.fitt  # noqa: B018
