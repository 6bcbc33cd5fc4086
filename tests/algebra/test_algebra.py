"""The algebra beside SymPy: what formulas simplify to, how they are written, and that nodes are shared."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest
import sympy

from odefit import algebra
from odefit.algebra import (
    S,
    Symbol,
    expand,
    expand_mul,
    preorder_traversal,
    sympify,
    text,
    to_sympy,
)
from odefit.model.catalogue import entry, names
from odefit.model.derivatives import derivatives
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function

NAMES = ("x", "y", "k", "alpha", "beta")
x, y, k = map(Symbol, "xyk")


def some_formula(kind: Any, rng: random.Random, depth: int) -> Any:
    """The same formula for the same state of `rng`, made by our algebra or by SymPy."""
    symbols = [sympy.Symbol(n, real=True) if kind is sympy else Symbol(n) for n in NAMES]

    def part(depth: int) -> Any:
        choice = rng.random()
        if depth == 0 or choice < 0.25:
            if rng.random() < 0.35:
                return kind.Rational(rng.randint(-5, 5), rng.choice([1, 1, 2, 4]))
            return rng.choice(symbols)
        if choice < 0.5:
            return kind.Add(*[part(depth - 1) for _ in range(rng.randint(2, 3))])
        if choice < 0.78:
            return kind.Mul(*[part(depth - 1) for _ in range(rng.randint(2, 3))])
        if choice < 0.88:
            return kind.Pow(part(depth - 1), rng.choice([2, 3, -1, -2]))
        name, inner = rng.choice(["exp", "log"]), part(depth - 1)
        return getattr(kind, name)(inner if inner.free_symbols else symbols[0])

    return part(depth)


@pytest.mark.parametrize("seed", range(20))
def test_formulas_are_simplified_and_written_as_by_sympy(seed: int) -> None:
    for number in range(12):
        ours, theirs = (some_formula(kind, random.Random(100 * seed + number), 3) for kind in (algebra, sympy))
        if theirs.has(sympy.zoo, sympy.nan, sympy.I):
            continue
        assert text(ours) == str(theirs)
        assert str(to_sympy(ours)) == text(ours)
        assert sympify(theirs) is ours


@pytest.mark.parametrize(
    "written",
    [
        *("x + 1/3", "-x - y", "1 - x", "2*(x + y)", "x*(y + 2)/k", "1/x", "1/(x*y)", "x^-2", "sqrt(x)/y", "1/sqrt(x)"),
        *("x^(1/2)*y^(3/2)", "k^x", "x^k*x^k", "exp(-x)*exp(-x)", "-(x - y)^2", "x/(k + x) - y", "3*x/2", "-x/2"),
        *("max(x, 1)", "abs(x)*sign(y)", "heaviside(x - 1)", "sigmoid(x)", "tanh(x)^2", "log(x)/log(k)"),
        *("piecewise(x, x > 1, y)", "piecewise(x, x > 1 and y <= 2 or k == 3, y, not (x != 4), k)"),
    ],
)
def test_derivatives_and_texts_of_what_users_write(written: str) -> None:
    """Values and derivatives against SymPy's own, at random places; the text comes back as it was."""
    formula = parse_formula(written, NAMES)
    theirs = to_sympy(formula)
    symbols = [sympy.Symbol(n, real=True) for n in NAMES]
    slopes = [sympy.diff(theirs, s) for s in symbols]
    own = numpy_function([formula, *derivatives([formula], NAMES)[0]], NAMES)
    rng = np.random.default_rng(1)
    for _ in range(3):
        values = rng.uniform(0.3, 2.5, len(NAMES))
        put = dict(zip(symbols, values, strict=True))
        # A step has no derivative but zero; SymPy's is a distribution, zero away from it.
        expected = [float(f.subs(put).doit().evalf()) for f in (theirs, *slopes)]
        np.testing.assert_allclose(own(*values), expected, rtol=1e-11, atol=1e-13)
    if not formula.has(algebra.Piecewise, algebra.Heaviside):
        assert parse_formula(text(formula).replace("Abs", "abs").replace("Max", "max"), NAMES) is formula


