"""What somebody does who has never used odefit: each slip is answered with what to write instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import odefit
from commands import in_new_python
from odefit.api import check, fit_into_folder
from odefit.config.load import load_config, validate
from odefit.config.source import apply_overrides, parse_yaml
from odefit.config.synonyms import meant
from odefit.data.experiment_table import read_conditions
from odefit.data.tables import read_table
from odefit.errors import ConfigError, DataError, InputError
from odefit.runs.progress import Silent

CONFIG = """\
model: {equations: {N: r*N*(1 - N/K)}, initial: {N: 3}}
parameters:
  r: {value: 0.5}
  K: {value: 100}
data: {csv: d.csv}
"""
CURVE = [(t, round(100 / (1 + 32 * float(np.exp(-0.8 * t))), 2)) for t in range(12)]


def faults(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate(apply_overrides(parse_yaml(text, "c.yaml"), overrides))
    lines = [str(fault) for fault in caught.value.faults]
    assert all("\n" not in line for line in lines)
    return lines


def only_fault(text: str, *overrides: str) -> str:
    (line,) = faults(text, *overrides)
    return line


# -- the config


def test_the_derivative_of_a_state_is_written_as_the_state() -> None:
    for key in ("dN/dt", "d(N)/dt", "dN(t)/dt", "N'", "N(t)"):
        line = only_fault(f'model: {{equations: {{"{key}": r*N}}}}\ndata: {{csv: d.csv}}')
        assert line.endswith("is no name; write the state's name: `N: …`"), line


def test_a_formula_cut_at_its_comma_is_one_fault() -> None:
    line = only_fault("model: {equations: {N: max(0, r*N*(1 - N/K))}}\ndata: {csv: d.csv}")
    assert "one with a comma needs quotes" in line


def test_parameters_are_no_list() -> None:
    with pytest.raises(ConfigError, match=r"c.yaml:4: line 3 begins a list, .* no dashes, write `r: …`") as caught:
        parse_yaml(CONFIG.replace("  r:", "  - r:"), "c.yaml")
    assert len(caught.value.faults) == 1
    whole = CONFIG.replace("  r:", "  - r:").replace("  K:", "  - K:")
    assert only_fault(whole).endswith("write its entries without dashes: `r: …`")
    named = CONFIG.replace("r: {value", "- {name: r, value").replace("K: {value", "- {name: K, value")
    assert only_fault(named).endswith("write its entries without dashes: `r: …`")


@pytest.mark.parametrize(
    "override, words",
    [
        ("parameters.r.fixed=true", "unknown key; write `estimate: false` to keep it at its value"),
        ("parameters.r.vary=false", "`estimate: false`"),
        ("parameters.r.min=0", "write `bounds: [low, high]`"),
        ("parameters.r.ub=3", "write `bounds: [low, high]`"),
        ("parameters.r.guess=3", "write `value: …`"),
        ("parameters.r.init=3", "write `value: …`"),
        ("parameters.r.log=true", "write `scale: log`"),
        ("parameters.r.sd=1", "`prior: {normal: [mean, standard deviation]}`"),
        ("parameters.r.boundz=[0, 1]", "did you mean 'bounds'?"),
        ("parameters.r.prior=[0.5, 0.1]", "write `{normal: [mean, standard deviation]}`"),
        ("parameters.r.prior={gaussian: [0, 1]}", "write `normal`"),
        ("parameters.r.scale=log10", "(got 'log10'); write log"),
        ("parameters.r={'value:0.5': null}", "a blank is missing after the colon: `value: 0.5`"),
        ("noise=normal", "(got 'normal'); write gaussian"),
        ("noise=log-normal", "write lognormal"),
        ("noise=0.1", "write `{sigma: 0.1}`"),
        ("noise={sd: 0.1}", "write `noise: {sigma: 0.1}`"),
        ("noise={N: {std: 0.1}}", "write `sigma`"),
        ("fit.method=leastsq", "write least_squares"),
        ("fit.method=lm", "write least_squares"),
        ("fit.method=L-BFGS-B", "write lbfgs"),
        ("fit=lm", "write `{method: least_squares}`"),
        ("fit.n_jobs=2", "write `workers`"),
        ("fit.maxiter=9", "'max_iterations'"),
        ("fit.rtol=1e-9", "it belongs under `solver:`"),
        ("solver=rk4", "write `{method: rk4}`"),
        ("solver.dt=0.1", "write `step`"),
        ("model.y0={N: 3}", "write `initial`"),
        ("model.initial=estimated", "write estimate"),
        ("model.noise=gaussian", "it stands at the top of the file, beside `model:`"),
        ("equations={N: r}", "it belongs under `model:`"),
        ("seed=3", "it belongs under `fit:`"),
        ("optimizer=adam", "write `fit`"),
        ("data.file=d.csv", "write `csv: …`"),
        ("data.inputs={u: {csv: u.csv, interpolation: zoh}}", "write previous"),
    ],
)
def test_words_of_other_tools(override: str, words: str) -> None:
    line = only_fault(CONFIG, override)
    assert words in line, line
    assert line.startswith(f"--set {override.partition('=')[0]}")


def test_the_nearer_meaning_of_a_word() -> None:
    assert meant("RK45", ("auto", "tsit45", "bdf", "dopri5")) == "tsit45"
    assert meant("RK45", ("auto", "dopri5", "rk4")) == "dopri5"
    assert meant("ode15s", ("tsit45", "bdf")) == "bdf"
    assert meant("init", ("value", "bounds")) == "value"
    assert meant("init", ("equations", "initial")) == "initial"
    assert meant("xyzzy", ("value", "bounds")) is None


def test_an_override_without_its_value() -> None:
    assert (
        only_fault(CONFIG, "fit.starts")
        == "--set fit.starts: write key=value in one word, as in --set fit.starts=VALUE"
    )
    assert "--set fit.starts=50" in only_fault(CONFIG, "=3")
    with pytest.raises(ConfigError, match="a list of overrides"):
        apply_overrides(parse_yaml(CONFIG, "c.yaml"), "fit.starts=5")


# -- a config without a file


def mapping() -> dict[str, object]:
    return {
        "model": {"equations": {"N": "r*N*(1 - N/K)"}, "initial": {"N": "estimate"}},
        "parameters": {"r": {"value": np.float64(0.5), "bounds": (0.01, 10), "scale": "log"}, "K": np.int64(100)},
        "data": {"csv": Path("d.csv")},
    }


def test_a_config_may_be_a_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").write_text("time,N\n" + "".join(f"{t},{n}\n" for t, n in CURVE))
    given = mapping()
    run = fit_into_folder(given, ["fit.starts=2"])
    assert run.path == Path("runs/fit")
    assert run.result.status == "converged"
    assert run.result.estimates["r"].value == pytest.approx(0.8, rel=0.01)
    assert odefit.fit(run.path / "config.yaml").result.estimates["r"].value == run.result.estimates["r"].value
    assert given == mapping()


def test_the_faults_of_a_mapping_have_no_line() -> None:
    def told(config: object) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(config)  # type: ignore[arg-type]
        return str(caught.value)

    assert told(mapping() | {"fit": {"starts": 0}}) == "fit.starts: must be at least 1 (got 0)"
    assert told(mapping() | {"data": object()}).startswith("data: must be what YAML can hold")
    assert told(mapping() | {"parameters": {1: 2}}) == "parameters: a key must be text (got 1)"
    assert told(3) == "config: must be the path of a YAML file, or a mapping (got int)"
    circular: dict[str, object] = {}
    circular["model"] = circular
    assert "levels deep" in told(circular)


# -- the data


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG + "fit: {starts: 2}\n")
    (tmp_path / "d.csv").write_text(csv(CURVE))
    return tmp_path


def csv(rows: list[tuple[int, float]], mark: str = ",", header: str = "time,N") -> str:
    return "\n".join([header.replace(",", mark), *(f"{t}{mark}{n}" for t, n in rows)]) + "\n"


def refused(config: str, *overrides: str) -> str:
    """The one line that `odefit check` says of a config."""
    with pytest.raises(InputError) as caught:
        check(config, overrides)
    (fault,) = caught.value.faults
    assert "\n" not in str(fault)
    return str(fault)


def estimates(config: str, notes: list[str] | None = None) -> dict[str, float | None]:
    class Told(Silent):
        def note(self, sentence: str) -> None:
            if notes is not None:
                notes.append(sentence)

    # Starts stay where they are drawn, so that no note says where they went.
    overrides = ["fit.match=false"]
    return {name: e.value for name, e in odefit.fit(config, overrides, progress=Told()).result.estimates.items()}


def test_only_one_of_two_states_was_measured(folder: Path) -> None:
    two = CONFIG.replace("N: r*N*(1 - N/K)", "N: r*N*(1 - N/K), M: r*N - M").replace("{N: 3}", "{N: 3, M: 0}")
    (folder / "two.yaml").write_text(two)
    assert refused("two.yaml").startswith("d.csv:1: no column 'M' for the state; there is: time, N")
    assert refused("two.yaml").endswith("if only N is measured, write `observables: {N: N}` under model")
    assert check("two.yaml", ["model.observables={N: N}"]).startswith("two.yaml: fine")
    named = refused("two.yaml", "model.observables={N: N, M: M}")
    assert named.endswith("(data.columns renames; or leave it out of model.observables)")


def test_the_table_of_experiments_is_named_as_other_files_are(folder: Path) -> None:
    (folder / "e.csv").write_text("experiment;N_0\n1;3,5\n")
    (folder / "c.yaml").write_text(CONFIG.replace(", initial: {N: 3}", "").replace("{N: r", "{N: f*r"))
    short, long = (check("c.yaml", [f"data.experiments={how}", "parameters.f=1"]) for how in ("e.csv", "{csv: e.csv}"))
    assert short == long
    assert "A: unknown key" in refused("c.yaml", "data.experiments={csv: e.csv, A: {N_0: 3}}")


def test_dates_are_times_and_among_numbers_one_fault(folder: Path) -> None:
    plain = estimates("c.yaml")
    dates = [f"2024-03-{t + 1:02},{n}\n" for t, n in CURVE]
    (folder / "d.csv").write_text("".join(["time,N\n", *dates]))
    assert estimates("c.yaml") == plain  # in days since the first one
    (folder / "d.csv").write_text("".join(["time,N\n0,3\n", *dates[1:]]))
    assert refused("c.yaml") == (
        "d.csv:3, column time: '2024-03-02' is a date; write a number, such as the days since the first one"
        " (likewise 10 more cells of this column)"
    )


def test_decimal_commas(folder: Path) -> None:
    plain = estimates("c.yaml")
    text = csv(CURVE, ";").replace(".", ",")
    (folder / "d.csv").write_text(text, encoding="utf-8-sig")
    assert estimates("c.yaml") == plain
    (folder / "d.csv").write_text(text.replace(";", "\t"))
    assert estimates("c.yaml") == plain
    (folder / "d.csv").write_text(text.replace(";", ","))
    assert "decimals with a point (3.5, not 3,5) (likewise" in refused("c.yaml")


def test_rows_in_any_order(folder: Path) -> None:
    plain, notes = estimates("c.yaml"), list[str]()
    (folder / "d.csv").write_text(csv([CURVE[0], CURVE[2], CURVE[1], *CURVE[3:]]))
    assert estimates("c.yaml", notes) == plain
    assert notes == ["d.csv:4: time 1.0 after 2.0: the rows were put in the order of time"]
    assert f"note: {notes[0]}" in check("c.yaml")


@pytest.mark.parametrize("layout", ["beside", "below", "long"])
def test_replicates_need_no_names(folder: Path, layout: str) -> None:
    series = [[(t, round(n * factor, 3)) for t, n in CURVE] for factor in (0.95, 1, 1.04)]
    names = [f"{t},{n},1{f'#{k}' * (k > 1)}" for k, rows in enumerate(series, 1) for t, n in rows]
    (folder / "d.csv").write_text("\n".join(["time,N,experiment", *names]))
    named = estimates("c.yaml")
    below = [row for rows in series for row in rows]
    rows = sorted(below, key=lambda row: row[0]) if layout == "beside" else below
    text = csv(rows)
    if layout == "long":
        text = "time,observable,value\n" + "".join(f"{t},N,{n}\n" for t, n in rows)
    (folder / "d.csv").write_text(text)
    notes: list[str] = []
    assert estimates("c.yaml", notes) == named
    assert notes == [
        "d.csv: times come again, and no column names the experiments: read as 3 replicates of one"
        " (data.experiment names the column that tells experiments apart)"
    ]


# -- what is said of it


def test_a_number_alone_is_a_start(folder: Path) -> None:
    short = CONFIG.replace("{value: 0.5}", "0.5").replace("{value: 100}", "{value: 100, bounds: [1, 1000]}")
    (folder / "c.yaml").write_text(short)
    hint = "note: a number alone is where the search starts (r); to keep it, write `r: {value: 0.5, estimate: false}`"
    assert hint in check("c.yaml")
    for more in ("estimate: false", "scale: log", "bounds: [0, 1]", "prior: {normal: [0.5, 1]}"):
        assert "a number alone" not in check("c.yaml", [f"parameters.r={{value: 0.5, {more}}}"])


def test_what_follows_from_a_vague_parameter_is_said_once(folder: Path) -> None:
    names = [f"e{k}" for k in range(1, 6)]
    rows = [f"{t},{n},{name}" for name in names for t, n in CURVE]
    (folder / "d.csv").write_text("\n".join(["time,N,experiment", *rows]))
    (folder / "e.csv").write_text("experiment,w\n" + "".join(f"{name},{k}\n" for k, name in enumerate(names, 1)))
    text = CONFIG.replace("K: {value: 100}", "K: {value: 40, bounds: [1, 50]}\n  b: K*w")
    (folder / "c.yaml").write_text(text.replace("d.csv}", "d.csv, experiments: e.csv}"))
    warnings = odefit.fit("c.yaml").result.warnings
    assert [w for w in warnings if "b[" in w] == [
        "b[e1], b[e2], b[e3] and 2 more: each is not determined: a parameter that it follows from is not determined"
    ]


def test_an_override_in_two_words(folder: Path) -> None:
    code, _, wrong = in_new_python("-m", "odefit.cli", "check", "c.yaml", "--set", "fit.starts", "5")
    assert code == 2
    assert wrong == "error: --set fit.starts: write key=value in one word, as in --set fit.starts=VALUE\n"


def test_commas_that_could_part_thousands_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("time;x\n0;1,234\n1;950\n2;12,400\n")
    with pytest.raises(DataError, match=r"'1,234' is 1234 or 1\.234: write one of these in the whole file"):
        read_table(path, observables=("x",))
    path.write_text("time;x\n0;1,234\n1;0,950\n")
    assert read_table(path, observables=("x",))[0].values.ravel().tolist() == [1.234, 0.95]


def test_a_table_of_experiments_has_points_or_commas(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("experiment;dose;weight\nA;0,5;1.234\nB;1,5;2.000\n")
    with pytest.raises(DataError, match=r"'0,5' has a decimal comma"):
        read_conditions(path)
