"""How often do the 95 % intervals cover the truth? 200 simulated data sets each of four systems.

    python benchmarks/coverage.py [number of data sets]

Every data set has its own noise; initial values and noise levels are estimated as well. An interval that
is honest covers the truth in 95 % of the cases; with 200 data sets and several parameters, the share over
all parameters should lie between 93 and 97 %. The share of one parameter alone has a standard deviation of
1.5 % of its own: it should lie between 91 and 98 %.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import odefit
from odefit.config.load import LoadedConfig

LOTKA_VOLTERRA = """\
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
"""
LOGISTIC = """\
model:
  equations: {x: r*x*(1 - x/K)}
  initial: estimate
parameters: {r: {value: 0.8, scale: log}, K: {value: 8, scale: log}, x_0: {value: 0.8, scale: log}}
data:
  simulate: {parameters: {r: 1, K: 10}, initial: {x: 0.5}, times: {stop: 10, count: 20}, noise: {x: 0.2}}
"""
EPIDEMIC = """\
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
"""
DRUG = """\
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
"""
SYSTEMS = {
    "Lotka-Volterra": LOTKA_VOLTERRA,
    "logistic growth": LOGISTIC,
    "epidemic, negative-binomial counts": EPIDEMIC,
    "doses with a lag, two groups, proportional noise": DRUG,
}


def coverage(config: Path, n: int) -> tuple[dict[str, int], int]:
    """How many of n data sets have the truth inside of each parameter's interval, and how many fits failed."""
    inside: dict[str, int] = {}
    failed = 0
    for seed in range(n):
        run = odefit.fit(config, [f"data.simulate.seed={seed}"])
        result = run.result
        truth = {**(result.truth or {}), **noise_levels(run.loaded)}
        if result.status != "converged":
            failed += 1
            continue
        for name, value in truth.items():
            if name not in result.estimates:  # an initial value that the model fixes
                continue
            interval = result.estimates[name].interval
            inside[name] = inside.get(name, 0) + (interval is not None and interval[0] <= value <= interval[1])
    return inside, failed


def noise_levels(loaded: LoadedConfig) -> dict[str, float]:
    """The true noise level of every observable, which the config gives one by one."""
    section = loaded.config.data.simulate
    if section is None or not isinstance(section.noise, dict):
        raise ValueError("the config must simulate its data, with a noise level for each observable")
    levels = {}
    for name, value in section.noise.items():
        if isinstance(value, float):
            levels[f"sigma_{name}"] = value
        else:
            kind = "dispersion" if value.dispersion is not None else "proportional"
            levels[f"{kind}_{name}"] = float(getattr(value, kind))
    return levels


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for title, text in SYSTEMS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "coverage.yaml"
            config.write_text(text)
            inside, failed = coverage(config, n)
        fitted = n - failed
        overall = sum(inside.values()) / (fitted * len(inside))
        parts = ", ".join(f"{name} {100 * k / fitted:.1f} %" for name, k in inside.items())
        print(f"{title}: {100 * overall:.1f} % of the intervals cover the truth ({parts}); {failed} of {n} fits failed")


if __name__ == "__main__":
    main()
