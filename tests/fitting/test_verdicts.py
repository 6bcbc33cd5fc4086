"""`converged` means it: problems on which a search once ended on a slope, on noise, or in a valley's bend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from from_text import assembled
from odefit.fitting.multistart_outcome import fit_outcome
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.status import Ending, Reason


def fit(model: dict[str, Any], parameters: dict[str, Any], csv: Path, **sections: Any) -> Run:
    config = {"model": model, "parameters": parameters, "data": {"csv": str(csv)}, "fit": {"starts": 1}, **sections}
    run = odefit.fit(config, out=csv.parent / "run", overwrite=True)
    assert isinstance(run, Run)
    return run


def table(path: Path, header: str, *columns: Any) -> Path:
    rows = "\n".join(",".join(f"{cell:.17g}" for cell in row) for row in zip(*columns, strict=True))
    path.write_text(f"{header}\n{rows}\n")
    return path


def value(run: Run, name: str) -> float:
    found = run.result.estimates[name].value
    assert found is not None
    return found


LOGISTIC = {"equations": {"x": "r*x*(1 - x/K)"}, "initial": {"x": 2}}
GROWTH = {
    "r": {"value": 0.2, "bounds": [0.01, 10], "scale": "log"},
    "K": {"value": 400, "bounds": [1, 10000], "scale": "log"},
}


def test_one_bad_row_does_not_silence_the_search(tmp_path: Path) -> None:
    # A first cell in the wrong unit, which no parameter can reach: |z|² is 1e13, of which nothing can be had.
    rng, t = np.random.default_rng(3), np.linspace(0, 12, 13)
    x = 50 / (1 + 24 * np.exp(-0.7 * t)) + 0.5 * rng.standard_normal(13)
    x[0] = 2e6
    run = fit(LOGISTIC, GROWTH, table(tmp_path / "d.csv", "time,x", t, x), noise={"x": {"sigma": 0.5}})
    assert run.result.status == "converged"
    assert value(run, "r") == pytest.approx(0.7, rel=0.05)
    assert value(run, "K") == pytest.approx(50, rel=0.05)
    assert run.result.left_to_gain is not None
    assert run.result.left_to_gain < 1e-3


def test_a_singular_model_is_no_vanishing_gradient(tmp_path: Path) -> None:
    # Four rates started at one value: the step's model is singular, and its bounded minimum is hard to find.
    rng, t = np.random.default_rng(5), np.linspace(0, 10, 10)
    y = 1.3 * np.exp(-0.15 * t) + 0.7 * np.exp(-2.0 * t) + 0.02 * rng.standard_normal(10)
    model = {
        "equations": {"A": "-k1*A + k2*B", "B": "k1*A - k2*B - k3*B + k4*C", "C": "k3*B - k4*C - k5*C"},
        "initial": {"A": 2, "B": 0, "C": 0},
        "observables": {"y": "A + B"},
    }
    rates = {f"k{i}": {"value": 0.1, "bounds": [1e-5, 1000], "scale": "log"} for i in range(1, 6)}
    run = fit(model, rates, table(tmp_path / "d.csv", "time,y", t, y), noise={"y": {"sigma": 0.02}})
    # The least of it is a long flat valley, along which 0.0012 units stay.
    assert run.result.left_to_gain is not None
    assert run.result.left_to_gain < 0.01
    # As many degrees of freedom as points less parameters: the misfit is that of the noise, not thousands of units.
    assert run.result.objective.rss is not None
    assert run.result.objective.rss < 3 * 10 * 0.02**2


BENNETT5 = {"equations": {"y": "-y/(b3*(b2+t))"}, "initial": {"y": "b1*b2^(-1/b3)"}}
"""NIST StRD Bennett5 as an ODE: a valley with a long bend."""


@pytest.mark.parametrize("start", [(-2000, 50, 0.8), (-1500, 45, 0.85)])
def test_curved_valleys_are_followed(start: tuple[float, float, float], tmp_path: Path) -> None:
    # Data on the certified curve, with noise of the certified size: the valley is that of the published problem.
    rng, t = np.random.default_rng(7), np.linspace(7.45, 12.87, 154)
    y = -2523.5058043 * (46.736564644 + t) ** (-1 / 0.93218483193) + 1.86e-3 * rng.standard_normal(154)
    csv = table(tmp_path / "d.csv", "x,y", t, y)
    run = fit(
        BENNETT5,
        dict(zip(("b1", "b2", "b3"), start, strict=True)),
        csv,
        data={"csv": str(csv), "time": "x", "start": 0},
        solver={"rtol": 1e-10, "atol": 1e-12},
    )
    assert run.result.status == "converged"
    from scipy.optimize import least_squares

    def residuals(b: Any) -> Any:
        return b[0] * (b[1] + t) ** (-1 / b[2]) - y

    best = least_squares(residuals, [-2523.5, 46.7366, 0.932185], x_scale="jac", ftol=1e-15, xtol=1e-15, gtol=1e-15)
    assert run.result.objective.rss == pytest.approx(2 * best.cost, rel=1e-6)
    assert len(run.history) < 200


def test_only_certified_starts_have_reached_the_optimum(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(3), np.linspace(0, 12, 13)
    x = 50 / (1 + 24 * np.exp(-0.7 * t)) + 0.5 * rng.standard_normal(13)
    csv = table(tmp_path / "d.csv", "time,x", t, x)
    run = fit(LOGISTIC, GROWTH, csv, fit={"starts": 6, "seed": 1})
    starts = run.frame("starts")
    converged = starts["status"] == "converged"
    assert (starts["left_to_gain"][converged] < 1e-3).all()
    best = starts["objective"].min()
    assert run.result.starts.at_best == (converged & (starts["objective"] < best + 0.01)).sum()
    # Two steps are too few for any start: none of them has reached an optimum, and the message says so.
    short = {"starts": 3, "max_iterations": 2, "match": False}
    run = fit(LOGISTIC, GROWTH, csv, fit=short, noise={"x": {"sigma": 0.5}})
    assert run.result.status == "stopped"
    assert run.result.starts.at_best == 0
    assert run.result.message.startswith("None of 3 starts reached an optimum for certain")


def test_a_plateau_is_no_optimum(tmp_path: Path) -> None:
    # Twenty standard deviations away from growth nothing that the parameters do is seen in the data.
    t = np.linspace(0, 10, 11)
    x = 0.1 * np.exp(0.5 * t)
    csv = table(tmp_path / "d.csv", "time,x", t, x)
    model = {"equations": {"x": "r*x"}, "initial": {"x": 0.1}, "observables": {"x": "x/(1 + x)"}}
    run = fit(model, {"r": {"value": -30, "bounds": [-40, -20]}}, csv, noise={"x": {"sigma": 0.1}})
    assert run.result.status == "stopped"
    assert "no parameter of the equations has an effect" in run.result.message


def test_classes_that_a_curve_meets_for_certain_leave_the_noise_level_open(tmp_path: Path) -> None:
    csv = tmp_path / "d.csv"
    csv.write_text("time,x\n" + "".join(f"{t},{'>5' if t < 4 else '2..5' if t < 8 else '<2'}\n" for t in range(12)))
    model = {"equations": {"x": "-k*x"}, "initial": {"x": 14.0}}
    run = fit(model, {"k": {"value": 0.24, "bounds": [0.01, 5], "scale": "log"}}, csv)
    assert run.result.status == "stopped"
    assert "every interval holds its prediction for certain" in run.result.message


def test_a_slipped_row_is_named_and_ordinary_ones_are_not(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(3), np.linspace(0, 12, 13)
    x = 50 / (1 + 24 * np.exp(-0.7 * t)) + 0.5 * rng.standard_normal(13)
    run = fit(LOGISTIC, GROWTH, table(tmp_path / "d.csv", "time,x", t, x), noise={"x": {"sigma": 0.5}})
    assert not any("of the misfit" in warning for warning in run.result.warnings)
    x[4] *= 10
    run = fit(LOGISTIC, GROWTH, table(tmp_path / "d.csv", "time,x", t, x), noise={"x": {"sigma": 0.5}})
    (named,) = (warning for warning in run.result.warnings if "of the misfit" in warning)
    assert named.startswith("the measurement of x in experiment 1 at t = 4 makes ")


@pytest.mark.parametrize(("noise", "bad"), [("gaussian", 19712.2), ("lognormal", 19712.2), ("gaussian", -9999.0)])
def test_a_slipped_row_is_named_where_the_noise_level_is_estimated(noise: str, bad: float, tmp_path: Path) -> None:
    # The estimated level grows with the row, whose standardised residual then is below sqrt(n).
    rng, t = np.random.default_rng(3), np.linspace(0, 9, 10)
    x = 50 / (1 + 24 * np.exp(-0.7 * t)) * np.exp(0.02 * rng.standard_normal(10))
    run = fit(LOGISTIC, GROWTH, table(tmp_path / "d.csv", "time,x", t, x), noise=noise)
    assert not any("of the misfit" in warning for warning in run.result.warnings)
    x[4] = bad
    run = fit(LOGISTIC, GROWTH, table(tmp_path / "d.csv", "time,x", t, x), noise=noise)
    (named,) = (warning for warning in run.result.warnings if "of the misfit" in warning)
    assert named.startswith("the measurement of x in experiment 1 at t = 4 makes ")


def test_a_slipped_row_is_one_of_its_own_observable(tmp_path: Path) -> None:
    rng, t = np.random.default_rng(4), np.linspace(0, 9, 10)
    x = 3 * np.exp(-0.4 * t)
    y = 5 * x + 0.05 * rng.standard_normal(10)
    x += 0.02 * rng.standard_normal(10)
    model = {"equations": {"x": "-k*x"}, "initial": {"x": 3}, "observables": {"x": "x", "y": "c*x"}}
    y[6] = 400.0
    run = fit(model, {"k": 0.3, "c": 3}, table(tmp_path / "d.csv", "time,x,y", t, x, y))
    (named,) = (warning for warning in run.result.warnings if "of the misfit" in warning)
    assert named.startswith("the measurement of y in experiment 1 at t = 6 makes ")
    assert "% of the misfit of y: " in named


def test_a_slip_of_three_digits_is_named_among_few_measurements(tmp_path: Path) -> None:
    """Of six values in each column, where five parameters leave them little more than two degrees of freedom."""
    t, x, y = np.arange(6.0), np.array([10, 7.4, 5400, 4.1, 3, 2.2]), np.array([0.1, 2.6, 4.5, 6.1, 7, 7.9])
    decay = {"equations": {"x": "-k*x", "y": "k*x"}}
    run = fit(decay, {"k": 0.5}, table(tmp_path / "d.csv", "time,x,y", t, x, y))
    (named,) = (warning for warning in run.result.warnings if "of the misfit" in warning)
    assert named.startswith("the measurement of x in experiment 1 at t = 2 makes ")
    x[2] = 5.4
    run = fit(decay, {"k": 0.5}, table(tmp_path / "d.csv", "time,x,y", t, x, y))
    assert not any("of the misfit" in warning or "explains nothing" in warning for warning in run.result.warnings)


def test_columns_in_each_others_place_are_said_to_be_explained_by_nothing(tmp_path: Path) -> None:
    """Too few rows for a test of signs; but what falls is called what grows, and no curve is better than a mean."""
    t, x, y = np.arange(5.0), np.array([0.1, 2.6, 4.5, 6.1, 7]), np.array([10, 7.4, 5.4, 4.1, 3])
    model = {"equations": {"x": "-k*x", "y": "k*x"}}
    k = {"k": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"}}
    run = fit(model, k, table(tmp_path / "d.csv", "time,x,y", t, x, y))
    said = [warning.partition(" is no nearer")[0] for warning in run.result.warnings if "explains nothing" in warning]
    assert said == ["the curve of x", "the curve of y"]
    run = fit(model, k, table(tmp_path / "d.csv", "time,x,y", t, y, x))
    assert not any("explains nothing" in warning for warning in run.result.warnings)


def test_noise_about_a_level_is_no_pattern_that_is_left_unexplained(tmp_path: Path) -> None:
    """The model says 1, the mean is another: a mean is better than the model, as it must be, and nothing is said."""
    x = 1 + np.random.default_rng(5).standard_normal(20)
    model = {"equations": {"x": "-k*(x - 1)"}, "initial": {"x": 1}}
    run = fit(model, {"k": 0.5}, table(tmp_path / "d.csv", "time,x", np.arange(20.0), x))
    assert not any("explains nothing" in warning for warning in run.result.warnings)


def test_a_curve_out_of_step_with_an_oscillation_of_few_points_is_told(tmp_path: Path) -> None:
    """Four and a half points to a turn: neighbours differ as random numbers do, those two further on are opposite."""
    t = np.arange(60.0)
    x = np.sin(2 * np.pi * t / 4.5) + 0.1 * np.random.default_rng(6).standard_normal(60)
    model = {"equations": {"x": "v", "v": "-w^2*x"}, "initial": {"x": 0, "v": "w"}, "observables": {"x": "x"}}
    near, far = ({"w": {"value": w, "bounds": [0.95 * w, 1.05 * w]}} for w in (1.4, 1.9))
    said = [fit(model, w, table(tmp_path / "d.csv", "time,x", t, x)).result.warnings for w in (near, far)]
    assert [any("explains nothing" in warning for warning in one) for one in said] == [False, True]


def test_data_without_noise_have_no_row_that_stands_out(tmp_path: Path) -> None:
    t = np.linspace(0, 9, 10)
    x = 50 / (1 + 24 * np.exp(-0.7 * t))
    run = fit(LOGISTIC, GROWTH, table(tmp_path / "d.csv", "time,x", t, x))
    assert not any("of the misfit" in warning for warning in run.result.warnings)


def test_parameters_determined_in_combination_only_have_converged_and_are_named(tmp_path: Path) -> None:
    # c k1 and k1 + k2 are determined, and nothing else.
    rng, t = np.random.default_rng(8), np.linspace(0, 4, 9)
    y = 1.2 / 0.7 * (1 - np.exp(-0.7 * t)) + 0.01 * rng.standard_normal(9)
    model = {
        "equations": {"A": "-(k1 + k2)*A", "P": "k1*A"},
        "initial": {"A": 1, "P": 0},
        "observables": {"y": "c*P"},
    }
    run = fit(model, {"k1": 0.3, "k2": 0.3, "c": 3}, table(tmp_path / "d.csv", "time,y", t, y))
    assert run.result.status == "converged"
    assert value(run, "c") * value(run, "k1") == pytest.approx(1.2, rel=0.05)
    assert value(run, "k1") + value(run, "k2") == pytest.approx(0.7, rel=0.1)
    for name in ("k1", "k2", "c"):
        reason = run.result.estimates[name].reason
        assert reason is not None
        assert "only in combination with" in reason


def test_a_ridge_names_the_parameters_that_make_up_for_each_other(tmp_path: Path) -> None:
    # At rest from the second sample on: the data know k1/(k1 + k2) and that both are fast.
    rng, t = np.random.default_rng(2), np.array([0.0, 3, 6, 9, 12])
    a = np.where(t == 0, 1.0, 1 / 3) + 0.01 * rng.standard_normal(5)
    model = {"equations": {"A": "-k1*A + k2*(1 - A)"}, "initial": {"A": 1}}
    rate = {"value": 2.0, "bounds": [1e-3, 1e3], "scale": "log"}
    run = fit(model, {"k1": rate, "k2": rate}, table(tmp_path / "d.csv", "time,A", t, a))
    assert run.result.status == "converged"
    assert value(run, "k1") / (value(run, "k1") + value(run, "k2")) == pytest.approx(2 / 3, abs=0.03)
    assert run.result.estimates["k1"].reason == "the data determine it only in combination with k2"


@pytest.mark.parametrize(
    ("at_best", "others", "doubted"),
    [(1, 4, True), (2, 3, True), (3, 2, False), (5, 0, False), (1, 19, True), (2, 18, False)],
)
def test_few_starts_at_the_best_are_a_doubt(at_best: int, others: int, doubted: bool) -> None:
    text = "model: {equations: {x: -k*x}, initial: {x: 1}}\nparameters: {k: {value: 0.5, bounds: [0.01, 9]}}\n"
    problem = assembled(text, data="time,x\n0,1\n1,0.61\n2,0.36\n").problem
    objective = ProfileLikelihood(Likelihood(problem))

    def start(number: int, value: float) -> StartOutcome:
        sides = np.zeros(1, dtype=np.int8)
        found = SearchOutcome(np.array([0.5]), value, Ending(Reason.GRADIENT_VANISHES), 5, 5, (9.0, value), sides)
        return StartOutcome(number, np.array([1.0]), found, None, 0.1)

    values = [0.0] * at_best + [70.0] * others
    results = [start(number, value) for number, value in enumerate(values)]
    outcome = fit_outcome(objective, results, len(results), "least_squares", interrupted=False)
    said = [text for text in outcome.warnings if "found this optimum: a better one may exist" in text]
    assert len(said) == doubted
    assert all(f"--set fit.starts={5 * len(results)}" in text for text in said)
