"""The formula language: values against Python's own evaluation, and faults that point at the character."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.model.formulas import free_names, name_fault, parse_formula
from odefit.model.functions import derivatives, numpy_function
from odefit.model.language import ALIASES, FUNCTIONS
from odefit.model.operators import put_numbers
from odefit.model.system import Network, NetworkCall, symbol

NAMES = ("x", "y", "alpha", "beta", "lambda", "n")
VALUES = {"x": 0.7, "y": 2.3, "alpha": 1.5, "beta": -0.4, "lambda": 0.9, "n": 3.0, "t": 1.25}
NETWORKS = {"net": Network("net", 2, 2), "one": Network("one", 1, 1)}


def value(text: str) -> float:
    formula = parse_formula(text, NAMES)
    [result] = numpy_function([formula], list(VALUES))(*VALUES.values())
    return float(result)


def fault(text: str, **kwargs: object) -> str:
    with pytest.raises(ModelError) as caught:
        parse_formula(text, NAMES, **kwargs)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("alpha*x - beta*x*y", 1.5 * 0.7 + 0.4 * 0.7 * 2.3),
        ("-x^2", -(0.7**2)),
        ("2^3^2", 512.0),
        ("2*x^-1^2", 2 / 0.7),
        ("x**2.0 + x^0.5", 0.49 + math.sqrt(0.7)),
        ("8/3", 8 / 3),
        ("x - y - n/2/5*4", 0.7 - 2.3 - 3 / 2 / 5 * 4),
        ("e^x + e + pi", math.exp(0.7) + math.e + math.pi),
        ("lambda*t", 0.9 * 1.25),
        ("ln(y) + log10(y) + log2(y)", math.log(2.3) + math.log10(2.3) + math.log2(2.3)),
        ("arctan(y) + asinh(y)", math.atan(2.3) + math.asinh(2.3)),
        ("max(x, y, 1) - min(x, 2)", 2.3 - 0.7),
        ("abs(beta) + sign(beta) + heaviside(beta)", 0.4 - 1),
        ("heaviside(x - x) + sign(0)", 1.0),
        ("sigmoid(-800) + sigmoid(x)", 1 / (1 + math.exp(-0.7))),
        ("pow(x, 2) + (2*x)^3", 0.49 + 1.4**3),
        ("alpha*(t > 1) + (x > y)", 1.5),
        ("piecewise(1, x > 1, 2, y >= 2 and not x == 0.7, 3)", 3.0),
        ("piecewise(1, 0 < x < 1 or y < 0, 0)", 1.0),
        ("piecewise(x, 5 > 3, y)", 0.7),
        ("1e-3 + .5 + 2. + 1E3", 1002.501),
        ("x +\n  y", 3.0),
        ("acosh(y) + atanh(x) + acos(-x)", math.acosh(2.3) + math.atanh(0.7) + math.acos(-0.7)),
        ("sqrt(3*x)*sqrt(2)", math.sqrt(2.1) * math.sqrt(2)),
    ],
)
def test_value(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *ALIASES} - {"max", "min"}))
def test_every_function_agrees_for_numbers_and_names(name: str) -> None:
    """A number is folded by `math`, a name goes through SymPy and NumPy: two ways to one value."""
    at = "y" if name in ("acosh", "arccosh") else "x"
    assert value(f"{name}({at})") == pytest.approx(value(f"{name}({VALUES[at]})"), rel=1e-14)


def test_small_integers_stay_exact() -> None:
    x = symbol("x")
    assert parse_formula("x^2/3 + 1/3", NAMES) == x**2 / 3 + sp.Rational(1, 3)
    assert parse_formula("e^x", NAMES) == sp.exp(x)
    assert parse_formula("2*x - x - x", NAMES) == 0


def test_symbols_are_those_of_the_system() -> None:
    assert parse_formula("x*t", NAMES).free_symbols == {symbol("x"), symbol("t")}
    assert free_names(parse_formula("alpha*x - beta*x*t + pi", NAMES)) == {"alpha", "beta", "x", "t"}
    assert free_names(parse_formula("2^3", NAMES)) == set()


def test_a_declared_name_wins_over_a_constant() -> None:
    assert parse_formula("e*pi", ["e", "pi"]) == symbol("e") * symbol("pi")
    assert parse_formula("e^2", ["e"]) == symbol("e") ** 2


def test_a_name_and_a_function_do_not_clash() -> None:
    assert parse_formula("exp(exp)", ["exp"]) == sp.exp(symbol("exp"))


@pytest.mark.parametrize("keyword", ["lambda", "is", "in", "if", "class", "True", "None", "yield", "await"])
def test_keywords_of_python_are_names(keyword: str) -> None:
    assert parse_formula(f"2*{keyword}", [keyword]) == 2 * symbol(keyword)


def test_all_symbols_that_are_unknown_are_named_at_once() -> None:
    with pytest.raises(ModelError) as caught:
        parse_formula("-kel*x + bta*sin(kel*t) - y/nothing", ["x", "y", "beta", "k_elimination"])
    assert [str(one).split("\n")[0] for one in caught.value.faults] == [
        "unknown symbol 'kel' (did you mean 'k_elimination'?)",
        "unknown symbol 'bta' (did you mean 'beta'?)",
        "unknown symbol 'nothing' (there is: beta, k_elimination, x, y, t; a new parameter is declared under "
        "`parameters`)",
    ]
    assert [str(one).split("\n")[2].index("^") - 4 for one in caught.value.faults] == [1, 9, 28]


def test_a_beginning_that_two_names_have_suggests_neither() -> None:
    with pytest.raises(ModelError, match=re.escape("unknown symbol 'kel' (there is: k_elim_gut, k_elimination, t;")):
        parse_formula("kel", ["k_elimination", "k_elim_gut"])


def test_the_error_points_at_the_character() -> None:
    assert fault("alpha*x - bta*x*y", where="c.yaml:3") == (
        "c.yaml:3: unknown symbol 'bta' (did you mean 'beta'?)\n    alpha*x - bta*x*y\n              ^"
    )


@pytest.mark.parametrize(
    "text, at, says",
    [
        ("2x", 1, "operator is missing before 'x'"),
        ("2(x)", 1, "operator is missing before '('"),
        ("x y", 2, "operator is missing before 'y'"),
        ("x +", 3, "ends too early"),
        ("x * / y", 4, "value is missing before '/'"),
        ("(x", 0, "never closed"),
        ("x^2)", 3, "closes nothing"),
        ("x^y^bta", 4, "unknown symbol 'bta'"),
        ("x^2 + sinn(y)", 6, "unknown function 'sinn' (did you mean 'sin'?)"),
        ("x + sin", 4, "'sin' is a function"),
        ("x + y(2)", 4, "'y' is not a function"),
        ("max(x)", 0, "two arguments or more (got 1)"),
        ("1 + sin(x, y)", 4, "sin takes 1 argument (got 2)"),
        ("1 + sin()", 4, "sin takes 1 argument (got 0)"),
        ("piecewise(1, x > 0)", 0, "odd number of arguments"),
        ("piecewise(1, x, 0)", 13, "a condition is needed"),
        ("x = 2", 2, "write == to compare"),
        ("x if y else 2", 2, "piecewise"),
        ("x && y", 2, "write 'and'"),
        ("x.real", 1, "names have no dots"),
        ("x[0]", 1, "component of a network"),
        ("__import__('os')", 11, "quotes"),
        ("lambda x: x", 8, "unexpected character ':'"),
        ("x, y", 1, "comma"),
        ("x*(1, 2)", 2, "cannot be read"),
        ("x − y", 2, "plain minus"),
        ("аlpha*x", 0, "U+0430"),
        ("x\0", 1, "U+0000"),
        ("floor(x)", 0, "piecewise or heaviside"),
        ("1/0", 2, "division by zero"),
        ("x/(y - y)", 3, "division by zero"),
        ("2*log(0)", 2, "log(0) is not a finite"),
        ("y + sqrt(-1)", 4, "sqrt(-1) is not a finite real"),
        ("1e999*x", 0, "not a finite number"),
        ("0^-1", 0, "division by zero"),
        ("x^100000", 0, "the power 100000 is too large"),
        ("exp(exp(exp(10)))", 4, "exp(22026.5) is not a finite"),
        ("x +\n\n 2*bta", 3, "unknown symbol"),
        ("max((x > 0)*2 < y, 1)", 4, "cannot stand inside another"),
    ],
)
def test_faults(text: str, at: int, says: str) -> None:
    what, _, caret = fault(text).rsplit("\n", 2)
    assert says in what
    assert caret.index("^") - 4 == at


def test_a_long_formula_is_shown_around_the_fault() -> None:
    _, line, caret = fault("+".join(["alpha*x"] * 50 + ["bta"] + ["y"] * 100)).split("\n")
    assert len(line) < 110
    assert line[caret.index("^") :].startswith("bta")


@pytest.mark.parametrize(
    "text",
    [
        "9**9**3",
        "(1e300)**(1e300)",
        "((2*x)**10)**11",
        "4**(1234/2)",
        "*".join(["999999999999999"] * 600),
        "*".join(["(3*x)"] * 1500),
        "(" * 4999 + "x" + ")" * 4999,
        "(" * 10_000 + "x" + ")" * 10_000,
        "-" * 9_000 + "x",
        "not " * 2_000 + "x > 1",
        "**".join(["x"] * 3000),
        "**".join(["2"] * 3000),
        "+".join(["x"] * 5001),
        "1" * 9_000,
        "x" * 20_000,
        "sqrt(-x^2)",
        "(-8)^(1/3)",
        "",
        " \n\t",
        "()",
        "x\r\n\ud800",
        "{}",
        "x; y",
        "x@y",
        "*x",
        "max(*x, y)",
        "max(x, y=2)",
        "x > y > > 1",
        "(x for x in y)",
        "f'{x}'",
        "0x10",
        "1_000",
        "1j",
        "...",
        "x!",
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    assert fault(text)


def test_a_long_sum_and_a_deep_formula_are_fine() -> None:
    assert parse_formula("+".join(["x*y"] * 2000), NAMES) == 2000 * symbol("x") * symbol("y")
    assert free_names(parse_formula("exp(" * 49 + "x" + ")" * 49, NAMES)) == {"x"}


def test_like_conditions_do_not_multiply_out() -> None:
    """SymPy's Piecewise would distribute them: twice as many conjunctions for each."""
    pairs = ", ".join(f"1, x > {i} and y < {i}" for i in range(8))
    formula = parse_formula(f"piecewise({pairs}, 0)", NAMES)
    assert isinstance(formula, sp.Piecewise)
    assert len(formula.atoms(sp.And)) == 8


