"""Published problems with published results, each as a config of `configs/reference/`: odefit finds the same numbers.

The FOCUS data: test_reference_focus.py; stiff end values: test_ivp_test_set.py; lynx and hare: test_shipped.py.

Sources and data: the head of every config, and data/SOURCES.md. `resolved` values come from an independent solution by
other code; `published` values are compared in the digits in which they are printed. Standard errors are those of
s^2 = RSS/(n - p) unless a line says otherwise.
"""

from __future__ import annotations

import itertools
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml

from reference_fits import CONFIGS, ROOT, assert_printed, digits, error, fit, residual_error, value


def test_readme_lists_every_config() -> None:
    rows = re.findall(r"^\| \[`(\w+)\.yaml`\]", (CONFIGS / "README.md").read_text(encoding="utf-8"), flags=re.M)
    assert sorted(set(rows)) == sorted(path.stem for path in CONFIGS.glob("*.yaml"))


# ----------------------------------------------------------------------------------------------------------------- NIST


@dataclass(frozen=True)
class Nist:
    """Certified values of the Statistical Reference Datasets: per parameter start 1, start 2, value, sd."""

    parameters: tuple[tuple[float, float, float, float], ...]
    rss: float

    def start(self, number: int) -> list[str]:
        return [f"parameters.b{k}.value={row[number - 1]!r}" for k, row in enumerate(self.parameters, start=1)]


NIST = {
    "misra1a": Nist(
        (
            (500, 250, 2.3894212918e02, 2.7070075241e00),
            (0.0001, 0.0005, 5.5015643181e-04, 7.2668688436e-06),
        ),
        1.2455138894e-01,
    ),
    "boxbod": Nist(
        (
            (1, 100, 2.1380940889e02, 1.2354515176e01),
            (1, 0.75, 5.4723748542e-01, 1.0455993237e-01),
        ),
        1.1680088766e03,
    ),
    "rat43": Nist(
        (
            (100, 700, 6.9964151270e02, 1.6302297817e01),
            (10, 5, 5.2771253025e00, 2.0828735829e00),
            (1, 0.75, 7.5962938329e-01, 1.9566123451e-01),
            (1, 1.3, 1.2792483859e00, 6.8761936385e-01),
        ),
        8.7864049080e03,
    ),
    "mgh17": Nist(
        (
            (50, 0.5, 3.7541005211e-01, 2.0723153551e-03),
            (150, 1.5, 1.9358469127e00, 2.2031669222e-01),
            (-100, -1, -1.4646871366e00, 2.2175707739e-01),
            (1, 0.01, 1.2867534640e-02, 4.4861358114e-04),
            (2, 0.02, 2.2122699662e-02, 8.9471996575e-04),
        ),
        5.4648946975e-05,
    ),
    "gauss1": Nist(
        (
            (97, 94, 9.8778210871e01, 5.7527312730e-01),
            (0.009, 0.0105, 1.0497276517e-02, 1.1406289017e-04),
            (100, 99, 1.0048990633e02, 5.8831775752e-01),
            (65, 63, 6.7481111276e01, 1.0460593412e-01),
            (20, 25, 2.3129773360e01, 1.7439951146e-01),
            (70, 71, 7.1994503004e01, 6.2622793913e-01),
            (178, 180, 1.7899805021e02, 1.2436988217e-01),
            (16.5, 20, 1.8389389025e01, 2.0134312832e-01),
        ),
        1.3158222432e03,
    ),
}


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", NIST)
def test_nist(name: str, start: int, tmp_path: Path) -> None:
    """Also from start 1 of MGH17, which leads many tools into a local minimum at 7.97e-5, and of BoxBOD."""
    problem = NIST[name]
    result = fit(name, tmp_path, *problem.start(start))
    assert result.status == "converged"
    assert digits(result.objective.rss or math.nan, problem.rss) > 6
    for k, (_, _, certified, sd) in enumerate(problem.parameters, start=1):
        assert digits(value(result, f"b{k}"), certified) > 6, k
        assert digits(error(result, f"b{k}"), sd) > 4, k


@pytest.mark.parametrize("name", NIST)
def test_nist_configs_hold_start_2(name: str) -> None:
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    held = [config["parameters"][f"b{k}"]["value"] for k in range(1, len(NIST[name].parameters) + 1)]
    assert held == [row[1] for row in NIST[name].parameters]


