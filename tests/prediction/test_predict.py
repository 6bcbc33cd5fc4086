"""`odefit.predict`: curves and bands against closed forms, under conditions that were not measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

import odefit
from commands import run as command

Array = NDArray[np.float64]
COLUMNS = ["predicted", "low", "high", "new_low", "new_high"]
RNG = np.random.default_rng(7)
TIMES = np.arange(0.0, 10.0)

DECAY = {
    "model": {"equations": {"x": "-k*w*x"}, "expressions": {"flow": "k*w*x"}},
    "parameters": {"k": {"value": 0.3, "bounds": [0.01, 5], "scale": "log"}},
    "noise": {"x": {"sigma": 0.1}},
    "solver": {"rtol": 1e-9, "atol": 1e-10},
}
ABSORPTION = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"conc": "blood/V"},
    },
    "parameters": {
        "ka": {"value": 1, "bounds": [0.1, 10], "scale": "log"},
        "ke": {"value": 0.2, "bounds": [0.01, 2], "scale": "log"},
        "V": {"value": 3, "bounds": [0.1, 50], "scale": "log"},
    },
    "data": {"doses": [{"time": 0, "state": "gut", "amount": 10}]},
    "noise": {"conc": {"sigma": 0.05}},
    "solver": {"rtol": 1e-9, "atol": 1e-10},
}


def absorbed(t: Array, amount: float, ka: float, ke: float, v: float) -> Array:
    """The Bateman function."""
    late = np.maximum(t, 0.0)
    return np.where(t >= 0, amount * ka / (v * (ka - ke)) * (np.exp(-ke * late) - np.exp(-ka * late)), 0.0)


@pytest.fixture(scope="module")
def decay() -> odefit.Run:
    data = [
        odefit.Experiment(name, TIMES, {"x": x0 * np.exp(-0.4 * w * TIMES) + noise}, constants={"w": w})
        for name, x0, w, noise in zip("ab", (3.0, 5.0), (1.0, 0.5), 0.1 * RNG.standard_normal((2, 10)), strict=True)
    ]
    run = odefit.fit(DECAY, data=data)
    assert isinstance(run, odefit.Run)
    return run


@pytest.fixture(scope="module")
def absorption() -> odefit.Run:
    t = np.array([0.5, 1, 2, 4, 6, 9, 12, 24])
    values = absorbed(t, 10, 1.1, 0.2, 3.0) + 0.05 * RNG.standard_normal(8)
    run = odefit.fit(ABSORPTION, data=pd.DataFrame({"time": t, "conc": values}))
    assert isinstance(run, odefit.Run)
    return run


def estimates(run: odefit.Run) -> dict[str, float]:
    return {name: float(e.value or 0) for name, e in run.result.estimates.items()}


@pytest.mark.quick
def test_at_the_conditions_of_the_fit_it_is_what_the_run_predicts(decay: odefit.Run) -> None:
    times = np.array([0, 2.5, 30])
    found, known = odefit.predict(decay, times).frame, decay.predictions(times)
    pd.testing.assert_frame_equal(found, known, check_exact=False, rtol=1e-10)
    at_data = odefit.predict(decay).frame
    np.testing.assert_allclose(at_data[COLUMNS], decay.predictions()[COLUMNS], rtol=1e-10)


def test_bands_of_a_new_experiment_are_those_of_the_delta_method(decay: odefit.Run) -> None:
    table = {"new": {"w": 2.0, "x_0": 4.0}, "other": {"like": "a", "w": 0.1}}
    frame = odefit.predict(decay, [0.5, 4], experiments=table, curves=["x", "flow"]).frame
    e, cov = estimates(decay), decay.covariance
    t = np.array([0.5, 4])
    new = frame[(frame.experiment == "new") & (frame.observable == "x")]
    x = 4 * np.exp(-e["k"] * 2 * t)
    np.testing.assert_allclose(new.predicted, x, rtol=1e-7)
    error = 1.959964 * 2 * t * x * np.sqrt(cov.loc["k", "k"])
    np.testing.assert_allclose(new.high - new.predicted, error, rtol=1e-5)
    np.testing.assert_allclose(new.new_high - new.predicted, np.hypot(error, 1.959964 * 0.1), rtol=1e-5)
    other = frame[(frame.experiment == "other") & (frame.observable == "flow")]
    k, x0 = e["k"], e["x_0[a]"]
    y = k * 0.1 * x0 * np.exp(-k * 0.1 * t)
    gradient = np.stack([y / k - 0.1 * t * y, y / x0], axis=1)
    c = cov.loc[["k", "x_0[a]"], ["k", "x_0[a]"]].to_numpy()
    np.testing.assert_allclose(other.predicted, y, rtol=1e-7)
    error = 1.959964 * np.sqrt(np.einsum("ti,ij,tj->t", gradient, c, gradient))
    np.testing.assert_allclose(other.predicted - other.low, error, rtol=1e-5)
    assert other.new_low.isna().all()


def test_new_doses_superpose(absorption: odefit.Run, tmp_path: Path) -> None:
    e, t = estimates(absorption), np.linspace(0, 36, 37)
    (tmp_path / "doses.csv").write_text("time,amount\n0,5\n12,20\n")
    frame = odefit.predict(absorption, t, doses=tmp_path / "doses.csv").frame
    p = e["ka"], e["ke"], e["V"]
    np.testing.assert_allclose(frame.predicted, absorbed(t, 5, *p) + absorbed(t - 12, 20, *p), rtol=1e-6, atol=1e-8)
    same = odefit.predict(absorption, t, doses=[odefit.Dose(0, "gut", 5), odefit.Dose(12, "gut", 20)]).frame
    pd.testing.assert_frame_equal(same, frame)
    table = pd.DataFrame({"experiment": ["low", "fast", "begun"], "V": [None, 1.0, None], "gut_0": [None, None, 7.0]})
    rows = [{"experiment": "low", "time": 0, "amount": 1}, {"experiment": "begun", "time": 3, "amount": 2}]
    frame = odefit.predict(absorption, t, experiments=table, doses=rows).frame
    parts = {name: frame[frame.experiment == name].predicted.to_numpy() for name in ("low", "fast", "begun")}
    np.testing.assert_allclose(parts["low"], absorbed(t, 1, *p), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(parts["fast"], absorbed(t, 10, *p[:2], 1.0), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(parts["begun"], absorbed(t, 7, *p) + absorbed(t - 3, 2, *p), rtol=1e-6, atol=1e-8)


def test_replicates_are_predicted_once_and_shown_together() -> None:
    frame = pd.DataFrame({"time": [0, 1, 1, 2, 4], "x": [3.0, 1.9, 2.1, 1.3, 0.6]})
    run = odefit.fit({**DECAY, "model": {"equations": {"x": "-k*x"}}}, data=frame)
    found = odefit.predict(run, [0, 1, 3])
    assert found.frame.experiment.unique().tolist() == ["1"]
    assert sorted(found.measured["1", "x"][1].tolist()) == [0.6, 1.3, 1.9, 2.1, 3.0]
    fed = odefit.predict(run, [0, 1], doses=[odefit.Dose(0.5, "x", 1)])
    assert (fed.frame.experiment.unique().tolist(), fed.measured) == (["1"], {})


def test_a_model_with_a_network_has_curves_and_no_bands() -> None:
    pytest.importorskip("torch")
    config = {
        "model": {"equations": {"x": "-k*x + net(x)"}, "networks": {"net": {"hidden": [2]}}},
        "parameters": {"k": 0.5},
        "fit": {"method": "adam", "epochs": 2, "windows": None},
    }
    run = odefit.fit(config, data=pd.DataFrame({"time": TIMES, "x": 3 * np.exp(-0.4 * TIMES)}))
    found = odefit.predict(run, [0, 1.5], experiments={"more": {"x_0": 5}})
    assert found.notes[-1] == "no bands: a model with a network has no errors of its parameters"
    assert list(found.frame.columns) == ["experiment", "time", "observable", "predicted"]
    assert found.frame.predicted[0] == 5


def test_new_inputs(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("time,u\n0,1\n10,1\n")
    (tmp_path / "x.csv").write_text("time,x\n0,0\n1,0.5\n2,1.1\n5,2.4\n10,5.2\n")
    config = {
        "model": {"equations": {"x": "a*u"}, "initial": {"x": 0}},
        "parameters": {"a": {"value": 1}},
        "data": {"csv": str(tmp_path / "x.csv"), "inputs": {"u": str(tmp_path / "u.csv")}},
    }
    run = odefit.fit(config)
    assert isinstance(run, odefit.Run)
    (tmp_path / "ramp.csv").write_text("time,u\n0,0\n4,8\n")
    found = odefit.predict(run, [0, 2, 4, 6], inputs=tmp_path / "ramp.csv")
    a = estimates(run)["a"]
    np.testing.assert_allclose(found.frame.predicted, a * np.array([0, 4, 16, 32]), rtol=1e-5, atol=1e-9)
    assert found.notes == ("the input u is known until t = 4, and goes on as there",)


def test_a_first_row_and_a_formula_give_way_to_a_column() -> None:
    frame = pd.DataFrame({"time": TIMES, "x": 3 * np.exp(-0.4 * TIMES), "y": 2.0 + 0 * TIMES})
    config = {
        "model": {"equations": {"x": "-k*x", "y": "0"}, "initial": {"x": "first", "y": "2*c"}},
        "parameters": {"k": {"value": 0.5, "bounds": [0.1, 1]}, "c": {"value": 1, "bounds": [0, 3]}},
        "noise": {"x": {"sigma": 0.1}, "y": {"sigma": 0.1}},
    }
    run = odefit.fit(config, data=frame)
    found = odefit.predict(run, [0, 1], experiments={"p": {"x_0": 6}, "q": {"y_0": 9.0}}).frame
    k, c = run.result.estimates["k"].value, run.result.estimates["c"].value
    assert k is not None
    assert c is not None
    x = found[found.observable == "x"].predicted
    np.testing.assert_allclose(x, [6, 6 * np.exp(-k), 3, 3 * np.exp(-k)], rtol=1e-5)
    np.testing.assert_allclose(found[found.observable == "y"].predicted, [2 * c, 2 * c, 9, 9], rtol=1e-6)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"c": {"x_0": 2}}, "experiment c needs a number for w; or name in a column `like` an experiment of the fit"),
        ({"c": {"w": 2}}, "nothing is known of x_0 in experiment c; give a column x_0, or name in a column `like`"),
        ({"c": {"like": "z"}}, "'z' in the column like is no experiment of the fit; there is: a, b"),
    ],
)
def test_what_a_new_experiment_lacks_is_named(decay: odefit.Run, table: dict, what: str) -> None:
    with pytest.raises(odefit.InputError, match="experiments") as found:
        odefit.predict(decay, [0, 1], experiments=table)
    assert what in str(found.value)


def test_what_changes_nothing_is_said(decay: odefit.Run) -> None:
    notes = odefit.predict(decay, [1], experiments={"c": {"like": "a", "mood": 3}}).notes
    assert notes == ("no formula names mood, so that column changes nothing",)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"times": [-1, 2]}, "-1 is too early: experiment a starts at 0"),
        ({"times": [2, 1]}, "times: must be numbers, each later than the one before, of which the last may be inf"),
        ({"times": [np.inf, np.inf]}, "of which the last may be inf"),
        ({"times": [1, np.inf]}, "times: inf is for data that have a row at infinite time; take a late time"),
        ({"bands": "walt"}, "bands: 'walt' is none; did you mean 'wald'?"),
        ({"level": 95}, "level: must lie between 0 and 1"),
        ({"curves": ["y"]}, "curves: 'y' is no observable, state or expression"),
        ({"bands": "posterior"}, "has no posterior.csv, from which such bands are made: `odefit sample RUN` first"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(decay: odefit.Run, arguments: dict, what: str) -> None:
    with pytest.raises(odefit.InputError) as found:
        odefit.predict(decay, **arguments)
    assert what in str(found.value)


def test_a_row_at_infinite_time_is_predicted_as_the_steady_state(tmp_path: Path) -> None:
    """x' = a - k*x ends at a/k, whose error follows from those of a and k."""
    times = np.array([0.5, 1, 2, 4, np.inf])
    noise = 0.05 * np.random.default_rng(1).standard_normal((2, 5))
    data = [
        odefit.Experiment("up", times, {"x": 3 - 3 * np.exp(-times) + noise[0]}, start=0, constants={"begin": 0}),
        odefit.Experiment("down", times[:4], {"x": (3 + np.exp(-times) + noise[1])[:4]}, 0, constants={"begin": 4}),
    ]
    config = {
        "model": {"equations": {"x": "a - k*x"}, "initial": {"x": "begin"}},
        "parameters": {"a": {"value": 2}, "k": {"value": 0.8}},
        "noise": {"x": {"sigma": 0.05}},
    }
    run = odefit.fit(config, data=data, out=tmp_path / "run")
    a, k = estimates(run)["a"], estimates(run)["k"]
    slope = np.array([1 / k, -a / k**2])
    half = stats.norm.ppf(0.975) * np.sqrt(slope @ run.covariance.loc[["a", "k"], ["a", "k"]].to_numpy() @ slope)
    at_all, at_two, at_rest = (odefit.predict(run, t).frame for t in (None, [0, 0, np.inf], np.inf))
    assert (at_all.time.size, at_two.time.size, list(at_rest.time)) == (9, 6, [np.inf, np.inf])
    for frame in (at_all, at_two, at_rest):
        found = frame[np.isinf(frame.time) & (frame.experiment == "up")][COLUMNS[:3]].to_numpy()
        np.testing.assert_allclose(found, [[a / k, a / k - half, a / k + half]], rtol=1e-6)
    command("predict", str(tmp_path / "run"), "--times", "0:4,inf", "--out", str(tmp_path / "late.csv"))
    assert pd.read_csv(tmp_path / "late.csv").time.map(np.isinf).sum() == 2