@pytest.mark.parametrize(
    "text, simple",
    [
        ("sqrt(sinh((log(x) + sqrt(y))^4)^2)", "abs(sinh((log(x) + sqrt(y))^4))"),
        ("sqrt(tan((log(x) + sqrt(y))^4)^2)^n", "abs(tan((log(x) + sqrt(y))^4))^n"),
        ("(((log(x) + sqrt(y))^3)^n)^0.5", "abs(log(x) + sqrt(y))^(1.5*n)"),
    ],
)
def test_roots_of_powers_are_real(text: str, simple: str) -> None:
    """What is real is decided without a search through the branches of a complex power."""
    assert value(text) == pytest.approx(value(simple), rel=1e-14)


@pytest.mark.parametrize("text", ["tanh(acosh(x))", "acosh(tanh(x))", "sin(atan(x))", "atan(sin(x))", "sin(x + pi)"])
def test_there_is_no_search_for_inverses_and_periods(text: str) -> None:
    """The functions stay as they are written, so that nothing is asked about what is inside of them."""
    formula = parse_formula(text, NAMES)
    outer, _, inner = text.removesuffix(")").partition("(")
    assert type(formula).__name__ == outer
    assert formula.args == (parse_formula(inner, NAMES),)


@pytest.mark.parametrize("x", [-1.5, 0.5])
def test_a_power_of_a_power(x: float) -> None:
    formulas = [parse_formula(text, ["x", "n"]) for text in ("sqrt(x^2)", "(x^4)^0.25", "(x^2)^n", "(x^n)^0.5")]
    assert numpy_function(formulas, ["x", "n"])(x, 2.0) == pytest.approx([abs(x), abs(x), x**4, abs(x)])