def test_gauss1_an_absolute_tolerance_above_a_state_biases_it_unnoticed(tmp_path: Path) -> None:
    """The third state starts at 1e-40: under atol 1e-12 its first growth is not controlled, and b6 makes up for it.

    Nothing tells: the fit is called converged, and neither its sum of squares nor any other parameter is as far off.
    """
    problem = NIST["gauss1"]
    off = {}
    for atol in ("1e-60", "1e-12"):
        result = fit("gauss1", tmp_path, "solver.rtol=1e-10", f"solver.atol={atol}")
        assert result.status == "converged"
        off[atol] = [abs(value(result, f"b{k}") / row[2] - 1) for k, row in enumerate(problem.parameters, start=1)]
        assert result.objective.rss is not None
        off[atol].append(abs(result.objective.rss / problem.rss - 1))
    assert max(off["1e-60"]) < 2e-7
    biased = off["1e-12"].pop(5)
    assert biased > 2e-7
    # The search ends where the noise of such a tolerance hides what is left, which is not quite the same everywhere.
    assert biased > 2 * max(off["1e-12"])


# -------------------------------------------------------------------------------------------------- other least squares


@dataclass(frozen=True)
class Case:
    """resolved: estimates by other code (1e-3 is asked for, 1e-5 is what there is). errors: printed standard errors.

    published: estimates as printed. p: how many parameters there are without the noise level; s as printed.
    """

    config: str
    overrides: Sequence[str]
    rss: float
    resolved: Mapping[str, float]
    errors: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    s: str | None = None


# fmt: off
CASES = {
    # Published by COPS 3.0: 5.2366e-3.
    "gas oil": Case(
        "gas_oil",
        [],
        0.005236595834,
        {"k1": 11.84673838, "k2": 8.344519501, "k3": 1.001439967},
        {"k1": "0.3264", "k2": "0.3078", "k3": "0.3493"},
    ),
    "theophylline 1": Case(
        "theoph",
        [],
        4.286009024,
        {"lKe": -2.9196133, "lKa": 0.57515936, "lCl": -3.9158561},
        {"lKe": "0.1709", "lKa": "0.1728", "lCl": "0.1273"},
        {"lKe": "-2.9196", "lKa": "0.5752", "lCl": "-3.9159"},
        "0.732",
    ),
    "theophylline 4": Case(
        "theoph",
        ['data.only=["4"]', "parameters.dose.value=4.4"],
        5.731950604,
        {"lKe": -2.436495, "lKa": 0.15826534, "lCl": -3.2860874},
        {"lKe": "0.2257", "lKa": "0.2297", "lCl": "0.1448"},
        {"lKe": "-2.4365", "lKa": "0.1583", "lCl": "-3.2861"},
        "0.8465",
    ),
    "loblolly": Case(
        "loblolly",
        [],
        1.68440146,
        {"Asym": 94.12821, "R0": -8.2507526, "lrc": -3.2175783},
        {"Asym": "8.4030", "R0": "1.2261", "lrc": "0.1386"},
        {"Asym": "94.1282", "R0": "-8.2508", "lrc": "-3.2176"},
        "0.7493",
    ),
    # FME prints .3003277 (.0004743889), .7006292 (.0010819321), RSS .3514637 at its default tolerance.
    "bacteria": Case(
        "bacteria",
        [],
        0.3514724441,
        {"gmax": 0.3003282, "eff": 0.70062915},
        {"gmax": "0.0004744", "eff": "0.0010819"},
        {"gmax": "0.30033", "eff": "0.700629"},
        "0.15307",
    ),
    # The vignette of gauseR prints the same to four digits: .574818 (.682962), 4.533879 (3.276231), ...
    "gause": Case(
        "gause",
        [],
        3874.221374,
        {
            "N1_0": 0.57468203, "N2_0": 4.533569, "r1": 1.7349566, "r2": 0.81040405,
            "a11": -0.0076758357, "a12": -0.010787233, "a21": -0.0016878935, "a22": -0.0053767076,
        },
        {
            "N1_0": "0.683", "N2_0": "3.276", "r1": "0.400", "r2": "0.218",
            "a11": "0.002237", "a21": "0.001048", "a22": "0.001317",
        },
        {
            "N1_0": "0.575", "N2_0": "4.534", "r1": "1.735", "r2": "0.810",
            "a11": "-0.00768", "a12": "-0.010787", "a21": "-0.001688", "a22": "-0.005377",
        },
        "10.1",
    ),
    # The published programs, KinGUI and ModelMaker, differ by 2 to 10 % among themselves; mkin's test prints 240.5686.
    "schaefer": Case(
        "schaefer07",
        [],
        240.5686,
        {
            "M0": 91.918158, "kp": 0.049685182, "fA": 0.38096192, "kA": 0.013931646, "fA2": 0.44796024,
            "kB": 0.018598458, "kC": 0.061715636, "kA2": 0.024315457,
        },
    ),
}
# fmt: on


