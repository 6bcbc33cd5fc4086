"""How often do the 95 % intervals cover the truth?

    python benchmarks/coverage.py [--sets 2000] [--first 0] [--only NAME ...]

Every data set has its own noise; noise levels, and most initial values, are estimated as well. An interval that is
honest covers the truth in 95 % of the data sets. The table has, for every parameter, the share that it covers, how many
of the others lie below and above, and the 95 % interval of the share itself (Wilson 1927): a parameter passes where
that interval meets 93 to 97 %. With 2,000 data sets it is 2 % wide.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import odefit
from odefit import Experiment
from odefit.config.load import LoadedConfig, load_config
from odefit.problem.simulation import Simulated

AIM = (0.93, 0.97)
"""What the interval of a share must meet."""

GROWTH = """\
model: {{equations: {{x: r*x*(1 - x/K)}}, initial: estimate}}
parameters: {{r: {{value: 0.8, scale: log}}, K: {{value: 8, scale: log}}, x_0: {{value: 0.8, scale: log}}}}
data:
  simulate:
    {{parameters: {{r: 1, K: 10}}, initial: {{x: 0.5}}, times: {{stop: 10, count: {count}}}, noise: {{x: {noise}}}}}
noise: {model}
"""
STUDIES = {
    "Lotka-Volterra, gaussian": """\
model: {name: lotka_volterra, initial: estimate}
parameters:
  alpha: {value: 1.4, scale: log}
  beta: {value: 1.1, scale: log}
  delta: {value: 2.8, scale: log}
  gamma: {value: 1.1, scale: log}
data:
  simulate:
    parameters: {alpha: 1.5, beta: 1, delta: 3, gamma: 1}
    initial: {x: 2, y: 1}
    times: {stop: 10, count: 25}
    noise: {x: 0.2, y: 0.1}
""",
    "growth, gaussian": GROWTH.format(count=20, noise="0.2", model="gaussian"),
    "growth, 10 data": GROWTH.format(count=10, noise="0.2", model="gaussian"),
    "growth, lognormal": GROWTH.format(count=20, noise="{model: lognormal, sigma: 0.1}", model="lognormal"),
    "growth, student": GROWTH.format(count=25, noise="{model: student_t, sigma: 0.2}", model="student_t"),
    "growth, laplace": GROWTH.format(count=25, noise="{model: laplace, sigma: 0.2}", model="laplace"),
    "decay, proportional": """\
model: {equations: {x: -k*x}, initial: estimate}
parameters: {k: {value: 0.4, scale: log}, x_0: {value: 8, scale: log}}
data:
  simulate:
    {parameters: {k: 0.5}, initial: {x: 10}, times: {stop: 6, count: 15},
     noise: {x: {model: proportional, proportional: 0.1}}}
noise: proportional
""",
    "decay, additive and proportional": """\
model: {equations: {x: -k*x}, initial: estimate}
parameters: {k: {value: 0.4, scale: log}, x_0: {value: 8, scale: log}}
data:
  simulate:
    {parameters: {k: 0.5}, initial: {x: 10}, times: {stop: 12, count: 40},
     noise: {x: {model: additive_proportional, sigma: 0.1, proportional: 0.1}}}
noise: additive_proportional
""",
    "decay, given sigma": """\
model: {equations: {x: -k*x}, initial: estimate}
parameters: {k: {value: 0.4, scale: log}, x_0: {value: 8, scale: log}, half_life: log(2)/k}
data:
  simulate: {parameters: {k: 0.5}, initial: {x: 10}, times: {stop: 6, count: 10}, noise: {x: 0.4}}
noise: {sigma: 0.4}
""",
    "decay, a third below a limit": """\
model: {equations: {x: -k*x}, initial: estimate}
parameters: {k: {value: 0.4, scale: log}, x_0: {value: 8, scale: log}}
data: {simulate: {parameters: {k: 0.5}, initial: {x: 10}, times: {stop: 6, count: 30}, noise: {x: 0.4}}}
""",
    "epidemic, poisson": """\
model:
  equations: {S: -beta*S*I/763, I: beta*S*I/763 - gamma*I}
  initial: {S: 762, I: 1}
  observables: {in_bed: I}
parameters: {beta: {value: 1.6, scale: log}, gamma: {value: 0.4, scale: log}, R0: beta/gamma}
data:
  simulate:
    {parameters: {beta: 1.7, gamma: 0.5}, times: {stop: 20, count: 21}, noise: {in_bed: poisson}}
noise: poisson
""",
    "epidemic, negative binomial": """\
model:
  equations: {S: -beta*S*I/763, I: beta*S*I/763 - gamma*I}
  initial: {S: 762, I: 1}
  observables: {in_bed: I}
parameters: {beta: {value: 1.6, scale: log}, gamma: {value: 0.4, scale: log}, R0: beta/gamma}
data:
  simulate:
    parameters: {beta: 1.7, gamma: 0.5}
    times: {stop: 20, count: 41}
    noise: {in_bed: {model: negative_binomial, dispersion: 0.1}}
