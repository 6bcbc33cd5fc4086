"""Which conditions are time switches, and what becomes of them in a segment."""

from __future__ import annotations

import numpy as np
import pytest

from interrupted_systems import interrupted
from odefit import algebra as sp
from odefit.engines.segments.segment_system import MIDDLE, Kind, SegmentSystem
from odefit.model.functions import numpy_function
from odefit.model.switches import find_switches, is_interrupted, substitute
from odefit.model.system import System, symbol

pytestmark = pytest.mark.quick


def rate(text: str) -> System:
    return interrupted({"x": text, "z": 0}, {"x": 0, "z": 0}, "a b", inputs=("u",))


@pytest.mark.parametrize(
    "text, times",
    [
        ("piecewise(1, t < a, 2)", [2.0]),
        ("piecewise(1, a*t - b >= 3 + t, 2)", [8.0]),
        ("a*heaviside(t - 3) + sign((b - t)/a)", [3.0, 5.0]),
        ("piecewise(1, 1 < t < a, 2, not t > 4 and x > 1 or b*t <= 1, 3)", [1.0, 2.0, 4.0, 0.2]),
        ("piecewise(piecewise(1, t < 2, 3), t < a, 2)", [2.0, 2.0]),
        ("heaviside(x*sin(t) + heaviside(t - 1))", [1.0]),
        ("piecewise(1, t == 2, 3)", [2.0]),
        ("max(t, a) + abs(t - 3)", []),
        ("piecewise(1, t^2 < a, 2)", []),
        ("piecewise(1, t*x < a, 2)", []),
        ("piecewise(1, sin(t) > 0, 2)", []),
        ("heaviside(sign(t - 1))", [1.0]),
        ("piecewise(1, a < 2, t)", []),
    ],
)
def test_times_of_switches(text: str, times: list[float]) -> None:
    found = find_switches(rate(text))
    values = {symbol("a"): 2.0, symbol("b"): 5.0}
    taus = [float((-switch.intercept / switch.slope).xreplace(values)) for switch in found]
    assert sorted(taus) == pytest.approx(sorted(times))
    assert is_interrupted(rate(text)) == bool(times)


def test_a_condition_on_an_input_is_none_but_the_input_interrupts() -> None:
    assert not find_switches(rate("heaviside(t - u)"))
    assert is_interrupted(rate("heaviside(t - u)"))


def test_a_switch_is_fixed_where_its_time_is_a_number() -> None:
    found = find_switches(rate("piecewise(1, t < a, 2) + heaviside(2*t - 3)"))
    assert {switch.is_fixed: str(switch.part) for switch in found} == {False: "t < a", True: "Heaviside(2*t - 3, 1)"}


@pytest.mark.parametrize(
    "text, values",
    [
        ("piecewise(1, t < a, 0)", (1, 0, 0)),
        ("piecewise(1, t <= a, 0)", (1, 1, 0)),
        ("piecewise(1, t > a, 0)", (0, 0, 1)),
        ("piecewise(1, t >= a, 0)", (0, 1, 1)),
        ("piecewise(1, t == a, 0)", (0, 1, 0)),
        ("piecewise(1, t != a, 0)", (1, 0, 1)),
        ("heaviside(t - a)", (0, 1, 1)),
        ("sign(t - a)", (-1, 0, 1)),
    ],
)
def test_values_on_both_sides(text: str, values: tuple[float, ...]) -> None:
    (switch,) = find_switches(rate(text))
    assert [switch.value(gap) for gap in (-0.1, 0.0, 0.1)] == list(values)


@pytest.mark.parametrize(
    "text",
    [
        "piecewise(a, t < b, x) + 2",
        "piecewise(a, t < 3 and x > 1, piecewise(x, t >= 3 or t < 1, b))",
        "a*heaviside(t - b)*sign(t - 3)*t",
    ],
)
def test_equations_of_a_segment_are_the_equations_in_it(text: str) -> None:
    system = rate(text)
    segments = SegmentSystem(system, Kind())
    whole = numpy_function(list(system.rhs), ("x", "t", "a", "b"))
    part = numpy_function(list(segments.plain.rhs), ("x", "t", "a", "b", *segments.context))
    for t, x in ((0.5, 2.0), (2.0, 0.1), (2.9, 2.0), (3.4, 0.2), (5.1, 3.0)):
        sides = [[switch.value(t - 4.0) for switch in segments.moving]]
        (context,) = segments.contexts(np.array([t]), [], np.array(sides))
        assert part(x, t, 1.3, 4.0, *context) == whole(x, t, 1.3, 4.0)


def test_nothing_of_a_switch_is_left_in_a_segment() -> None:
    segments = SegmentSystem(rate("piecewise(a, t < b, x)*u + heaviside(t - 3)"), Kind(1))
    assert segments.context == (MIDDLE, "u@0", "u@1", "side@0")
    assert segments.kept == ("a",)
    assert not find_switches(segments.plain)
    assert not is_interrupted(segments.plain)
    assert not set(segments.plain.parameters) & {"b", "u"}


def test_an_input_is_its_polynomial_around_the_middle() -> None:
    segments = SegmentSystem(rate("u^2 + t"), Kind(3))
    c, s = [symbol(f"u@{k}") for k in range(4)], symbol("t") - symbol(MIDDLE)
    expected = sum(c[k] * s**k for k in range(4)) ** 2 + symbol("t")
    assert sp.expand(segments.plain.rhs[0] - expected) == 0


def test_substitution_leaves_conditions_as_they_stand() -> None:
    x, y = symbol("x"), symbol("y")
    condition = sp.StrictLessThan(sp.sqrt(x), y, evaluate=False)
    formula = sp.Piecewise((x, condition), (y, True), evaluate=False)
    put = substitute(formula, {x: sp.Float(-1.5)})
    assert isinstance(put, sp.Piecewise)
    assert isinstance(put.args[0].cond, sp.StrictLessThan)
    assert substitute(formula, {symbol("q"): y}) is formula