LINE = {
    "model": {"equations": {"x": "a"}, "initial": {"x": "b"}},
    "parameters": {"a": {"value": 1}, "b": {"value": 1}},
    "noise": {"x": {"sigma": 0.3}},
}


@pytest.mark.parametrize("kind", ["bootstrap", "posterior"])
def test_bands_from_parameter_sets_are_those_of_their_distribution(tmp_path: Path, kind: str) -> None:
    """A line: normal parameters make normal curves, and with normal noise normal measurements."""
    frame = pd.DataFrame({"time": TIMES, "x": 2 + 0.5 * TIMES + 0.3 * RNG.standard_normal(10)})
    odefit.fit(LINE, data=frame, out=tmp_path / "run")
    mean, cov = np.array([0.5, 2.0]), np.array([[0.04, -0.01], [-0.01, 0.09]])
    z = np.random.default_rng(3).standard_normal((4000, 2))
    z = np.linalg.solve(np.linalg.cholesky(np.cov(z.T)), (z - z.mean(axis=0)).T).T  # their moments exactly
    sets = mean + z @ np.linalg.cholesky(cov).T
    head = {"bootstrap": "sample,status,nll", "posterior": "chain,draw,log_posterior"}[kind]
    own = {"bootstrap": lambda k: f"{k + 1},converged", "posterior": lambda k: f"1,{k + 1}"}[kind]
    rows = "".join(f"{own(k)},1.0,{b!r},{a!r}\n" for k, (a, b) in enumerate(sets.tolist()))
    rows += "4001,stopped,1.0,99,99\n" * (kind == "bootstrap")  # a refit that did not converge does not count
    (tmp_path / "run" / f"{kind}.csv").write_text(f"{head},b,a\n{rows}")
    found = odefit.predict(tmp_path / "run", [0, 3, 20], bands=kind, level=0.9).frame  # type: ignore[arg-type]
    s = np.sqrt(np.einsum("ti,ij,tj->t", d := np.array([[0, 1.0], [3, 1], [20, 1]]), cov, d))
    np.testing.assert_allclose((found.high - found.low) / 2 / 1.644854, s, rtol=0.05)
    wide = np.hypot(s, 0.3)
    np.testing.assert_allclose((found.new_high - found.new_low) / 2 / 1.644854, wide, rtol=0.05)
    np.testing.assert_allclose((found.new_high + found.new_low) / 2, d @ mean, atol=0.1 * wide.max())


