"""Columns of the data in noise formulas: the same fit from every form of data, and every fault with its place."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import curve_fit

import odefit
from odefit.config.source import parse_yaml
from odefit.errors import InputError
from told_faults import told

CONFIG = """
model: {equations: {x: -k*x}}
parameters:
  k: {value: 0.3, bounds: [0.01, 10], scale: log}
  x_0: {value: 4, bounds: [0.1, 100], scale: log}
  s: {value: 1, bounds: [1e-6, 100], scale: log}
noise: {x: {sigma: s*sd}}
solver: {rtol: 1e-9, atol: 1e-11}
"""
T = [0.0, 1, 2, 3, 4, 6, 8, 10]
X = [5.034776, 3.302627, 2.089296, 1.213474, 0.991821, 0.640731, 0.205465, 0.193947]
SD = [1.0, 1, 2, 2, 1, 3, 1, 4]
WIDE = "time,x,sd\n" + "".join(f"{t},{x},{sd}\n" for t, x, sd in zip(T, X, SD, strict=True))
LONG = "time,observable,value,sd\n" + "".join(f"{t},x,{x},{sd}\n" for t, x, sd in zip(T, X, SD, strict=True))
REPLICATES = "time,x,sd\n" + "".join(f"{t},{x},{sd}\n{t},{x},{sd}\n" for t, x, sd in zip(T, X, SD, strict=True))


def fitted(data: pd.DataFrame | list[odefit.Experiment], *overrides: str) -> odefit.Run:
    run = odefit.fit(parse_yaml(CONFIG, "c.yaml").data, overrides, data=data)
    assert isinstance(run, odefit.Run)
    return run


def frame(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


@pytest.mark.parametrize("form", ["wide", "long", "experiment"])
def test_errors_known_up_to_a_factor(form: str) -> None:
    """Against SciPy's weighted fit: estimates, standard errors of n - p, and the maximum-likelihood factor."""
    data = {
        "wide": frame(WIDE),
        "long": frame(LONG),
        "experiment": [odefit.Experiment("a", T, {"x": X}, covariates={"sd": SD})],
    }[form]
    run = fitted(data)
    expected, covariance = curve_fit(lambda t, k, x: x * np.exp(-k * t), T, X, p0=[0.4, 5], sigma=SD, xtol=1e-13)
    found = run.result.estimates
    assert run.result.status == "converged"
    assert [found["k"].value, found["x_0"].value] == pytest.approx(expected.tolist(), rel=1e-5)
    errors = [found["k"].standard_error, found["x_0"].standard_error]
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)).tolist(), rel=1e-4)
    residuals = (np.array(X) - expected[1] * np.exp(-expected[0] * np.array(T))) / SD
    assert found["s"].value == pytest.approx(float(np.sqrt(np.mean(residuals**2))), rel=1e-5)
    assert (found["k"].value, errors[0], found["s"].value) == pytest.approx((0.419683, 0.01197, 0.054798), rel=2e-3)
    assert run.predictions([1.5])["new_low"].isna().all()  # nobody knows the factor's partner there


def test_replicates_keep_their_own_numbers() -> None:
    once, twice = fitted(frame(WIDE)), fitted(frame(REPLICATES))
    assert twice.result.estimates["k"].value == pytest.approx(once.result.estimates["k"].value, rel=1e-5)
    assert [e.name for e in twice.measured] == ["1", "1#2"]
    for e in twice.measured:
        assert e.covariates["sd"][:, 0].tolist() == SD


def test_two_observables_of_a_long_file_have_their_own_numbers(tmp_path: Path) -> None:
    rows = ["0,x,5,1", "0,y,0.1,4", "1,x,3.5,2", "1,y,1.2,", "1,y,1.4,3", "2,x,2.4,1", "2,y,2.7,2"]
    rows[3] = "1,y,,"
    (tmp_path / "d.csv").write_text("time,observable,value,sd\n" + "\n".join(rows) + "\n")
    (tmp_path / "c.yaml").write_text("""
model: {equations: {x: -k*x, y: k*x}, initial: {x: 5, y: 0}}
parameters: {k: {value: 0.3, scale: log}, s: {value: 0.1, scale: log}}
data: {csv: d.csv}
noise: {sigma: s*sd}
""")
    problem = odefit.load(tmp_path / "c.yaml")
    k, s = 0.36, 0.2
    x = 5 * np.exp(-k * np.array([0, 1, 2]))
    expected = -stats.norm.logpdf([5, 3.5, 2.4], x, s * np.array([1, 2, 1])).sum()
    expected -= stats.norm.logpdf([0.1, 1.4, 2.7], 5 - x, s * np.array([4, 3, 2])).sum()
    assert problem.nll([k, s]) == pytest.approx(expected, rel=1e-6)
    run = odefit.fit(tmp_path / "c.yaml", out=tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    assert (tmp_path / "run" / "data.csv").read_text().splitlines()[0].startswith("time,x,y,sd[x],sd[y]")
    theta = [run.result.estimates[name].value for name in ("k", "s")]
    assert odefit.load(tmp_path / "run" / "config.yaml").nll(theta) == pytest.approx(problem.nll(theta), rel=1e-9)
    assert [e.covariates["sd"].tolist() for e in again.measured] == [e.covariates["sd"].tolist() for e in run.measured]
    odefit.plot(again, "time_series")


FAULTS = {
    "s*sd": [
        "d.csv:4, column sd: is missing beside a measurement of x, whose noise formula names it; fill it in, or leave "
        "the measurement out",
        "d.csv:5, column sd: 0.0 leaves the measurement of x no positive noise level; correct it, or leave the "
        "measurement out",
        "d.csv:7, column sd: -2.0 leaves the measurement of x no positive noise level; correct it, or leave the "
        "measurement out",
    ],
    "s*w": ["d.csv:2, column w: 'a' is not a number; write a number or leave the cell empty"],
    "s*k": [
        "d.csv:1: 'k' is a column of the data and a parameter, and a noise formula names it: rename one of the two"
    ],
}
BAD = "time,x,sd,w,k\n0,5,1,a,1\n1,3,1,1,1\n2,2,,1,1\n3,1,0,1,1\n4,,0,1,1\n5,0.5,-2,1,1\n"


@pytest.mark.parametrize("formula", FAULTS)
def test_faults_have_a_line_and_a_column(tmp_path: Path, formula: str) -> None:
    (tmp_path / "d.csv").write_text(BAD)
    config = parse_yaml(CONFIG, "c.yaml").data | {"data": {"csv": str(tmp_path / "d.csv")}}
    assert told(tmp_path, lambda: odefit.load(config, [f"noise.x.sigma={formula}"])) == FAULTS[formula]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("s*sdd", "unknown symbol 'sdd' (did you mean 'sd'?)"),
        ("s*column", "`column` stands by itself; in a formula, name the column of the data, such as `s*x_sigma`"),
    ],
)
def test_names_that_are_no_columns(formula: str, message: str) -> None:
    for data in (frame(WIDE), [odefit.Experiment("a", T, {"x": X}, covariates={"sd": SD})]):
        with pytest.raises(InputError) as caught:
            fitted(data, f"noise.x.sigma={formula}")
        assert str(caught.value.faults[0].what).split("\n")[0] == message


