"""What the repository ships: every config runs, every command of the README is one that exists."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import odefit
from short_trainings import SHORT as SHORT_TRAININGS
from short_trainings import comes_back

ROOT = Path(__file__).parents[2]
CONFIGS = [path for path in sorted((ROOT / "configs").glob("*.yaml")) if not SHORT_TRAININGS.get(path.stem)]
# Trainings, which need torch; cut short here.
SHORT = {
    "lotka_volterra": ["fit.epochs=2", "data.simulate.experiments=3"],
    "lorenz": ["fit.epochs=1", "data.simulate.experiments=2"],
    "hybrid_enzyme": ["fit.match=60", "fit.epochs=1"],
    "neural_van_der_pol": ["fit.match=20", "fit.windows={points: [10], epochs: [1]}", "fit.epochs=1"],
    "van_der_pol": ["fit.epochs=2"],
    "latent_spirals": ["fit.epochs=1", "data.spirals.series=20"],
}


def config(path: Path) -> object:
    return pytest.param(path, id=path.stem, marks=pytest.mark.torch if path.stem in SHORT else ())


@pytest.mark.parametrize("path", [config(path) for path in CONFIGS])
def test_every_config_runs(path: Path, tmp_path: Path) -> None:
    comes_back(odefit.fit(path, SHORT.get(path.stem, []), out=tmp_path / "run"))


def test_lynx_hare_reaches_its_optimum(tmp_path: Path) -> None:
    """The maximum likelihood of the Stan case study's model, re-solved independently: see data/SOURCES.md."""
    result = odefit.fit(ROOT / "configs" / "lynx_hare.yaml", out=tmp_path / "run").result
    expected = {
        "alpha": 0.5400139512, "beta": 0.02715611512, "gamma": 0.7965987617, "delta": 0.02370203712,
        "hare_0": 34.59915551, "lynx_0": 5.84373664, "sigma_hare": 0.2183796464, "sigma_lynx": 0.2200842782,
    }  # fmt: skip
    for name, value in expected.items():
        assert result.estimates[name].value == pytest.approx(value, rel=1e-4), name
    assert result.objective.nll == pytest.approx(122.92595059, abs=1e-3)
    assert result.objective.rss == pytest.approx(2.0187, abs=1e-3)


# Solved again by other code, or published: see the head of each config.
OPTIMA: dict[str, dict[str, float]] = {
    "theophylline": {
        "ka[1]": math.exp(0.57515936),
        "ke[1]": math.exp(-2.9196133),
        "Cl[1]": math.exp(-3.9158561),
        "ka[4]": math.exp(0.15826534),
        "ke[4]": math.exp(-2.436495),
        "Cl[4]": math.exp(-3.2860874),
    },
    "flu_1978": {"beta": 1.72574165, "gamma": 0.53865603, "dispersion_in_bed": 0.07452931},
    "reference/flu_1978_likelihood": {"beta": 1.72664127, "gamma": 0.54104592, "dispersion_in_bed": 0.08351461},
    "lynx_hare_map": {
        "alpha": 0.54168549,
        "beta": 0.0272497603,
        "gamma": 0.79687945,
        "delta": 0.0238383602,
        "hare_0": 34.1351610,
        "lynx_0": 5.84496194,
        "sigma_hare": 0.21598831,
        "sigma_lynx": 0.21781309,
    },
    "puromycin": {
        "Vm[treated]": 212.683630,
        "Vm[untreated]": 160.279765,
        "K[treated]": 0.0641211052,
        "K[untreated]": 0.0477077499,
    },
}


@pytest.mark.parametrize("name", OPTIMA)
def test_published_optimum(name: str, tmp_path: Path) -> None:
    run = odefit.fit(ROOT / "configs" / f"{name}.yaml", ["fit.workers=1"], out=tmp_path / "run")
    assert run.result.status == "converged"
    for parameter, value in OPTIMA[name].items():
        assert run.result.estimates[parameter].value == pytest.approx(value, rel=1e-4), parameter
    if name == "reference/flu_1978_likelihood":
        assert run.result.objective.nll == pytest.approx(60.83501369, abs=1e-5)
    if name == "puromycin":
        # s = 10.40 on 19 degrees of freedom, Vm of the untreated 160.3 +- 6.9 (Venables and Ripley 2002).
        assert run.result.objective.rss == pytest.approx(19 * 10.40003316856914**2, rel=1e-6)
        assert run.result.estimates["Vm[untreated]"].standard_error == pytest.approx(6.896, rel=2e-3)