def test_profile_bands_are_those_of_the_closed_form() -> None:
    """One rate constant, noise known: all x = 3 exp(-k t) have their ends where k has those of its own profile."""
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 3}},
        "parameters": {"k": {"value": 0.5, "bounds": [0.01, 5], "scale": "log"}},
        "noise": {"x": {"sigma": 0.5}},
    }
    data = pd.DataFrame({"time": TIMES[1:5], "x": 3 * np.exp(-0.4 * TIMES[1:5]) + [0.3, -0.2, 0.4, -0.1]})
    run = odefit.fit(config, data=data)
    assert isinstance(run, odefit.Run)
    (profile,) = run.profile(["k"])
    # At 0 no parameter moves it.
    found = odefit.predict(run, [0, 0.5, 6], bands="profile", experiments={"c": {}, "twice": {"x_0": 6}}).frame
    for name, start in (("c", 3.0), ("twice", 6.0)):
        own = found[found.experiment == name]
        for end, k in (("low", profile.high), ("high", profile.low)):
            np.testing.assert_allclose(own[end], start * np.exp(-k * np.array([0, 0.5, 6])), rtol=2e-3)
        half = np.hypot(own.high - own.predicted, 1.959964 * 0.5)
        np.testing.assert_allclose(own.new_high, own.predicted + half, rtol=1e-4)


