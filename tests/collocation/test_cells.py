"""Errors and curves of the measurements, before anything is fitted."""

from __future__ import annotations

import numpy as np
import pytest

from from_text import assembled
from odefit.collocation.cells import Measured, measured_cells
from odefit.collocation.grid import make_grid

MODEL = "model: {equations: {x: -k*x}, initial: {x: estimate}, observables: {a: x, b: x, c: 3*x}}\nparameters: {k: 1}\n"
T = np.linspace(0, 4, 12)


def measured(noise: str, extra: str = "") -> Measured:
    rng = np.random.default_rng(0)
    x = 8 * np.exp(-0.5 * T) * np.exp(0.05 * rng.standard_normal(12))
    lines = ["time,a,b,c" + (",a_sigma,b_sigma,c_sigma" if extra else "")]
    for k, (t, value) in enumerate(zip(T, x, strict=True)):
        a, b = (f"{value:.6g}", "") if k % 2 else ("", f"{value:.6g}")
        lines.append(f"{t:.6g},{a},{b},{3 * value:.6g}" + extra)
    problem = assembled(MODEL + noise, data="\n".join(lines) + "\n").problem
    return measured_cells(problem, make_grid(problem.experiments, problem.engine.system.states))


def test_observables_with_the_same_formula_make_one_curve() -> None:
    found = measured("noise: gaussian")
    np.testing.assert_array_equal(found.curves[..., 0], found.curves[..., 1])
    assert not np.allclose(found.curves[..., 0], found.curves[..., 2])
    assert [len(part.place) for part in found.cells] == [6, 6, 12]


@pytest.mark.parametrize(
    ("noise", "extra", "errors"),
    [
        ("noise: {a: {sigma: 0.3}, b: {sigma: 0.4}, c: {sigma: 0.6*sqrt(1 + t)}}", "", (0.3, 0.4, 0.6)),
        ("noise: {sigma: column}", ",0.2,0.3,0.4", (0.2, 0.3, 0.4)),
    ],
)
def test_errors_that_are_known_are_taken(noise: str, extra: str, errors: tuple[float, ...]) -> None:
    found = measured(noise, extra)
    for part, error in zip(found.cells, errors, strict=True):
        assert part.errors[0] == pytest.approx(error)
    assert found.n_cells == 24


def test_errors_of_counts_grow_with_them() -> None:
    t = np.arange(10.0)
    counts = np.round(100 * np.exp(-0.3 * t))
    table = "time,x\n" + "".join(f"{a:g},{b:g}\n" for a, b in zip(t, counts, strict=True))
    config = "model: {equations: {x: -k*x}, initial: {x: 100}}\nparameters: {k: 1}\nnoise: poisson"
    problem = assembled(config, data=table).problem
    part = measured_cells(problem, make_grid(problem.experiments, ("x",))).cells[0]
    assert (part.errors >= np.sqrt(counts + 1)).all()


def test_a_logarithm_goes_on_as_a_straight_line_where_there_is_none() -> None:
    part = measured("noise: lognormal").cells[2]
    g = np.tile(np.array([-1.0, 0.0, 1e-3, 2.0])[:, None], (1, 12))
    misfit, slope = part.misfit(g)
    assert np.isfinite(misfit).all()
    assert (slope > 0).all()
    np.testing.assert_allclose(misfit[3], (np.log(2.0) - part.values) / part.errors)
    step = 1e-6
    difference = (part.misfit(g + step)[0] - part.misfit(g - step)[0]) / (2 * step)
    np.testing.assert_allclose(slope[[0, 1, 3]], difference[[0, 1, 3]], rtol=1e-4)
