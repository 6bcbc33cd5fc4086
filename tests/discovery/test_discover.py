"""`odefit discover`: from a config to equations, the folder, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.integrate import solve_ivp

import odefit
from commands import run as command

TIMES = np.linspace(0, 8, 41)


def table(rates: Any, starts: dict[str, list[float]], names: str, noise: float = 0.02, seed: int = 0) -> pd.DataFrame:
    rng, parts = np.random.default_rng(seed), []
    for name, start in starts.items():
        y = solve_ivp(rates, (0, 8), start, t_eval=TIMES, rtol=1e-8, atol=1e-10).y
        y = y + noise * y.std(axis=1, keepdims=True) * rng.standard_normal(y.shape)
        parts.append(pd.DataFrame({"experiment": name, "time": TIMES} | dict(zip(names, y, strict=True))))
    return pd.concat(parts)


def sparse(states: str, **library: Any) -> dict[str, Any]:
    return {"model": {"name": "sparse", "states": list(states), "library": library}}


@pytest.fixture(scope="module")
def prey() -> pd.DataFrame:
    rates = lambda _, y: [y[0] - 0.5 * y[0] * y[1], 0.3 * y[0] * y[1] - y[1]]  # noqa: E731
    return table(rates, {"a": [2, 1], "b": [5, 3]}, "xy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prey: pd.DataFrame) -> Path:
    place = tmp_path_factory.mktemp("discovery")
    prey.to_csv(place / "mine.csv", index=False)
    (place / "mine.yaml").write_text(
        "model: {name: sparse, states: [x, y], library: {degree: 2}}\ndata: {csv: mine.csv}\n"
    )
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> Any:
    return odefit.discover(folder / "mine.yaml", out=folder / "out", models=3, samples=10)


@pytest.mark.quick
def test_the_equations_are_found_with_certificates_and_intervals(found: Any) -> None:
    assert found.equations["x"].replace(" ", "").count("x") == 2
    assert next(iter(found.frame.index)) == "4-terms"
    assert set(found.frame.status) == {"converged"}
    np.testing.assert_allclose(
        found.frame.weight, np.exp(-found.frame.delta / 2) / np.exp(-found.frame.delta / 2).sum()
    )
    truth, estimates = [1.0, -0.5, -1.0, 0.3], found.best.result.estimates
    values = sorted((estimates[f"c{k}"].value for k in range(1, 5)), reverse=True)
    np.testing.assert_allclose(values, sorted(truth, reverse=True), rtol=0.05)
    assert {row["term"] for row in found.terms if row["in_best"]} == {"x: x", "x: x*y", "y: y", "y: x*y"}


def test_the_best_candidate_is_an_ordinary_config(folder: Path, found: Any) -> None:
    assert "fine" in odefit.check(folder / "out" / "equations.yaml")
    again = odefit.fit(folder / "out" / "equations.yaml")
    assert again.result.objective.nll == pytest.approx(found.best.result.objective.nll, abs=1e-3)
    assert odefit.load_run(folder / "out" / "4-terms").result.status == "converged"


def test_a_report_of_a_candidate_says_whose_it_is(found: Any) -> None:
    assert found.best.report().title == "mine: candidate 4-terms"
    assert "title" not in yaml.safe_load(found.config)
    decay = pd.DataFrame({"time": TIMES, "x": np.exp(-TIMES) + 0.01 * np.random.default_rng(0).standard_normal(41)})
    for title, headed in (("Decay", "Decay"), (None, "discovery")):
        asked = sparse("x", degree=1) | ({"title": title} if title else {})
        own = odefit.discover(asked, data=decay, models=1, samples=0)
        assert own.best.report().title == f"{headed}: candidate 1-term"
        assert yaml.safe_load(own.config).get("title") == title


def test_of_candidates_that_the_data_do_not_tell_apart_the_one_with_the_fewest_terms_is_first() -> None:
    noise = 0.05 * np.random.default_rng(10).standard_normal(41)
    found = odefit.discover(sparse("x", degree=2), data=pd.DataFrame({"time": TIMES, "x": np.exp(-TIMES) + noise}),
                            models=3, samples=0)  # fmt: skip
    first, second, third = found.candidates
    assert [one.draft.size for one in (first, second, third)] == [1, 2, 3]
    assert found.criteria[1] < found.criteria[0] < found.criteria[1] + 2 < found.criteria[2]
    assert found.deltas == pytest.approx([c - found.criteria[1] for c in found.criteria])
    assert [row["term"] for row in found.terms] == ["x: x"]
    assert found.best is first.run
    assert "the data do not tell it from 2-terms" in found.judgement


def test_another_call_goes_on_with_what_is_there(folder: Path, found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import odefit.discovery.discovering as module

    monkeypatch.delattr(module, "Search")  # nothing is searched again
    again = odefit.discover(folder / "mine.yaml", out=folder / "out", models=3, samples=10)
    pd.testing.assert_frame_equal(again.frame, found.frame)
    with pytest.raises(
        odefit.RunError, match=r"model\.library\.degree \(was 2, is 3\); models \(was 3, is 2\).*--over"
    ):
        odefit.discover(folder / "mine.yaml", ["model.library.degree=3"], out=folder / "out", models=2, samples=10)


def test_the_folder_stands_for_its_best_candidate(folder: Path, found: Any) -> None:
    out = folder / "out"
    best = out / found.candidates[0].name
    assert odefit.load_run(out).path == best
    said, noted = command("plot", str(out), "--show")
    assert "o measured" in said
    assert f"{out} is a discovery; this is its best candidate, {best}" in noted
    written, _ = command("report", str(out))
    assert written.strip() == str(best / "report.html")


def test_no_run_beyond_the_folder_of_a_discovery_is_read(folder: Path, found: Any, tmp_path: Path) -> None:
    best = folder / "out" / found.candidates[0].name
    (tmp_path / "discovery.json").write_text(json.dumps({"candidates": [{"candidate": str(best)}]}))
    with pytest.raises(odefit.RunError, match="is no run folder"):
        odefit.load_run(tmp_path)


def test_the_times_of_its_picture_are_those_of_the_data(found: Any) -> None:
    """Years have no ticks at their halves; only the lowest panel says what they are."""
    curves = found.figure().axes[2:]
    curves[-1].set_xlim(1900, 1920)
    ticks = curves[-1].get_xticks()
    assert np.array_equal(ticks, ticks.round())
    assert [ax.get_xlabel() for ax in curves] == [*[""] * (len(curves) - 1), "time"]
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in curves] == [*[False] * (len(curves) - 1), True]


def test_without_resamplings_nothing_is_said_of_how_often_terms_are_chosen(folder: Path, tmp_path: Path) -> None:
    said, _ = command("discover", str(folder / "mine.yaml"), "--out", str(tmp_path), "--models", "1", "--samples", "0",
                      "--no-plots")  # fmt: skip
    assert "chosen in" not in said
    assert (tmp_path / "terms.csv").read_text().splitlines()[1].endswith(",,True")


def test_the_command_says_what_the_data_support(folder: Path, found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    more = ("--out", "out", "--models", "3", "--samples", "10")
    said, _ = command("discover", "mine.yaml", *more)
    assert "4-terms (lotka_volterra) has the weight" in said
    assert "next: odefit fit out/equations.yaml" in said
    assert (folder / "out" / "discovery.png").read_bytes()[:4] == b"\x89PNG"
    said, _ = command("discover", "mine.yaml", *more, "--json", "--no-plots")
    document = json.loads(said)
    assert document["candidates"][0]["equations"] == found.equations
    assert document["library"] == 12


def test_candidates_that_are_missing_come_with_the_next_call(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = odefit.discover(folder / "mine.yaml", out=out, models=2, samples=0, seconds=0)
    assert len(first.candidates) == 1
    assert first.unfinished == "the time was over after 1 of 2 candidates"
    assert len(odefit.discover(folder / "mine.yaml", out=out, models=2, samples=0).candidates) == 2


def test_a_known_part_with_a_parameter_an_input_and_a_sign(tmp_path: Path) -> None:
    u = lambda t: np.interp(t, [0, 4, 8], [0, 2, -1])  # noqa: E731
    frame = table(lambda t, y: [y[1], -4 * np.sin(y[0]) - 0.3 * y[1] + u(t)], {"a": [1, 0], "b": [-2, 1]}, "xv")
    config = sparse(
        "xv", degree=1, functions=["sin"], known={"x": "g*v"}, without={"x": ["1"]}, signs={"v": {"v": "negative"}}
    )
    config["parameters"] = {"g": 0.8}
    points = tmp_path / "u.csv"
    points.write_text("time,u\n0,0\n4,2\n8,-1\n")
    config["data"] = {"inputs": {"u": {"csv": str(points)}}}
    found = odefit.discover(config, data=frame, models=1, samples=0)
    assert {row["term"] for row in found.terms} == {"v: sin(x)", "v: v", "v: u"}
    assert found.best.result.estimates["g"].value == pytest.approx(1, rel=0.02)


def test_sums_that_are_conserved_stay_so() -> None:
    frame = table(
        lambda _, y: [-1.5 * y[0] * y[1], 1.5 * y[0] * y[1] - 0.4 * y[1], 0.4 * y[1]],
        {"a": [0.9, 0.1, 0], "b": [0.7, 0.1, 0.2]},
        "SIR",
    )
    found = odefit.discover(sparse("SIR", degree=2, conserved=["S + I + R"]), data=frame, models=1, samples=0)
    assert len(found.terms) == 2
    total = found.best.predictions(intervals=False).groupby(["experiment", "time"]).predicted.sum()
    assert total.groupby("experiment").std().max() < 1e-5
    found = odefit.discover(sparse("SIR", mass_action=True), data=frame, models=1, samples=0)
    assert {row["term"] for row in found.terms} == {"S -1, I +1: S*I", "I -1, R +1: I"}
    assert all(e.value >= 0 for n, e in found.best.result.estimates.items() if n.startswith("c"))


def test_two_sums_that_are_conserved_and_states_that_stay_positive() -> None:
    frame = table(
        lambda _, y: [
            *(1.5 * y[2] - 2 * y[0] * y[1],),
            0.5 * y[2] - 2 * y[0] * y[1],
            2 * y[0] * y[1] - 1.5 * y[2],
            y[2],
        ],
        {"a": [0.5, 2, 0, 0], "b": [1, 1, 0, 0.2]},
        "ESCP",
        noise=0.01,
    )
    library = {"degree": 2, "conserved": ["E + C", "S + C + P"], "positive": list("ESCP")}
    found = odefit.discover(sparse("ESCP", **library), data=frame, models=1, samples=0)
    terms = {"E +1, S +1, C -1: E*S", "E +1, S +1, C -1: C", "E +1, C -1, P +1: C"}
    assert {row["term"] for row in found.terms} == terms
    every = {term.name for term in found.prepared.library.terms}
    assert "S +1, P -1: 1" not in every  # it would take from one of them what is not there
    assert "S +1, P -1: S" in every


def test_a_missing_state_shows_in_the_residuals() -> None:
    frame = table(lambda _, y: [y[1], -2 * y[0] - 0.3 * y[1]], {"a": [1, 0]}, "xv")
    assert not odefit.discover(sparse("xv", degree=1), data=frame, models=1, samples=0).unexplained
    found = odefit.discover(sparse("x", degree=1), data=frame[["time", "x"]], models=1, samples=0)
    assert found.unexplained["x"] > 5
    assert "a state that was not measured" in found.judgement


def test_saturation_constants_are_fitted() -> None:
    frame = table(lambda _, y: [-1.2 * y[0] / (0.5 + y[0])], {"a": [4], "b": [1]}, "S", noise=0.01)
    found = odefit.discover(sparse("S", degree=2, saturating=True), data=frame, models=1, samples=0)
    estimates = found.best.result.estimates
    assert estimates["K_S"].value == pytest.approx(0.5, rel=0.1)
    assert estimates["c1"].value == pytest.approx(-1.2, rel=0.05)


def test_what_cannot_be_found_is_refused_with_the_reason(prey: pd.DataFrame) -> None:
    half = prey.drop(columns="y")
    for hidden in (half, half.assign(y=np.nan)):
        with pytest.raises(odefit.InputError, match=r"y.*Discovery needs every state measured"):
            odefit.discover(sparse("xy", degree=2), data=hidden)
    with pytest.raises(odefit.ConfigError, match=r"(?s)'z' is no state.*'cosine' is no function"):
        odefit.discover(sparse("xy", known={"z": "1"}, functions=["cosine"]), data=prey)
    with pytest.raises(odefit.ConfigError, match="its equations are to be found first: `odefit discover"):
        odefit.fit(sparse("xy"), data=prey)
    with pytest.raises(odefit.ConfigError, match="is no sparse model"):
        odefit.discover({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}}, data=prey)
    with pytest.raises(
        odefit.ConfigError, match=r"(?s)signs\.x: 'z\*x' is no term.*without\.y: 'x\^3' is no term.*x\^2"
    ):
        odefit.discover(
            sparse("xy", degree=2, signs={"x": {"z*x": "negative"}}, without={"y": ["x^3", "x*x"]}), data=prey
        )
    with pytest.raises(odefit.ConfigError, match="'x' is named twice"):
        odefit.discover(sparse("xx"), data=prey)
    with pytest.raises(odefit.ConfigError, match="has no term; give a `degree`"):
        odefit.discover(sparse("xy", degree=0, without={"x": ["1"], "y": ["1"]}), data=prey)
    with pytest.raises(odefit.ConfigError, match=r"has no term that is 0 where its state is; raise `degree`"):
        odefit.discover(sparse("xy", degree=0, vanishing=["x", "y"]), data=prey)
    with pytest.raises(odefit.ConfigError, match=r"model\.library\.terms: the formula ends too early"):
        odefit.discover(sparse("xy", terms=["x*sin("]), data=prey)
    with pytest.raises(odefit.InputError, match=r"model\.library\.known\.x: unknown symbol 'k'"):
        odefit.discover(sparse("xy", known={"x": "-k*x"}), data=prey)
    scaled = sparse("xy")
    scaled["model"]["observables"] = {"x": "2*x", "y": "y"}
    with pytest.raises(odefit.ConfigError, match="must be one of the states alone, x, y"):
        odefit.discover(scaled, data=prey)
    many = [f"x^{k}*y^{j}" for k in range(1, 19) for j in range(1, 19)]
    with pytest.raises(odefit.ConfigError, match="has 650 terms, and 600 are the most"):
        odefit.discover(sparse("xy", degree=0, terms=many), data=prey)


def test_check_shows_the_library(folder: Path) -> None:
    said = odefit.check(folder / "mine.yaml")
    assert "Library: 12 terms" in said
    assert "x: x*y" in said


def test_what_must_be_positive_is_not_subtracted() -> None:
    frame = table(lambda t, y: [-y[0] + np.sin(2 * t)], {"a": [2.0]}, "x")
    found = odefit.discover(sparse("x", degree=2, positive=["x"]), data=frame, samples=0)
    constants = [c for one in found.candidates for c in one.run.result.estimates.items() if c[0].startswith("c")]
    assert constants
    for one in found.candidates:
        for name, section in one.draft.parameters.items():
            if section.get("bounds", [None])[0] == 0:
                assert one.run.result.estimates[name].value >= 0


def test_the_noise_is_that_of_the_config() -> None:
    x = 900 / (1 + 44 * np.exp(-TIMES))
    frame = pd.DataFrame({"time": TIMES, "x": np.random.default_rng(0).poisson(x)})
    found = odefit.discover(sparse("x", degree=3) | {"noise": "poisson"}, data=frame, models=2, samples=0)
    assert found.candidates[0].called == "2-terms (logistic)"
    assert "sigma_x" not in found.best.result.estimates
    counts = odefit.fit(
        {"model": {"equations": {"x": "a*x - b*x^2"}}, "parameters": {"a": 1, "b": 0.0011}, "noise": "poisson"},
        data=frame,
    )
    assert found.best.result.objective.nll == pytest.approx(counts.result.objective.nll, abs=1e-4)


@pytest.mark.parametrize(("degree", "models"), [(2, 2), (3, 2), (3, 3)])
def test_few_data_of_populations_name_the_equations_of_populations(degree: int, models: int) -> None:
    times = np.arange(21.0)
    rates = lambda _, y: [0.54 * y[0] - 0.027 * y[0] * y[1], 0.024 * y[0] * y[1] - 0.8 * y[1]]  # noqa: E731
    y = solve_ivp(rates, (0, 20), [34, 6], t_eval=times, rtol=1e-8).y
    y = y * np.exp(0.25 * np.random.default_rng(2).standard_normal(y.shape))
    frame = pd.DataFrame({"time": times, "h": y[0], "l": y[1]})
    asked = sparse("hl", degree=degree) | {"noise": "lognormal"}
    found = odefit.discover(asked, data=frame, models=models, samples=0)
    assert "lotka_volterra" in [one.system for one in found.candidates]
    assert len({one.draft.columns for one in found.candidates}) == len(found.candidates)
