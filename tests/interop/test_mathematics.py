"""Trees: PEtab's mathematics to odefit's, with the value that the text has there."""

from __future__ import annotations

import math

import pytest

from odefit.interop.formula_text import Inexpressible, formula_text
from odefit.interop.mathematics import Name, Number, call
from odefit.interop.petab_math import NotMathematics, parse_petab
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function

pytestmark = pytest.mark.quick
VALUES = {"a": 0.7, "b": 1.9, "c": -2.3, "d": 4.1}


def value_of(text: str) -> float:
    names = tuple(VALUES)
    return float(numpy_function([parse_formula(text, names)], names)(*VALUES.values())[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("a - (b - c)", "a - (b - c)"),
        ("a - b - c - d", "a - b - c - d"),
        ("a/b/c*d", "a/b/c*d"),
        ("a/(b/c)", "a/(b/c)"),
        ("a/(b*c)", "a/(b*c)"),
        ("a*(b/c)", "a*(b/c)"),
        ("-a^2", "-(a**2)"),
        ("(-a)^2", "a**2"),
        ("-b*c", "-b*c"),
        ("2^-2*a", "a/4"),
        ("(a^2)^3", "a**6"),
        ("a^b^a", "a**(b**a)"),
        ("(a^b)^b", "(a**b)**b"),
        ("a**2", "a**2"),
        ("- -a", "a"),
        ("a - -b", "a + b"),
        ("+a", "a"),
        ("ln(b) + log(b) + log10(b) + log2(b)", "2*math.log(b) + math.log10(b) + math.log2(b)"),
        ("log(b, d)", "math.log(b)/math.log(d)"),
        ("pow(b, a)", "b**a"),
        ("cot(a) + sec(a) + csc(a)", "1/math.tan(a) + 1/math.cos(a) + 1/math.sin(a)"),
        ("arccot(b) + arcsec(b) + arccsc(b)", "math.atan(1/b) + math.acos(1/b) + math.asin(1/b)"),
        ("coth(a) + sech(a) + csch(a)", "1/math.tanh(a) + 1/math.cosh(a) + 1/math.sinh(a)"),
        ("arccoth(b) + arcsech(a) + arccsch(a)", "math.atanh(1/b) + math.acosh(1/a) + math.asinh(1/a)"),
        ("piecewise(a, a > b, b, b > d, c)", "c"),
        ("piecewise(a, a > b || c < 0, c)", "a"),
        ("piecewise(a, a > b && c < 0 || d > 1, c)", "a"),
        ("piecewise(a, d > 1 || a > b && c > 0, b)", "b"),
        ("piecewise(a, !(a > b), c)", "a"),
        ("piecewise(a, c, b)", "a"),
        ("piecewise(a, piecewise(1, a > b, 0), b)", "b"),
        ("piecewise(a, 2*piecewise(b, a > b, c) > d, d)", "d"),
        ("3 + (a < b)", "4"),
        ("min(a, b, c) + max(a, b)", "c + b"),
        ("exp(-a)*abs(c)*sign(c)*sqrt(d)", "-math.exp(-a)*2.3*math.sqrt(4.1)"),
        ("1e-5*a + 1.5e3", "1e-5*a + 1500"),
    ],
)
def test_a_formula_keeps_its_value(text: str, python: str) -> None:
    expected = eval(python, {"math": math, **VALUES})  # noqa: S307 - the text of this file
    assert value_of(formula_text(parse_petab(text))) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("piecewise(0, true || false && false, 1)", 1.0),  # both words bind alike in PEtab
        ("!!2", 1.0),
        ("-true", -1.0),
        ("true == 1", 1.0),
        ("-2^4", -16.0),
        ("2^2^3", 256.0),
        ("log(0)", -math.inf),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("arccoth(1)", math.inf),
    ],
)
def test_a_constant_is_one_number(text: str, value: float) -> None:
    assert parse_petab(text) == Number(value)


def test_what_is_written_has_no_more_brackets_than_it_needs() -> None:
    for text in ("a - b*c", "-a*b", "k1*A - k2*B/(K + B)", "(a + b)*c", "a^2/b", "a - (b - c)"):
        assert formula_text(parse_petab(text)) == text


def test_whole_numbers_stay_whole_so_that_powers_cancel() -> None:
    assert formula_text(parse_petab("a^2.0 - a*a")) == "a^2 - a*a"


def test_what_quotients_and_remainders_of_constants_are() -> None:
    assert call("quotient", Number(-7.0), Number(2.0)) == Number(-3.0)  # SBML truncates, floor would give -4
    assert call("rem", Number(-7.0), Number(2.0)) == Number(-1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the formula is empty"),
        ("a +", "a number, a name or a bracket is missing at its end"),
        ("a b", "this is one piece too many at 'b' (character 3)"),
        ("(a", "')' is missing at its end"),
        ("foo(a)", "'foo' (character 1) is no function of PEtab"),
        ("sin(a, b)", "'sin' (character 1) takes another number of arguments (got 2)"),
        ("a $ b", "'$' (character 3) cannot stand in a formula"),
        ("(" * 200 + "a" + ")" * 200, "nested more than 100 levels deep"),
        ("-" * 200 + "a", "more than 100 signs in a row"),
    ],
)
def test_a_text_that_is_no_mathematics(text: str, message: str) -> None:
    with pytest.raises(NotMathematics) as raised:
        parse_petab(text)
    assert str(raised.value) == message


def test_what_odefit_has_no_function_for() -> None:
    with pytest.raises(Inexpressible, match="floor has no counterpart"):
        formula_text(call("floor", Name("x")))
    with pytest.raises(Inexpressible, match="not a finite number"):
        formula_text(parse_petab("a + inf"))
