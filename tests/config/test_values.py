"""What a config says right is read without pydantic, and as pydantic would read it."""

from __future__ import annotations

import copy
import pickle
import random
from pathlib import Path
from typing import Any

import pytest

from odefit.config.explained import model_of, validated
from odefit.config.schema import Config
from odefit.config.source import read_yaml
from odefit.config.values import DoubtfulError, section_of

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
JUNK: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 10**400, 0.5, -2.5, float("nan"), float("inf"), "", "x", "a-b", "1e3", "first"),
    *([], ["x"], [1.0, 2.0], [2, 1], (1, 2), {}, {"x": 1}, {"x": "y"}, {1: 2}, {"csv": "x.csv"}, {"value": 1}, b"x"),
    *("lognormal", {"model": "poisson"}, {"time": 1, "set": {"x": "x/2"}}, {"normal": [0, 1]}, {"x": {"below": 2}}),
]


def read_both(data: Any) -> tuple[Any, Any]:
    """What is read without pydantic, and by it; None where that finds something wrong."""
    both: list[Any] = []
    for reading in (section_of, validated):
        try:
            both.append(reading(Config, copy.deepcopy(data)))
        except (DoubtfulError, ValueError):
            both.append(None)
    return both[0], both[1]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_read_without_pydantic_and_as_by_it(path: Path) -> None:
    mine, theirs = read_both(read_yaml(path).data)
    assert mine is not None
    assert mine == theirs
    assert pickle.loads(pickle.dumps(mine)) == mine  # noqa: S301 as workers get it
    model = model_of(Config).model_validate(read_yaml(path).data)
    for options in ({}, {"mode": "json"}, {"mode": "json", "exclude_unset": True}, {"exclude": {"data"}}):
        assert mine.model_dump(**options) == model.model_dump(**options, warnings=False), options  # type: ignore[arg-type]


def changed(data: Any, random_: random.Random) -> Any:
    """The data with something else at a random place, or one more key, which another section may have."""
    place = data
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = random_.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and random_.random() < 0.7:
            place = place[key]
            continue
        more = [
            *Config.model_fields["model"].annotation.model_fields,
            *Config.model_fields["data"].annotation.model_fields,
        ]
        more += [*Config.model_fields["fit"].annotation.model_fields, "value", "bounds", "prior", "scale"]
        if isinstance(place, dict) and random_.random() < 0.5:
            key = random_.choice(more)
        place[key] = random_.choice(JUNK)
        return data


@pytest.mark.parametrize("seed", range(2))
def test_what_is_read_otherwise_than_by_pydantic_is_doubtful(seed: int) -> None:
    random_ = random.Random(seed)
    sources = [read_yaml(path).data for path in CONFIGS]
    agreed = 0
    for _ in range(100):
        mine, theirs = read_both(changed(copy.deepcopy(random_.choice(sources)), random_))
        if mine is not None:
            assert theirs is not None
            assert repr(mine) == repr(theirs)  # which NaN does not make unequal
            assert mine.model_fields_set == theirs.model_fields_set
            agreed += 1
    assert agreed