noise: negative_binomial
""",
    "doses with a lag, proportional": """\
model:
  equations: {gut: -ka*gut, blood: ka*gut - CL/V*blood}
  initial: {gut: 0, blood: 0}
  observables: {conc: blood/V}
parameters:
  ka: {value: 1, scale: log}
  CL: {value: 2, scale: log, by: kind}
  V: {value: 20, scale: log}
  lag: {value: 0.3, bounds: [0, 0.9]}
data:
  start: 0
  experiments: {a: {kind: fast}, b: {kind: slow}, c: {kind: slow}}
  doses: {table: [{time: 0, state: gut, amount: 300, every: 12, count: 2}], lag: lag}
  simulate:
    parameters: {ka: 1.2, CL: {fast: 4, slow: 2}, V: 25, lag: 0.4}
    times: [1, 2, 4, 8, 12, 14, 16, 20, 24, 36]
    noise: {conc: {model: proportional, proportional: 0.15}}
noise: proportional
""",
}
LIMITS = {"decay, a third below a limit": 1.4}
"""Studies whose measurements below a limit are only known to be below it."""


@dataclass
class Count:
    """Of one parameter: data sets in which the interval has the truth in it, lies below it, lies above it, is none."""

    inside: int = 0
    below: int = 0
    above: int = 0
    none: int = 0

    @property
    def n(self) -> int:
        """The intervals."""
        return self.inside + self.below + self.above

    def add(self, interval: tuple[float, float] | None, truth: float) -> None:
        """One more data set."""
        if interval is None:
            self.none += 1
        elif interval[1] < truth:
            self.below += 1
        elif interval[0] > truth:
            self.above += 1
        else:
            self.inside += 1


@dataclass
class Study:
    """One model with one noise: what was counted, and the seeds whose fit did not converge."""

    counts: dict[str, Count] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)


def covered(config: Path, seeds: range, limit: float | None = None) -> Study:
    """One fit for each seed."""
    study, levels = Study(), noise_levels(load_config(config))
    for seed in seeds:
        overrides = [f"data.simulate.seed={seed}"]
        simulated = None if limit is None else odefit.simulate(config, overrides)
        result = odefit.fit(config, overrides, data=None if simulated is None else limited(simulated, limit)).result
        if result.status != "converged":
            study.failed.append(seed)
            continue
        truth = (result.truth if simulated is None else simulated.truth) or {}
        for name, value in {**truth, **levels}.items():
            if name in result.estimates:
                study.counts.setdefault(name, Count()).add(result.estimates[name].interval, value)
    return study


def limited(simulated: Simulated, limit: float) -> list[Experiment]:
    """The experiments that do not tell what lies below the limit."""
    low = [e.values < limit for e in simulated.experiments]
    return [
        replace(e, values=np.where(below, limit, e.values), censored=-below.astype(np.int8))
        for e, below in zip(simulated.experiments, low, strict=True)
    ]


def noise_levels(loaded: LoadedConfig) -> dict[str, float]:
    """The true noise level of every observable, which the config gives one by one."""
    section = loaded.config.data.simulate
    if section is None or not isinstance(section.noise, dict):
        raise ValueError("the config must simulate its data, with a noise level for each observable")
    levels = {}
    for name, value in section.noise.items():
        if isinstance(value, float):
            levels[f"sigma_{name}"] = value
            continue
        for kind in ("sigma", "proportional", "dispersion"):
            given = getattr(value, kind)
            if given not in (None, "estimate"):
                levels[f"{kind}_{name}"] = float(given)
    return levels


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, of k in n."""
    z2 = 1.959964**2
    middle, half = (k + z2 / 2) / (n + z2), math.sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    return middle - half, middle + half


def lines(title: str, study: Study) -> Iterator[str]:
    """The rows of a study in the table."""
    for name, count in study.counts.items():
        low, high = wilson(count.inside, count.n) if count.n else (0.0, 1.0)
        verdict = "" if high >= AIM[0] and low <= AIM[1] else "missed"
        without = f", {count.none} without" if count.none else ""
        yield (
            f"| {title} | `{name}` | {count.inside / max(count.n, 1):.1%} | {low:.1%} to {high:.1%} | "
            f"{count.below / max(count.n, 1):.1%}, {count.above / max(count.n, 1):.1%}{without} | {verdict} |"
        )
    if study.failed:
        yield f"| {title} | | {len(study.failed)} fits did not converge | | | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000, help="data sets of each study")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--only", nargs="*", default=[], help="studies whose names have one of these words")
    given = parser.parse_args()
    print(
        "| study | parameter | covered | its interval | interval below, above the truth | |\n|---|---|---|---|---|---|"
    )
    for title, text in STUDIES.items():
        if given.only and not any(word in title for word in given.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "coverage.yaml"
            config.write_text(text)
            study = covered(config, range(given.first, given.first + given.sets), LIMITS.get(title))
        print("\n".join(lines(title, study)), flush=True)


if __name__ == "__main__":
    main()