@pytest.mark.parametrize("name", [name for name in names() if not entry(name).family])
def test_every_model_of_the_catalogue(name: str) -> None:
    """The values of the equations and of all derivatives against SymPy's, at a random place."""
    model = entry(name)
    states, parameters = tuple(model.equations), tuple(model.parameters)
    known = (*states, *parameters, "t")
    formulas = [parse_formula(f, known) for f in model.equations.values()]
    ours = [*formulas, *(slope for row in derivatives(formulas, known) for slope in row)]
    symbols = [sympy.Symbol(n, real=True) for n in known]
    theirs = [to_sympy(f) for f in formulas]
    theirs += [sympy.diff(f, s) for f in theirs for s in symbols]
    values = np.random.default_rng(3).uniform(0.4, 1.6, len(known))
    expected = sympy.lambdify(symbols, theirs, modules="numpy")(*values)
    np.testing.assert_allclose(numpy_function(ours, known)(*values), expected, rtol=1e-12, atol=1e-13)


def test_equal_formulas_are_one() -> None:
    formula = parse_formula("alpha*x - exp(x*y)/(1 + x)", NAMES)
    assert formula is parse_formula("-exp(y*x)/(x + 1) + x*alpha", NAMES)
    assert pickle.loads(pickle.dumps(formula)) is formula  # noqa: S301
    assert copy.deepcopy(formula) is formula
    assert pickle.loads(pickle.dumps(S.NaN)) is S.NaN  # noqa: S301


def test_numbers() -> None:
    assert x + x == 2 * x
    assert x - x == 0
    assert x / x == 1
    assert (x * y) ** 2 / x == x * y**2
    assert 0.5 * x + x / 2 == 1.0 * x
    assert algebra.Integer(2) != algebra.Float(2.0)
    assert algebra.Integer(2) == 2
    assert algebra.Float(2.0) == 2.0
    assert algebra.Rational(4, -6) is algebra.Rational(-2, 3)
    assert algebra.Rational(1, 2) + algebra.Rational(1, 3) == algebra.Rational(5, 6)
    assert algebra.Pow(0, -1) is S.NaN
    assert algebra.Pow(-2.0, 0.5) is S.NaN
    assert algebra.sqrt(x**2) == algebra.Abs(x)
    assert algebra.exp(2 * algebra.log(x)) == x**2
    assert algebra.log(algebra.exp(x)) is x
    with pytest.raises(TypeError):
        bool(x < 1)


def test_texts_of_numbers() -> None:
    assert text(0.1 * x) == "0.1*x"
    assert text(algebra.Float(1e-5)) == "1.0e-5"
    assert text(algebra.Float(-2.5e30)) == "-2.5e30"
    assert text(-x) == "-x"
    assert text(-2.0 * x + y) == "-2.0*x + y"


def test_conditions() -> None:
    less = algebra.StrictLessThan(x, y)
    assert algebra.Not(less) is algebra.GreaterThan(x, y)
    assert algebra.And(less, algebra.true, less) is less
    assert algebra.Or(less, algebra.Not(less)) is algebra.true
    assert algebra.And(less, algebra.Not(less)) is algebra.false
    assert algebra.StrictLessThan(1, 2) is algebra.true
    assert text(algebra.And(less, algebra.Eq(k, 1))) == "Eq(k, 1) & (x < y)"


def test_expansion() -> None:
    assert expand((x + y) ** 2 * (x - 1)) == x**3 + 2 * x**2 * y + x * y**2 - x**2 - 2 * x * y - y**2
    assert expand_mul(k * (x + y) ** 2 + k * (x - y)) == k * (x + y) ** 2 + k * x - k * y
    assert (x * (y + 1)).is_polynomial(x)
    assert not (x / (y + 1)).is_polynomial(y)


def test_what_is_shared_is_walked_once() -> None:
    """Of 2^200 parts when they are taken one by one."""
    value: Any = x
    for _ in range(200):
        value = algebra.sin(value) + algebra.cos(value)
    assert len(list(preorder_traversal(value))) == 601
    assert value.free_symbols == {x}
    assert value.has(x)
    assert not value.has(y)
    assert value.xreplace({x: y}).free_symbols == {y}
