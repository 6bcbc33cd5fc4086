"""Formulas as MathML: well formed, read aloud as what they say, in brackets where they must be."""

from __future__ import annotations

import re

import pytest

from odefit.model.formulas import parse_formula
from odefit.model.system import Network
from odefit.model.tokens import written_names
from odefit.reporting.markup import element
from odefit.reporting.mathml import formula, number, rows
from odefit.reporting.symbols import differs, symbol
from spoken_mathml import said

NETWORKS = {"net": Network("net", 2, 2)}


def shown(text: str) -> str:
    node = parse_formula(text, written_names(text), networks=NETWORKS)
    return re.sub("[\u2061\u2062]", " ", said(formula(node)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha*hare - beta*hare*lynx", "α hare−β hare lynx"),
        ("-k_1*x/(K_m + x)^2", "−(k_{1} x)/((K_{m}+x)^{2})"),
        ("V*x/(K + x)", "(V x)/(K+x)"),
        ("x/2 + y/3", "(x)/(2)+(y)/(3)"),
        ("k*(a + b)", "k (a+b)"),
        ("k*(a - b)*x", "k x (a−b)"),
        ("sqrt(x) + x^n", "√{x}+x^{n}"),
        ("(a + b)^2", "(a+b)^{2}"),
        ("exp(-k*t)", "e^{−k t}"),
        ("log(x)", "ln (x)"),
        ("log(2)/k", "(ln2)/(k)"),
        ("log(2)*V/CL", "((ln2) V)/(CL)"),
        ("abs(x)", "|x|"),
        ("max(x, y)", "max (x,y)"),
        ("1e-5*x", "10^{−5} x"),
        ("2.5e-7", "2.5·10^{−7}"),
        ("piecewise(a, t < 3, b)", "{a, if t<3; b, otherwise; "),
        ("k*(t >= 3)", "k [t≥3]"),
        ("net(x, y)[1]*k", "k net_{1} (x,y)"),
        ("net(x, y)[0]", "net (x,y)"),
        ("1/(a*b)", "(1)/(a b)"),
        ("-(a + b)", "−a−b"),
    ],
)
def test_a_formula_is_set_as_it_is_written_by_hand(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alpha", "α"),
        ("k1", "k_{1}"),
        ("beta12", "β_{12}"),
        ("k_on", "k_{on}"),
        ("sigma_hare", "σ_{hare}"),
        ("hare_0", "hare_{0}"),
        ("K_m_2", "K_{m,2}"),
        ("k_cat_1", "k_{cat,1}"),
        ("sigma_cells_per_mL", "σ_{cells_per_mL}"),
        ("k_alpha", "k_{α}"),
        ("ka[mug]", "ka_{mug}"),
        ("half_life", "half_life"),
        ("T2cell", "T2cell"),
        ("_x", "x"),
    ],
)
def test_a_name_has_greek_letters_and_indices(name: str, expected: str) -> None:
    assert said(symbol(name)) == expected


def test_a_symbol_stands_beside_a_name_only_where_it_says_more() -> None:
    assert [differs(name) for name in ("alpha", "k1", "k_on", "hare_0", "k", "V", "half_life", "reaction_1_k1")] == [
        *(True, True, True, True, False, False, False, False)
    ]


def test_a_long_sum_is_broken_into_rows_before_a_term() -> None:
    text = " + ".join(f"rate_{k}*concentration_{k}" for k in range(8)) + " - 2*x"
    found = [re.sub("[\u2061\u2062]", " ", said(row)) for row in rows(parse_formula(text, written_names(text)))]
    assert len(found) > 2
    assert all(row.startswith(("+", "−")) for row in found[1:])
    whole = re.sub("[\u2061\u2062]", " ", said(formula(parse_formula(text, written_names(text)))))
    assert "".join(found) == whole


def test_states_come_last_in_a_product_and_no_sum_begins_with_a_minus_that_need_not() -> None:
    text = "-gamma*I + beta*S*I/N"
    node = parse_formula(text, written_names(text))
    assert re.sub("[\u2061\u2062]", " ", said(formula(node, ("S", "I")))) == "(β I S)/(N)−γ I"


@pytest.mark.parametrize(("value", "expected"), [(0.1, "0.1"), (-3.0, "−3"), (1e20, "10^{20}"), (float("inf"), "∞")])
def test_a_number_has_six_digits_and_powers_of_ten(value: float, expected: str) -> None:
    assert said(number(value)) == expected


def test_what_is_put_into_an_element_is_escaped_once() -> None:
    assert str(element("mi", "a<b", title='"')) == '<mi title="&#34;">a&lt;b</mi>'
    assert str(element("mrow", element("mi", "a&b"))) == "<mrow><mi>a&amp;b</mi></mrow>"
