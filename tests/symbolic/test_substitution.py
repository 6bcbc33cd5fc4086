"""Formulas in the places of network calls."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from odefit.model.formula_text import renamed
from odefit.symbolic.substitution import in_brackets, replaced


def put(text: str, formula: str) -> str:
    def one(network: str, output: int, arguments: Sequence[str]) -> str:
        return formula.replace("NAME", f"{network}{output}").replace("ARGS", ";".join(arguments))

    return replaced(text, {"net": 2, "other": 1}, one)


@pytest.mark.parametrize(
    "text, formula, expected",
    [
        ("a*x - net(x, y)[0]*x*y", "c", "a*x - c*x*y"),
        ("a*x - net(x, y)[1]", "c + d*x", "a*x - (c + d*x)"),
        ("net(x, y)[1] - d*y", "c + d*x", "c + d*x - d*y"),
        ("a*net(x, y)[1]", "c + d*x", "a*(c + d*x)"),
        ("x/net(x, y)[1]", "c*x", "x/(c*x)"),
        ("2 - net( x , y )[1]*x", "c*x/(K + x)", "2 - c*x/(K + x)*x"),
        ("net(x, y)[0]^2", "c*x", "(c*x)^2"),
        ("other(max(x, y))", "NAME of ARGS", "other0 of max(x, y)"),
        ("mynet(x) + net2(x)", "c", "mynet(x) + net2(x)"),
    ],
)
def test_a_formula_stands_where_the_call_was(text: str, formula: str, expected: str) -> None:
    assert put(text, formula) == expected


def test_calls_within_calls() -> None:
    assert put("other(net(x, y)[1] + 1)", "f(ARGS)") == "f(f(x;y) + 1)"


def test_names_are_changed_all_at_once_and_as_wholes() -> None:
    assert renamed("x*y + xy*x(3)", {"x": "y", "y": in_brackets("x + 1")}) == "y*(x + 1) + xy*x(3)"
