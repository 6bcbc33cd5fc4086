"""An input is what its points say and nothing else: jumps, and no value beyond the ends of its pieces.

A solver looks beyond the end of a piece, where a straight line would go on to numbers of any size. The formulas here
need the input within its range: an exponential would overflow, a logarithm or a root would be no number.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from interrupted_systems import experiment, interrupted, solved
from odefit.data.inputs import interpolate

METHODS = ("auto", "tsit45", "bdf", "esdirk34", "tr_bdf2", "dopri5")
TIMES = np.array([10.0, 50.0, 50.5, 51.0, 60.0, 80.0])
CLAMP = np.array([0.0, 50.0, 51.0, 60.0, 80.0]), np.array([0.0, 0.0, 40.0, 40.0, 0.1])
FORMULAS = {
    "exp(0.02*u)": lambda u: np.exp(0.02 * u),
    "exp(0.4*u)/1e6": lambda u: np.exp(0.4 * u) / 1e6,
    "1.1^u/20": lambda u: 1.1**u / 20,
    "log(0.1 + u)/5 + 1": lambda u: np.log(0.1 + u) / 5 + 1,
    "sqrt(u)/4": lambda u: np.sqrt(u) / 4,
    "(u + 0.1)^1.5/200": lambda u: (u + 0.1) ** 1.5 / 200,
    "tanh(u/10)": lambda u: np.tanh(u / 10),
    "1/(0.5 + u)": lambda u: 1 / (0.5 + u),
    "u/(41 - u)/10": lambda u: u / (41 - u) / 10,
}


@pytest.mark.parametrize("text", FORMULAS)
def test_a_ramp_inside_a_function_by_all_methods(text: str) -> None:
    # At rest in the beginning, so that the first trial step is long.
    k, y0 = 0.2, float(FORMULAS[text](0.0)) / 0.2
    known = interpolate(*CLAMP, "linear")
    exact, y, start = [], np.array([y0, 0.0]), 0.0
    for end in np.unique([*TIMES, *CLAMP[0][1:]]):
        middle = (start + end) / 2
        a, b = known(np.array([middle]))[0], float(known.coefficients[known.piece(middle), 1])
        rates = lambda t, y, a=a, b=b, middle=middle: [  # noqa: E731
            FORMULAS[text](a + b * (t - middle)) - k * y[0],
            -y[0] - k * y[1],
        ]
        y = solve_ivp(rates, (start, end), y, rtol=1e-11, atol=1e-13, method="DOP853").y[:, -1]
        start = float(end)
        if end in TIMES:
            exact.append(y)
    system = interrupted({"y": f"{text} - k*y"}, {"y": y0}, "k", inputs=("u",))
    one = experiment(TIMES, inputs={"u": known})
    for method in METHODS:
        found = solved(system, (k,), one, method, rtol=1e-8)
        np.testing.assert_allclose(found.y[:, 0], np.array(exact)[:, 0], rtol=1e-5, atol=1e-6, err_msg=method)
        np.testing.assert_allclose(found.dy[:, 0, 0], np.array(exact)[:, 1], rtol=1e-5, atol=1e-4, err_msg=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_formula_of_the_time_is_not_looked_at_beyond_the_last_time(method: str) -> None:
    """At rest in the beginning: the first trial step would reach t = 1000, where this overflows."""
    system = interrupted({"y": "exp(2*t) - k*y"}, {"y": 4.99}, "k")
    k, t = 0.2, np.array([0.0, 0.5, 1.0])
    y = (4.99 - 1 / (2 + k)) * np.exp(-k * t) + np.exp(2 * t) / (2 + k)
    np.testing.assert_allclose(solved(system, (k,), experiment(t), method).y[:, 0], y, rtol=1e-5)


@pytest.mark.parametrize("method", ["tsit45", "bdf", "dopri5"])
@pytest.mark.parametrize("kind", ["linear", "previous", "cubic"])
def test_a_jump_of_an_input(method: str, kind: str) -> None:
    t, v = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 5.0]), np.array([1.0, 3.0, 4.0, -1.0, -2.0, 2.0])
    known = interpolate(t, v, kind)  # type: ignore[arg-type]
    system = interrupted({"y": "a*u"}, {"y": 0}, "a", inputs=("u",))
    times = np.array([0.0, 0.5, 1.5, 2.0, 2.5, 4.0, 5.0])
    integral = [0.0]
    for low, high in itertools.pairwise(times):
        # Gauss's rule is exact for cubics; between two of these times nothing jumps but at a point.
        parts = [low, *t[(t > low) & (t < high)], high]
        gauss = np.array([-1, 1]) / np.sqrt(3)
        pieces = [(b - a) / 2 * known((a + b) / 2 + (b - a) / 2 * gauss).sum() for a, b in itertools.pairwise(parts)]
        integral.append(integral[-1] + float(np.sum(pieces)))
    one = experiment(times, inputs={"u": known})
    found = solved(system, (1.3,), one, method)
    np.testing.assert_allclose(found.y[:, 0], 1.3 * np.array(integral), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.dy[:, 0, 0], integral, rtol=1e-6, atol=1e-8)
