"""Rest before the start: algebra, derivatives, conserved quantities, and what never comes to rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from interrupted_systems import Array, engine_of, experiment, interrupted, polygon, solved
from odefit.data.dataset import collate
from odefit.engines.failure import FailureReason
from odefit.engines.segments.rest_search import conservation_laws, least_squares
from odefit.errors import SolveError
from odefit.model.formulas import parse_formula
from odefit.model.system import System
from small_problems import central_differences

BOTH = ("tsit45", "dopri5")
ONE = experiment([2.0, 2.5, 4.0], 2.0)

CYCLE = interrupted(
    {"A": "k2*P - k1*A*s", "P": "k1*A*s - k2*P"},
    {"A": "total", "P": 0},
    "k1 k2 s basal total",
    rest={"s": "basal*k1"},
)
GENE = interrupted({"m": "a*t + u - m", "g": "m^2 - d*g"}, {"m": 0, "g": 0}, "a d", inputs=("u",), rest={"d": "2*d"})
DISEASE = interrupted({"T": "s - d*T - b*T*V", "V": "b*T*V - c*V"}, {"T": 1, "V": "v0"}, "s d b c v0", rest={"v0": "0"})
# M gathers all of C, and x falls until C is gone: where they end depends on the way.
HISTORY = interrupted({"C": "-k*C", "M": "C", "x": "-x*C"}, {"C": "c0", "M": 0, "x": 1}, "k c0", rest={})


@pytest.mark.parametrize("method", BOTH)
def test_a_phosphorylation_cycle_keeps_its_total(method: str) -> None:
    k1, k2, s, basal, total = 1.2, 0.5, 2.0, 0.3, 10.0
    found = solved(CYCLE, (k1, k2, s, basal, total), ONE, method)
    up = k1 * basal * k1  # the rate of A -> P at rest; P/total = up/(up + k2)
    P = total * up / (up + k2)
    np.testing.assert_allclose(found.y[0], [total - P, P], rtol=1e-12)
    slope = total * k2 / (up + k2) ** 2
    dP = [slope * 2 * basal * k1, -total * up / (up + k2) ** 2, 0.0, slope * k1**2, P / total]
    np.testing.assert_allclose(found.dy[0, 1], dP, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.dy[0].sum(axis=0), [0, 0, 0, 0, 1], atol=1e-12)


def test_time_and_inputs_stand_still_at_the_start() -> None:
    u = polygon([0.0, 1.0, 4.0], [0.0, 3.0, 9.0])
    a, d = 0.7, 0.4
    found = solved(GENE, (a, d), experiment([2.0, 3.0], 2.0, inputs={"u": u}))
    m = a * 2.0 + 5.0
    np.testing.assert_allclose(found.y[0], [m, m**2 / (2 * d)], rtol=1e-12)
    np.testing.assert_allclose(found.dy[0], [[2, 0], [2 * m * 2 / (2 * d), -(m**2) / (2 * d**2)]], atol=1e-9)


CASES: dict[str, tuple[System, tuple[float, ...]]] = {
    "cycle": (CYCLE, (1.2, 0.5, 2.0, 0.3, 10.0)),
    "history": (HISTORY, (1.3, 2.0)),
    "disease": (DISEASE, (10.0, 0.1, 0.05, 1.0, 0.3)),
    "stiff": (
        interrupted(
            {"a": "k*c - 1e4*a*b", "b": "k*c - 1e4*a*b", "c": "1e4*a*b - k*c"},
            {"a": "a0", "b": 1, "c": 0},
            "k a0",
            rest={},
        ),
        (1.0, 2.0),
    ),
    "slow": (interrupted({"x": "k*(q - x)/1000", "z": "5*(x - z)"}, {"x": 0, "z": 0}, "k q", rest={}), (1.0, 3.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_differences_and_with_autograd(name: str) -> None:
    system, p = CASES[name]
    found = solved(system, p, ONE, "auto")
    engine = engine_of(system, "auto", 1e-11)
    differences = central_differences(lambda q: engine.solve(q[None], [ONE])[0].y, np.array(p), 1e-4)
    np.testing.assert_allclose(found.dy, differences, rtol=1e-5, atol=2e-6)
    for method in ("dopri5", "auto") if name != "stiff" else ("auto",):
        local = torch.tensor([p], dtype=torch.float64, requires_grad=True)
        y = engine_of(system, method).solve_batch(local, collate([(0, ONE)]))
        (gradient,) = torch.autograd.grad(y[0, 0].sum() + y[0, -1, 0], local)
        np.testing.assert_allclose(gradient[0], found.dy[0].sum(axis=0) + found.dy[-1, 0], rtol=1e-5, atol=1e-6)


def test_an_absent_species_stays_absent_though_it_could_grow() -> None:
    found = solved(DISEASE, CASES["disease"][1], ONE)
    # Absent but for the rounding of a linear solve, whose last bits differ between processors.
    np.testing.assert_allclose(found.y, [[100.0, 0.0]] * 3, rtol=1e-9, atol=1e-100)


@pytest.mark.parametrize("x0, end", [(1e-3, 2.0), (0.9999, 2.0), (-1e-3, -2.0), (5.0, 2.0)])
def test_an_unstable_state_is_not_the_answer(x0: float, end: float) -> None:
    # Rest at 0 (unstable) and at -2 and 2; the first span is far too short to leave 0.
    system = interrupted({"x": "r*x*(4 - x^2)"}, {"x": "x0"}, "r x0", rest={})
    found = solved(system, (0.01, x0), experiment([1e-2]))
    np.testing.assert_allclose(found.y, [[end]], rtol=1e-9)


@pytest.mark.parametrize(
    "equations",
    [{"x": "w*z", "z": "-w*x"}, {"x": "w", "z": 0}, {"x": "w*x", "z": 0}, {"x": "x^2*w", "z": "x"}],
    ids=["oscillates", "grows", "explodes", "blows up"],
)
def test_what_never_rests_is_a_sentence(equations: dict[str, str]) -> None:
    system = interrupted(equations, {"x": 1, "z": 0}, "w", rest={})
    engine = engine_of(system, "auto", 1e-6)
    found = engine.solve(np.array([[1.0]]), [ONE], sensitivities=True)[0]
    assert found.failure.reason is FailureReason.NOT_AT_REST
    assert "model.steady_state" in str(found.failure)
    assert np.isnan(found.y).all()
    assert np.isnan(found.dy).all()
    with pytest.raises(SolveError, match="no steady state"):
        engine.solve_batch(torch.ones(1, 1, dtype=torch.float64), collate([(0, ONE)]))


def test_the_steady_state_does_not_depend_on_the_tolerance() -> None:
    system, p = CASES["cycle"]
    loose = solved(system, p, ONE, rtol=1e-4)
    tight = solved(system, p, ONE, rtol=1e-10)
    np.testing.assert_allclose(loose.y[0], tight.y[0], rtol=1e-12)
    np.testing.assert_allclose(loose.dy[0], tight.dy[0], rtol=1e-10, atol=1e-12)


# -- laws of conservation, and the linear equations


def laws(texts: Sequence[str], names: str) -> Array:
    return conservation_laws([parse_formula(text, names.split()) for text in texts])


def test_laws_are_found_through_brackets_and_numbers() -> None:
    found = laws(["-k*(a - b) + 2*v*c", "k*a - k*b", "-v*c", "0"], "a b c k v")
    space = np.array([[1, 1, 2, 0], [0, 0, 0, 1]]) / np.sqrt([[6], [1]])
    assert found.shape == (2, 4)
    np.testing.assert_allclose(found.T @ found, space.T @ space, atol=1e-12)
    assert laws(["-k*a", "k*b"], "a b k").shape == (0, 2)
    assert laws(["0", "0"], "a").shape == (2, 2)


def test_least_squares_of_equations_of_very_different_sizes() -> None:
    M = np.array([[1e9, -1e9, 0.0], [0.0, 1e-7, 1e-8], [1e-3, 1e-3, 1.0], [0.0, 0.0, 0.0]])
    x = np.array([[2.0], [-1.0], [3.0]])
    found, is_singular = least_squares(M, M @ x)
    assert not is_singular
    np.testing.assert_allclose(found, x, rtol=1e-6)
    assert least_squares(np.array([[1.0, 1.0], [2.0, 2.0]]), np.ones((2, 1)))[1]