def test_counts_of_a_single_set_have_the_quantiles_of_their_distribution(tmp_path: Path) -> None:
    from scipy.stats import poisson

    config = {**LINE, "noise": {"x": "poisson"}}
    config["parameters"] = {name: {"value": 1, "bounds": [0, 50]} for name in "ab"}
    odefit.fit(config, data=pd.DataFrame({"time": TIMES, "x": RNG.poisson(3 + TIMES)}), out=tmp_path / "run")
    (tmp_path / "run" / "posterior.csv").write_text("chain,draw,log_posterior,a,b\n" + "0,0,0,1.0,3.5\n" * 30)
    found = odefit.predict(tmp_path / "run", [0, 9], bands="posterior").frame
    assert found.new_low.tolist() == poisson.ppf(0.025, [3.5, 12.5]).tolist()
    assert found.new_high.tolist() == poisson.ppf(0.975, [3.5, 12.5]).tolist()
    np.testing.assert_allclose(found.low, found.high)


def test_a_fit_without_a_certificate_says_so_first() -> None:
    config = {**DECAY, "fit": {"max_iterations": 1}}
    config["model"] = {"equations": {"x": "-k*x"}}
    run = odefit.fit(config, data=pd.DataFrame({"time": TIMES, "x": 3 * np.exp(-2 * TIMES)}))
    assert run.result.status != "converged"
    assert odefit.predict(run, [1]).notes[0].startswith("this fit has no certificate")