def test_network_calls() -> None:
    first = parse_formula("alpha*net(x, t)[1]", NAMES, networks=NETWORKS)
    [call] = first.atoms(NetworkCall)
    name, k, *arguments = call.args
    assert (name.name, int(k), arguments) == ("net", 1, [symbol("x"), symbol("t")])
    assert free_names(first) == {"alpha", "x", "t"}
    assert parse_formula("one(x)", NAMES, networks=NETWORKS) == parse_formula("one(x)[0]", NAMES, networks=NETWORKS)


@pytest.mark.parametrize(
    "text, says",
    [
        ("net(x, y)", "has 2 outputs: pick one"),
        ("net(x)[0]", "has 2 inputs (got 1)"),
        ("net(x, y)[2]", "components 0 to 1 (got 2)"),
        ("net(x, y)[-1]", "cannot be read"),
        ("net(x, y)[x]", "components 0 to 1"),
        ("sin(x)[0]", "only a network"),
        ("net(x, y)[0][1]", "component of a network"),
        ("nte(x, y)[0]", "only a network"),
        ("net", "is a function"),
    ],
)
def test_faulty_network_calls(text: str, says: str) -> None:
    assert says in fault(text, networks=NETWORKS)


def test_name_fault() -> None:
    assert name_fault("lambda") is None
    for name in ("t", "and", "2x", "", "a b"):
        assert name_fault(name)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1/(1 + exp(-(t - 7.77)/0.001))", lambda t: 1 / (1 + math.exp((7.77 - t) / 0.001))),
        ("alpha*exp((t - 7.77)/k)/exp((2*t - 15.54)/k)", lambda t: 1.5 * math.exp((7.77 - t) / 0.001)),
        ("y*exp((t - 7.77)/k)^n", lambda t: 2.3 * math.exp(3 * (t - 7.77) / 0.001)),
    ],
)
def test_no_constant_is_split_off_an_exponent(text: str, expected: Callable[[float], float]) -> None:
    formula = put_numbers(parse_formula(text, [*NAMES, "k"]), {symbol("k"): 0.001, symbol("n"): 3.0})
    [[slope]] = derivatives([formula], ["t"])
    for t in (7.769, 7.77, 7.775):
        found, rate = numpy_function([formula, slope], ["t", "y", "alpha"])(t, 2.3, 1.5)
        assert found == pytest.approx(expected(t), rel=1e-9)
        assert rate == pytest.approx((expected(t + 1e-8) - expected(t - 1e-8)) / 2e-8, rel=1e-5)


