"""Formulas in reports stand as the config has them: no factor moved, no number worked out, brackets where needed."""

from __future__ import annotations

import re

import numpy as np
import pytest

import odefit
from odefit.reporting.written import written_condition, written_formula, written_rows
from spoken_mathml import said


def shown(markup: str) -> str:
    return re.sub("[\u2061\u2062]", " ", said(markup))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CL*(WT/70)^0.75/(V*WT/70)*central", "(CL ((WT)/(70))^{0.75})/((V WT)/(70)) central"),
        ("log(2)*V/CL", "(ln (2) V)/(CL)"),
        ("a - (b - c)", "a−(b−c)"),
        ("a + (b + c)", "a+b+c"),
        ("a - +(b + c)", "a−(b+c)"),
        ("+(a + b)*c", "(a+b) c"),
        ("a - +(-b)", "a−(−b)"),
        ("a/(b/c)", "(a)/((b)/(c))"),
        ("a/b/c", "(a)/(b c)"),
        ("-(a + b)", "−(a+b)"),
        ("-Vmax*x/(Km + x)", "−(Vmax x)/(Km+x)"),
        ("(-x)^2", "(−x)^{2}"),
        ("-x^2", "−x^{2}"),
        ("x^y^z", "x^{y^{z}}"),
        ("(x^y)^z", "(x^{y})^{z}"),
        ("a*-b", "a (−b)"),
        ("a + -b*c", "a+(−b c)"),
        ("2*3*x*2", "2·3 x·2"),
        ("0.6931471805599453*x", "ln2 x"),
        ("1e-3*x", "0.001 x"),
        ("exp(-k*t)", "e^{−k t}"),
        ("exp(y^2)", "exp (y^{2})"),
        ("log10(x) + sqrt(y)*abs(z - 1)", "log_{10} (x)+√{y} |z−1|"),
        ("k*(t > 5 or x < 1)", "k [t>5∨x<1]"),
        ("2*piecewise(a, x > 1 and y < 2, b)", "2 ({a, if x>1∧y<2; b, otherwise; )"),
        ("integral(conc, 0, 24)", "integral (conc,0,24)"),
        ("net(x, y)[1] + net(a, b)", "net_{1} (x,y)+net (a,b)"),
    ],
)
def test_a_formula_is_set_as_it_was_written(text: str, expected: str) -> None:
    assert shown(written_formula(text, ["net"])) == expected


def test_a_condition_is_no_bracket() -> None:
    assert shown(written_condition("a < 1 and not (b > 2 or c > 3)")) == "a<1∧¬(b>2∨c>3)"


def test_a_long_sum_is_broken_before_a_term() -> None:
    text = " - ".join(f"rate_{k}*concentration_{k}" for k in range(8))
    found = [shown(row) for row in written_rows(text)]
    assert len(found) > 2
    assert all(row.startswith("−") for row in found[1:])
    assert "".join(found) == shown(written_formula(text))


CONFIG = {
    "model": {
        "equations": {"gut": "-ka*gut", "c": "ka*gut - CL*(WT/70)^0.75/V*c"},
        "initial": {"gut": "100*Fa", "c": "2*start/4"},
        "observables": {"conc": "c/(V*WT/70)"},
        "events": [{"time": "2*3", "set": {"gut": "gut + 100*Fa"}}],
    },
    "parameters": {
        "ka": {"value": 1.0, "bounds": [0.1, 10]},
        "CL": {"value": 2.0, "bounds": [0.1, 10]},
        "V": {"value": 10.0, "estimate": False},
        "Fa": {"value": 1.0, "estimate": False},
        "start": {"value": 0.0, "estimate": False},
        "half_life": {"formula": "log(2)*V/CL"},
        "WT": {"value": 60.0, "estimate": False},
        "lag": {"value": 0.25, "estimate": False},
    },
    "derived": {"peak": "max(conc)"},
    "data": {"doses": {"table": [{"time": 1, "state": "gut", "amount": 3}], "lag": "lag*WT/60"}},
    "noise": "proportional",
    "fit": {"starts": 1},
}


def pharmacokinetics() -> odefit.Experiment:
    t = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    return odefit.Experiment("a", t, {"conc": 9 * (np.exp(-0.2 * t) - np.exp(-t))}, start=0.0)


@pytest.fixture(scope="module")
def page() -> str:
    text = odefit.report(odefit.fit(CONFIG, data=[pharmacokinetics()])).html
    inner = re.compile("<math[^>]*>(.*?)</math>", re.DOTALL)
    mathematics = inner.sub(lambda found: f" {shown(found[1])} ", text)
    return re.sub(r"(<[^>]+>|\s)+", " ", re.sub("<(style|script|svg).*?</\\1>", "", mathematics, flags=re.DOTALL))


@pytest.mark.parametrize(
    "expected",
    [
        "ka gut−(CL ((WT)/(70))^{0.75})/(V) c",
        "100 Fa",
        "(2 start)/(4)",
        "(c)/((V WT)/(70))",
        "proportional_conc |conc|",
        "(ln (2) V)/(CL)",
        "max (conc)",
        "At t=2·3",
        "gut becomes gut+100 Fa",
        "A dose comes (lag WT)/(60) after the time that is given.",
    ],
)
def test_a_report_has_formulas_as_the_config_has_them(page: str, expected: str) -> None:
    assert expected in page


def test_data_begin_with_their_first_measurement_not_with_the_initial_values(page: str) -> None:
    assert "from time 0.5 to 8" in page


def test_check_shows_formulas_as_the_config_has_them() -> None:
    said_of_it = odefit.check(CONFIG, data=[pharmacokinetics()])
    assert "  dc/dt = ka*gut - CL*(WT/70)^0.75/V*c\n" in said_of_it
    assert "  conc = c/(V*WT/70): 5 values, gaussian noise, sigma = proportional_conc*abs(conc)\n" in said_of_it