def test_the_command_writes_a_table_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decay: odefit.Run
) -> None:
    decay.save(tmp_path / "fit")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text("experiment,w,x_0\nc,2,4\n")
    shown, _ = command("predict", "fit", "--times", "0:6:2", "--experiments", "new.csv")
    assert "written to fit_predicted.csv, fit_predicted.png" in shown
    table = pd.read_csv(tmp_path / "fit_predicted.csv")
    assert list(table.columns) == ["experiment", "time", "observable", *COLUMNS]
    assert table.time.tolist() == [0, 2, 4, 6]
    _, errors = command("predict", "fit", "--times", "0:6:2", code=2)
    assert "fit_predicted.csv: exists already; choose another --out, or say --overwrite" in errors


def test_bands_of_a_straight_line_are_those_of_linear_regression() -> None:
    """Both bands, and along profiles, as regression has them: with s² = RSS/(n - p), not RSS/n."""
    t = np.arange(8.0)
    x = 1.5 + 0.7 * t + np.array([0.23, -0.53, 0.32, -0.11, 0.4, -0.2, 0.05, -0.3])
    line = {"model": {"equations": {"x": "b"}, "initial": {"x": "a"}}, "parameters": {"a": 1, "b": 0.5}}
    run = odefit.fit(line, data=pd.DataFrame({"time": t, "x": x}))
    design, at = np.column_stack([np.ones(8), t]), np.array([[1.0, 0.0], [1.0, 12.0]])
    best, (rss,) = np.linalg.lstsq(design, x, rcond=None)[:2]
    own = rss / 6 * np.einsum("ij,jk,ik->i", at, np.linalg.inv(design.T @ design), at)
    half = stats.t.ppf(0.975, 6) * np.sqrt([own, own + rss / 6])
    for bands in ("wald", "profile"):
        found = odefit.predict(run, [0, 12], bands=bands).frame
        for k, (low, high) in enumerate((("low", "high"), ("new_low", "new_high"))):
            np.testing.assert_allclose(found[low], at @ best - half[k], rtol=1e-5)
            np.testing.assert_allclose(found[high], at @ best + half[k], rtol=1e-5)