def test_readme_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = set(re.findall(r"^\s*(?:\$ )?odefit (\w+)", readme, flags=re.M))
    help_text = subprocess.run(
        [sys.executable, "-m", "odefit.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert commands
    for command in commands:
        assert re.search(rf"^\s+{command}\s", help_text, flags=re.M), command


def test_readme_names_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r"\b(?:configs|data|benchmarks|docs)/[\w./-]+\.\w+", readme):
        assert (ROOT / name).exists(), name


def test_the_readme_shows_the_shipped_config() -> None:
    (shown,) = re.findall(r"```yaml\n(model:.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    shipped = yaml.safe_load((ROOT / "configs" / "lynx_hare.yaml").read_text())
    del shipped["title"]
    assert yaml.safe_load(shown) == shipped


def test_the_readme_fits_on_four_screens() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 160
    assert max(map(len, lines)) <= 100


EVERY_SECTION = """\
model:
  name: lotka_volterra                 # instead of equations: a built-in system, see `odefit models`
  observables: {x: x, total: c*(x + y)}      # what was measured, if not every state under its own name
  initial: {x: first, y: estimate}     # first measured row, estimated, a number, or a formula of parameters
parameters:
  alpha: {value: 1.4, bounds: [0.1, 10], scale: log, prior: {normal: [1.5, 0.5]}}   # a prior makes it a MAP fit
  delta: {value: 3, estimate: false}   # fixed
  c: 0.01                              # short for {value: 0.01}: where the search starts; estimate: false keeps it
data:
  simulate:                            # instead of csv: data made from the model
    parameters: {alpha: 1.5}
    experiments: 3
    initial: {x: 2.5, y: 2.5}
    spread: 0.5                        # of the initial values
    times: {start: 0, stop: 10, count: 21}
    noise: 0.02
    seed: 1
noise: {total: {model: gaussian, sigma: 0.02}}   # or lognormal; sigma: a number, a formula, `column`, or estimated
solver: {method: auto, rtol: 1e-6}
fit: {method: adam, epochs: 200, learning_rate: 0.01, loss: nll, plot_every: 10}   # frames for `plot --animate`
"""


SEVERAL_EXPERIMENTS = """\
model:
  equations:
    gut: -ka*gut
    blood: ka*gut - (CL/V)*blood + uptake*light
  initial: {gut: 0}                          # that of blood is a column of the table of experiments
  observables: {conc: blood/V}
  events: [{time: 24, set: {blood: blood/2}}]  # at a number or at a formula of parameters
  units: {t: h, conc: mg/l}
parameters:
  ka: {value: 1.5, bounds: [0.1, 10], scale: log, by: experiment}      # ka[mary], ka[paul]
  CL: {value: 2.8, bounds: [0.1, 50], scale: log, by: genotype}        # CL[fast], CL[slow]
  V: V_per_kg*weight                         # a formula of parameters and constants: reported with its error
  V_per_kg: {value: 0.5, bounds: [0.05, 5], scale: log, prior: {lognormal: [0.5, 0.3]}}
  lag: {value: 0.2, bounds: [0, 2]}
  uptake: {value: 0.1, prior: {normal: [-2, 1], on: log}}
  half_life: log(2)*V/CL
data:
  experiments:                               # or {csv: persons.csv}, with a column `experiment`
    mary: {weight: 60, genotype: fast, blood_0: 0}
    paul: {weight: 80, genotype: slow, blood_0: 1.5}
  doses:                                     # or a CSV: experiment, time, state, amount, duration or rate, every, count
    table:
      - {time: 0, state: gut, amount: 320, every: 12, count: 3}
      - {time: 6, state: blood, amount: 10, duration: 2, experiment: paul}
    lag: lag                                 # and `fraction`, formulas of parameters
  inputs: {light: {csv: light.csv, interpolation: linear}}             # u(t), for any formula; or previous, cubic
  hold_out: {after: 40}                      # or {experiments: [paul]}, {fraction: 0.2}: scored after the fit
  simulate: {times: {stop: 48, step: 2}, noise: {conc: {model: additive_proportional, sigma: 0.05, proportional: 0.1}}}
noise: {conc: additive_proportional}
"""


@pytest.mark.torch
def test_a_config_with_every_section_can_be_fitted(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(EVERY_SECTION)
    run = odefit.fit(tmp_path / "c.yaml", ["fit.epochs=2"], out=tmp_path / "run")
    assert run.result.status in ("converged", "stopped")


def test_a_config_of_several_experiments_can_be_fitted(tmp_path: Path) -> None:
    (tmp_path / "light.csv").write_text("time,light\n0,0\n6,0\n12,1\n24,0\n36,1\n48,0\n")
    (tmp_path / "d.yaml").write_text(SEVERAL_EXPERIMENTS)
    run = odefit.fit(tmp_path / "d.yaml", out=tmp_path / "run2")
    assert run.result.status == "converged"
    assert {"ka[mary]", "CL[slow]", "V[paul]", "half_life[mary]"} <= run.result.estimates.keys()
    assert run.result.hold_out is not None
    again = odefit.load_run(tmp_path / "run2")
    assert again.solve([e.times for e in again.measured]).observables[1] == pytest.approx(
        run.solve([e.times for e in run.measured]).observables[1], rel=1e-9
    )