def test_a_number_that_may_be_zero() -> None:
    """A mark of a second instrument, which adds to the noise: zero and negative numbers are as good as others."""
    text = WIDE.replace(",1.0\n", ",0\n").replace(",2.0\n", ",-1\n")
    assert fitted(frame(text), "noise.x.sigma=s*exp(sd)").result.status == "converged"
    with pytest.raises(InputError, match="no positive noise level"):
        fitted(frame(text))


def test_faults_of_experiments_made_by_hand() -> None:
    bad = odefit.Experiment("a", T, {"x": X}, covariates={"sd": [None, *SD[1:7], 0]})
    faults = told(Path(), lambda: fitted([bad]))
    assert [f.split(":")[1] for f in faults] == [" experiment a, row 0, column sd", " experiment a, row 7, column sd"]
    with pytest.raises(odefit.errors.DataError, match="covariates: sd: x has the shape"):
        odefit.Experiment("a", T, {"x": X}, covariates={"sd": {"x": SD[1:]}})


def test_simulated_data_with_columns(tmp_path: Path) -> None:
    weights = ", ".join(str(1 + k % 3) for k in range(201))
    (tmp_path / "c.yaml").write_text(f"""
model: {{equations: {{x: -k*x}}, observables: {{a: x}}, initial: {{x: 10}}}}
parameters: {{k: {{value: 0.3, scale: log}}, s: {{value: 1, scale: log}}}}
data:
  simulate:
    times: {{stop: 10, count: 201}}
    columns: {{sd: 0.01 + 0.1*a, w: [{weights}]}}
    noise: {{a: {{sigma: 0.5*sd*w}}}}
noise: {{a: {{sigma: s*sd*w}}}}
""")
    run = odefit.fit(tmp_path / "c.yaml")
    s = run.result.estimates["s"]
    assert s.interval is not None
    assert s.interval[0] < 0.5 < s.interval[1]
    data = odefit.simulate(tmp_path / "c.yaml").frame
    assert data["w"].tolist() == [1 + k % 3 for k in range(201)]
    assert data["sd"].to_numpy() == pytest.approx(0.01 + np.exp(-0.3 * data["time"]).to_numpy(), rel=1e-6)
    for columns, message in (
        ("{sd: [1, 2]}", "needs one number for each of 201 times (got 2), or a formula"),
        ("{k: 1}", "'k' is also a state, an observable, a parameter, an input or the time; rename it"),
    ):
        with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)")):
            odefit.fit(
                tmp_path / "c.yaml", [f"data.simulate.columns={columns}", "noise.a.sigma=s", "data.simulate.noise=0"]
            )


@pytest.mark.parametrize(
    ("sigma", "says", "remedy"),
    [
        (
            "column",
            "too large for the scatter of its measurements: reduced chi-square 0.004",
            "`noise.x.sigma: s*NAME`",
        ),
        ("0.001", "too small for the scatter", "`noise.x.sigma: estimate`"),
        ("0.001*sd", "too small for the scatter", "`noise.x.sigma: s*(…)`"),
    ],
)
def test_a_given_sigma_that_the_data_refute_is_said_first(sigma: str, says: str, remedy: str) -> None:
    data = frame(WIDE).assign(x_sigma=SD)
    parameters = "parameters={k: {value: 0.3, bounds: [0.01, 10]}, x_0: {value: 4, bounds: [0.1, 100]}}"
    run = fitted(data, f"noise.x.sigma={sigma}", parameters)
    assert says in run.result.warnings[0]
    assert remedy in run.result.warnings[0]
    fine = fitted(data, "noise.x.sigma=0.055*sd", parameters)
    assert not any("given sigma" in warning for warning in fine.result.warnings)