def test_put_numbers() -> None:
    x, k = symbol("x"), symbol("k")

    def put(text: str, value: float) -> sp.Expr:
        return put_numbers(parse_formula(text, ["x", "k"]), {k: value})

    assert float(put("k*x + sin(k)", 2.0).xreplace({x: put("3", 0.0)})) == pytest.approx(6.0 + math.sin(2.0))
    assert put("piecewise(1/k, k > 0, x)", 0.0) == x
    assert put("piecewise(x, sqrt(k) > 1, 2*x)", 4.0) == x
    assert put("tanh((x + k)^2)", 0.0) == parse_formula("tanh(x^2)", ["x"])
    for text, value in [("x/k", 0.0), ("sqrt(k)*x", -1.5), ("exp(exp(k))", 99.0), ("log(k)", 0.0)]:
        with pytest.raises(ModelError, match="not a finite real number when k"):
            put(text, value)


def test_real_functions_stay_real() -> None:
    formula = parse_formula("abs(y*exp(sqrt(x)))", NAMES).xreplace({symbol("y"): sp.Float(-2.0)})
    assert str(formula) == "Abs(-2.0*exp(sqrt(x)))"
    assert parse_formula("heaviside(sqrt(-x^2 - 1))", NAMES).has(sp.Heaviside)


# -- two ways: a random formula, evaluated by Python itself

_LEAVES = st.sampled_from(["x", "y", "alpha", "beta", "t", "2", "3", "0.5", "1.25", "7", "1e-2"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/"]), inner)
    power = st.builds("({})**{}".format, inner, st.sampled_from(["2", "3", "-1", "0.5", "-2", "1.5"]))
    unary = st.builds("{}({})".format, st.sampled_from(["sin", "cos", "tanh", "exp", "log", "abs", "-"]), inner)
    chosen = st.builds("piecewise({}, {} < {}, {})".format, inner, inner, inner, inner)
    extreme = st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner)
    return st.one_of(binary, power, unary, chosen, extreme)


def _by_python(text: str, nudge: float = 0.0) -> complex | None:
    names = {name: getattr(math, name) for name in ("sin", "cos", "tanh", "exp", "log")}
    # abs of a complex root would be a real number again; here every quantity is real.
    names |= {"piecewise": lambda a, c, b: a if c else b, "abs": math.fabs, "min": min, "max": max}
    at = {name: v * (1 + nudge * (i + 1)) for i, (name, v) in enumerate(VALUES.items())}
    # `piecewise(a, b < c, d)` happens to be Python too, though eager.
    try:
        return eval(text, {"__builtins__": {}}, names | at)  # noqa: S307 (text of our own making)
    except (ArithmeticError, ValueError, TypeError):
        return None


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(_LEAVES, _grow, max_leaves=12))
def test_random_formulas_agree_with_python(text: str) -> None:
    expected = _by_python(text)
    try:
        got = value(text)
    except ModelError:
        return  # a constant part without a finite real value
    if expected is None or isinstance(expected, complex) or not 1e-100 < abs(expected) < 1e100:
        return
    # Rounding is all that may differ; it is amplified where a formula is badly conditioned.
    nudged = [_by_python(text, nudge) for nudge in (1e-13, -1e-13)]
    spread = max((abs(v - expected) for v in nudged if v is not None), default=0.0)
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-12 + 100 * spread)


_WORDS = st.sampled_from(
    (
        *(
            "x",
            "y",
            "net",
            "sin",
            "exp",
            "piecewise",
            "max",
            "abs",
            "sqrt",
            "lambda",
            "e",
            "pi",
            "t",
            "not",
            "and",
            "(",
            ")",
        ),
        *("[", "]", ",", "+", "-", "*", "/", "^", "**", "<", ">=", "==", "!=", "0", "1", "2.5", "1e308", "9"),
    )
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(_WORDS, max_size=25).map(" ".join)))
def test_any_text_gives_a_formula_or_a_model_error(text: str) -> None:
    try:
        formula = parse_formula(text, NAMES, networks=NETWORKS)
    except ModelError:
        return
    assert isinstance(formula, sp.Expr)
    assert not formula.has(sp.nan, sp.oo, -sp.oo)
