"""`odefit init` on an epidemic: new cases per interval are the growth of a sum, how many are ill is a state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.integrate import solve_ivp

import odefit
from odefit.proposing.incidence import counted_anew
from odefit.proposing.look import look_at
from odefit.proposing.proposal import propose
from odefit.proposing.scatter import ROUNDED
from odefit.proposing.writing import config_text

WEEKS = np.arange(1, 21)
BETA, GAMMA, PEOPLE = 1.4, 0.7, 20_000.0


def epidemic() -> tuple[np.ndarray, np.ndarray]:
    """New cases of each week, and how many are ill at its end, without noise."""

    def slope(t: float, y: np.ndarray) -> list[float]:
        new = BETA * y[0] * y[1] / PEOPLE
        return [-new, new - GAMMA * y[1], new]

    found = solve_ivp(slope, (0, 20), [PEOPLE - 20, 20, 0], t_eval=[0, *WEEKS], rtol=1e-9, atol=1e-9).y
    return np.round(np.diff(found[2])), np.round(found[1, 1:])


def proposed(column: str, counts: np.ndarray, folder: Path, first: int = 1) -> Mapping[str, Any]:
    path = folder / "mine.csv"
    rows = [f"{week},{count:.0f}" for week, count in zip(WEEKS + first - 1, counts, strict=True)]
    path.write_text("\n".join([f"week,{column}", *rows, ""]))
    look = look_at(path)
    text = config_text(look, counted_anew(look, propose(look, "sir")), folder / "mine.yaml", [])
    (folder / "mine.yaml").write_text(text)
    config: Mapping[str, Any] = yaml.safe_load(text)
    return config


@pytest.mark.parametrize("column", ["cases", "new_cases", "weekly cases", "incidence", "Reported_Infections"])
def test_new_cases_are_an_increase(column: str, tmp_path: Path) -> None:
    config = proposed(column, epidemic()[0], tmp_path, first=5)
    ((name, measured),) = config["model"]["observables"].items()
    assert measured == {"increase": "C"}
    assert config["model"]["equations"]["C"] == "beta*S*I/(S + I + R)"
    assert config["data"].get("columns", {name: name}) == {name: column}
    assert config["data"]["start"] == 4  # a week before the first count
    assert config["noise"] == "negative_binomial"


def test_cases_of_a_country_are_counts_whatever_their_size(tmp_path: Path) -> None:
    counts = 500 * epidemic()[0]
    assert counts.max() > ROUNDED
    config = proposed("cases", counts, tmp_path)
    assert config["model"]["observables"] == {"cases": {"increase": "C"}}
    assert config["noise"] == "negative_binomial"


@pytest.mark.parametrize(
    ("column", "of"),
    [
        ("I", lambda: epidemic()[1]),
        ("infected", lambda: epidemic()[1]),
        ("prevalence", lambda: epidemic()[1]),
        ("cases", lambda: epidemic()[0].cumsum()),
    ],
)
def test_those_who_are_ill_and_sums_are_none(column: str, of: Any, tmp_path: Path) -> None:
    config = proposed(column, of(), tmp_path)
    assert config["model"]["observables"] == {"I": "I"}
    assert "start" not in config["data"]


def test_what_is_proposed_finds_the_epidemic(tmp_path: Path) -> None:
    proposed("cases", epidemic()[0], tmp_path)
    run = odefit.fit(tmp_path / "mine.yaml", overrides=["fit.starts=4", "fit.workers=1", "noise=poisson"])
    values = {name: run.result.estimates[name].value for name in ("beta", "gamma", "S_0")}
    assert values == pytest.approx({"beta": BETA, "gamma": GAMMA, "S_0": PEOPLE}, rel=0.1)