@pytest.mark.parametrize("name", CASES)
def test_least_squares(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    result = fit(case.config, tmp_path, *case.overrides)
    assert result.status == "converged"
    assert result.objective.rss == pytest.approx(case.rss, rel=1e-6)
    for parameter, resolved in case.resolved.items():
        # A search ends where 1e-8 units of the likelihood are left to gain: 2e-5 of the flattest parameter.
        assert value(result, parameter) == pytest.approx(resolved, rel=2e-5), parameter
    for parameter, text in case.published.items():
        assert_printed(value(result, parameter), text, parameter)
    for parameter, text in case.errors.items():
        assert_printed(error(result, parameter), text, parameter)
    if case.s is not None:
        assert_printed(residual_error(result, len(case.resolved)), case.s)


def test_bacteria_correlation(tmp_path: Path) -> None:
    correlation = fit("bacteria", tmp_path).correlation
    assert correlation is not None
    assert_printed(correlation["gmax"]["eff"], "-0.9151")


def test_theophylline_has_a_second_solution_with_the_rates_exchanged(tmp_path: Path) -> None:
    first = fit("theoph", tmp_path)
    rates = {"lKe": value(first, "lKa"), "lKa": value(first, "lKe")}
    start = [f"parameters.{name}.value={rate + 0.1!r}" for name, rate in rates.items()]
    second = fit("theoph", tmp_path, *start)
    assert second.objective.rss == pytest.approx(first.objective.rss, rel=1e-6)
    for name, rate in rates.items():
        assert value(second, name) == pytest.approx(rate, rel=1e-5)
    assert value(second, "lCl") == pytest.approx(value(first, "lCl"), rel=1e-6)


# -------------------------------------------------------------------------------------------------------- Schaefer 2007


def test_schaefer_formation_fractions_are_those_of_the_independent_solution(tmp_path: Path) -> None:
    """And near those of KinGUI/ModelMaker: fB .1866/.1818, fC .4331/.4486."""
    result = fit("schaefer07", tmp_path, "fit.starts=1")
    rest, share = 1 - value(result, "fA"), value(result, "sB")
    assert rest * share == pytest.approx(0.19546672, rel=1e-5)
    assert rest * (1 - share) == pytest.approx(0.42357136, rel=1e-5)
    assert any("fA2 is poorly determined" in sentence for sentence in result.warnings)


def test_schaefer_worse_optimum_is_no_trap(tmp_path: Path) -> None:
    """273.3707 is what is left when no A2 is formed. A search that starts right there finds its way out."""
    trap = fit("schaefer07", tmp_path, "fit.starts=1", "parameters.fA2={value: 0, estimate: false}")
    assert_printed(trap.objective.rss or math.nan, "273.3707")
    there = [f"parameters.{n}.value={e.value!r}" for n, e in trap.estimates.items() if n not in ("fA2", "sigma")]
    out = fit("schaefer07", tmp_path, "fit.starts=1", *there, "parameters.fA2.value=0")
    assert_printed(out.objective.rss or math.nan, "240.5686")
    almost = fit(
        "schaefer07", tmp_path, "fit.starts=1", *there, "parameters.fA2={value: 1e-6, bounds: [0, 1], scale: logit}"
    )
    assert_printed(almost.objective.rss or math.nan, "240.5686")


# ------------------------------------------------------------------------------------------------------------ Robertson


TRUTH = {"k1": 0.04, "k2": 3e7, "k3": 1e4}


@pytest.mark.parametrize("factors", list(itertools.product((0.1, 10.0), repeat=3)), ids=str)
def test_robertson_is_recovered_from_a_factor_10_off(factors: tuple[float, ...], tmp_path: Path) -> None:
    start = [f"parameters.{n}.value={k * f!r}" for (n, k), f in zip(TRUTH.items(), factors, strict=True)]
    result = fit("robertson", tmp_path, *start)
    assert result.status == "converged"
    for name, truth in TRUTH.items():
        assert abs(value(result, name) - truth) < 3 * error(result, name)
        assert error(result, name) < 0.03 * truth
    for name in ("sigma_A", "sigma_B", "sigma_C"):
        assert abs(value(result, name) - 0.05) < 3 * error(result, name)


def test_robertson_config_starts_a_factor_10_off() -> None:
    config = yaml.safe_load((CONFIGS / "robertson.yaml").read_text(encoding="utf-8"))
    for name, truth in TRUTH.items():
        assert abs(math.log10(float(config["parameters"][name]["value"]) / truth)) == pytest.approx(1)


def test_robertson_data_are_what_the_script_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "robertson_data", raising=False)
    import robertson_data

    made, stored = robertson_data.text().splitlines(), robertson_data.PATH.read_text(encoding="utf-8").splitlines()
    assert made[0] == stored[0]
    again, kept = (np.array([[float(cell) for cell in row.split(",")] for row in t[1:]]) for t in (made, stored))
    np.testing.assert_allclose(again, kept, rtol=1e-4)