def test_the_picture_has_the_curve_between_the_times_of_the_table() -> None:
    """A bolus again at 4: an exponential decay, upright at the dose; hollow marks at the three times."""
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 3}},
        "parameters": {"k": {"value": 0.5, "bounds": [0.01, 5], "scale": "log"}},
        "noise": {"x": {"sigma": 0.1}},
    }
    run = odefit.fit(config, data=pd.DataFrame({"time": TIMES[:5], "x": 3 * np.exp(-0.4 * TIMES[:5])}))
    found = odefit.predict(run, [0, 4, 4, 8], experiments={"new": {}}, doses=[odefit.Dose(4, "x", 5)])
    curve, marks = found.figure().axes[0].lines[:2]
    t, x = (np.asarray(part, dtype=float) for part in curve.get_data())
    expected = 3 * np.exp(-0.4 * t) + np.where(t >= 4, 5 * np.exp(-0.4 * (t - 4)), 0)
    assert len(t) >= 300
    np.testing.assert_allclose(x, expected, atol=1e-4)
    assert np.abs(np.diff(x)).max() == pytest.approx(5, abs=1e-3)
    assert list(marks.get_xdata()) == [0, 4, 4, 8]
    np.testing.assert_allclose(marks.get_ydata(), found.frame.predicted)
    np.testing.assert_allclose(found.frame.predicted[2] - found.frame.predicted[1], 5)


def test_profile_bands_leave_nothing_in_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odefit.profiles.session.WRITTEN_EVERY", 0.0)
    odefit.fit(
        {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "scale": "log"}}},
        data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
        out=tmp_path / "run",
    )
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    odefit.predict(tmp_path / "run", [1, 6], bands="profile")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before


@pytest.mark.parametrize("column", ["k", "x_0"])
def test_a_row_that_leaves_a_number_to_the_fit_has_its_estimate_with_its_error(column: str) -> None:
    run = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}, "initial": "estimate"}, "parameters": {"k": {"value": 0.5}}},
        data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    )
    frame = odefit.predict(run, [0, 3], experiments={"given": {column: 1.5}, "left": {column: None}}).frame
    plain = odefit.predict(run, [0, 3]).frame
    left = frame[frame.experiment == "left"][COLUMNS].to_numpy()
    np.testing.assert_allclose(left, plain[COLUMNS].to_numpy(), rtol=1e-6)


def test_a_word_where_a_number_belongs_is_named_with_its_line_and_column(tmp_path: Path) -> None:
    run = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}, "initial": "estimate"}, "parameters": {"k": {"value": 0.5}}},
        data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    )
    for text, line in (("new,abc\nother,5\n", 2), ("new,5\nother,abc\n", 3), ("new,abc\n", 2)):
        (tmp_path / "new.csv").write_text(f"experiment,x_0\n{text}")
        with pytest.raises(odefit.InputError, match=rf"new\.csv:{line}, column x_0: 'abc' is no number"):
            odefit.predict(run, [1], experiments=tmp_path / "new.csv")
