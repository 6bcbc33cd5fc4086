"""Fits of hundreds of experiments with parameters of their own: the arrow form from the config to the report."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from odefit.api import fit
from odefit.config.load import load_config
from odefit.diagnostics.gradient_check import check_gradients
from odefit.errors import ConfigError
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.report import parameter_warnings
from odefit.fitting.starting_points import starting_points
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.problem.preparation import prepare
from odefit.runs.results import Estimate
from odefit.status import Status
from odefit.terminal import estimates_table

MANY = """
model: {equations: {x: -k*x}, initial: {x: estimate}}
parameters: {k: {value: 0.5, scale: log}, twice: {formula: 2*k}}
data: {csv: many.csv}
noise: {x: {sigma: estimate}}
fit: {starts: 2}
"""
N = 310
"""Beyond the limits of what is listed, and of what is checked one by one."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config whose experiments begin where they like."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(8)
    t = np.linspace(0, 3, 5)
    lines = ["experiment,time,x"]
    for e, start in enumerate(rng.uniform(1, 3, N)):
        x = start * np.exp(-0.7 * t) + 0.02 * rng.standard_normal(len(t))
        lines += [f"e{e},{a:g},{b:.6g}" for a, b in zip(t, x, strict=True)]
    (folder / "many.csv").write_text("\n".join(lines) + "\n")
    (folder / "many.yaml").write_text(MANY)
    return folder / "many.yaml"


def test_a_fit_with_hundreds_of_own_parameters_stays_readable(many: Path) -> None:
    run = fit(many, out=many.parent / "run")
    result = run.result
    assert result.status == "converged"
    assert len(result.estimates) == N + 3
    k = result.estimates["k"]
    assert k.value is not None
    assert k.standard_error is not None
    assert abs(k.value - 0.7) < 4 * k.standard_error
    assert k.standard_error == pytest.approx(result.estimates["twice"].standard_error / 2)  # type: ignore[operator]
    assert all(e.standard_error for e in result.estimates.values())
    # What holds all with all holds the shared ones; nothing is lost elsewhere.
    assert set(result.correlation or {}) == {"k", "sigma_x"}
    for name, n in (("covariance.csv", 3), ("starts.csv", 3), ("parameters.csv", N + 4)):
        assert len((run.path / name).read_text().splitlines()) == n
    assert len((run.path / "starts.csv").read_text().splitlines()[0]) < 100
    table = estimates_table(result)
    names = table.column(0)
    assert names == ["k", "sigma_x", "twice", f"and {N} more in parameters.csv"]


def test_random_starts_vary_what_experiments_share(many: Path) -> None:
    problem = prepare(load_config(many))[0].problem
    profile = ProfileLikelihood(Likelihood(problem))
    points = starting_points(profile, 3, seed=0)
    names = [problem.table.estimated_names[k] for k in profile.free]
    varied = {name for name, column in zip(names, points.T, strict=True) if np.ptp(column)}
    assert varied == {"k"}
    assert len(np.unique(points[:, names.index("k")])) == 3


def test_the_gradient_of_hundreds_of_parameters_is_checked_in_directions(many: Path) -> None:
    report = check_gradients(prepare(load_config(many))[0], points=1)
    assert report.is_right
    (comparison,) = report.comparisons
    names = [d.name for d in comparison.derivatives]
    assert names[:2] == ["k", "sigma_x"]
    assert len(names) == 5
    assert all(f"{N} parameters of single experiments" in name for name in names[2:])


def test_a_matrix_that_does_not_fit_is_refused_before_anything_is_solved(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.sysconf
    machine = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 10_000}
    monkeypatch.setattr(os, "sysconf", lambda name: machine.get(name) or genuine(name))
    with pytest.raises(ConfigError, match=r"parameters: 1,550 measurements and 312 estimated parameters need"):
        fit(many, out=many.parent / "refused")


def test_many_with_the_same_fault_are_named_together(many: Path) -> None:
    problem = prepare(load_config(many))[0].problem
    estimates = {p.name: Estimate(1.0, at_bound="lower") for p in problem.table}
    found = FitOutcome(problem.table.values, Status.CONVERGED, "", "least_squares", None, None, None)  # type: ignore[arg-type]
    said = parameter_warnings(problem, estimates, found)
    assert len(said) == 2
    assert said[0].startswith(f"k, x_0[e0], x_0[e1] and {N - 2} more: each lies at its lower bound")
