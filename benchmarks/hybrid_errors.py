"""How often do the 95 % intervals of a hybrid's constants cover the truth, beside its network?

    python benchmarks/hybrid_errors.py [--sets 40] [--first 0] [--only NAME ...]

Every data set has its own noise and its own initial weights. For each constant: the share covered with the interval of
that share (Wilson 1927), the root mean square of (estimate - truth)/standard error, which is 1 for honest errors, and
how often the constant is said not to be determined. In `confounded` the network can stand in for the constant, so that
it should never be given an error.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np

import odefit

ENZYME = """\
model:
  equations: {{S: "{loss}", P: net(S) - k*P}}
  networks: {{net: {{hidden: [8], activation: tanh, output: positive}}}}
parameters: {{k: {{value: 0.2, bounds: [0.01, 10], scale: log}}}}
data:
  simulate:
    model: {{equations: {{S: "{truth}", P: vmax*S/(km + S) - k*P}}}}
    parameters: {{vmax: 1.0, km: 0.7, k: 0.3}}
    times: {{start: 0, stop: 12, count: 37}}
    noise: 0.03
  experiments: {{a: {{S_0: 0.4, P_0: 0}}, b: {{S_0: 1, P_0: 0}}, c: {{S_0: 2.5, P_0: 0}}, d: {{S_0: 6, P_0: 0}}}}
fit: {{method: least_squares, match: 100, windows: [10], epochs: 30, weight_decay: 1.0e-6}}
"""
GROWTH = """\
model:
  equations: {prey: "alpha*prey - net(prey, predator)*prey*predator", predator: 0.8*prey*predator - delta*predator}
  networks: {net: {hidden: [5], output: positive, penalty: PENALTY}}
parameters: {alpha: {value: 1, bounds: [0.1, 10], scale: log}, delta: {value: 1, bounds: [0.1, 10], scale: log}}
data:
  simulate:
    model: {equations: {prey: alpha*prey - 0.9*prey*predator, predator: 0.8*prey*predator - delta*predator}}
    parameters: {alpha: 1.3, delta: 1.8}
    times: {start: 0, stop: 6, count: 41}
    noise: 0.05
  experiments: {a: {prey_0: 1, predator_0: 1}, b: {prey_0: 2, predator_0: 0.1}, c: {prey_0: 0.2, predator_0: 0.2}}
fit: {method: least_squares, match: 100, windows: [10], epochs: 20, weight_decay: 2.0e-6}
"""
CONFOUNDED = """\
model:
  equations: {S: -net(S) - k*S}
  networks: {net: {hidden: [8], activation: tanh}}
parameters: {k: {value: 0.2, bounds: [0.01, 10], scale: log}}
data:
  simulate:
    model: {equations: {S: -S/(0.7 + S) - k*S}}
    parameters: {k: 0.3}
    times: {start: 0, stop: 12, count: 37}
    noise: 0.03
  experiments: {a: {S_0: 0.4}, b: {S_0: 1}, c: {S_0: 2.5}, d: {S_0: 6}}
fit: {method: least_squares, match: 100, windows: [10], epochs: 30, weight_decay: 1.0e-6}
"""
DOSED = ENZYME.format(loss="-net(S)", truth="-vmax*S/(km + S)").replace(
    "  experiments:", "  doses: [{time: 3, state: S, amount: 2, every: 4, count: 2}]\n  experiments:"
)
DOSED = DOSED[: DOSED.index("fit:")] + "fit: {method: lbfgs, epochs: 150, weight_decay: 1.0e-6}\n"
STUDIES = {
    "enzyme": ENZYME.format(loss="-net(S)", truth="-vmax*S/(km + S)"),
    "Lotka-Volterra, weight decay": GROWTH.replace("PENALTY", "0"),
    "Lotka-Volterra, penalty 1e-4": GROWTH.replace("PENALTY", "1.0e-4"),
    "confounded": CONFOUNDED,
    "enzyme with doses": DOSED,
}


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    p, z = hits / n, 1.96
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def study(name: str, sets: int, first: int, folder: str) -> None:
    path = Path(folder) / "c.yaml"
    path.write_text(STUDIES[name])
    errors: dict[str, list[float]] = {}
    hits: dict[str, int] = {}
    refused: dict[str, int] = {}
    for seed in range(first, first + sets):
        run = odefit.fit(path, [f"data.simulate.seed={seed}", f"fit.seed={seed}"])
        for one, truth in (run.result.truth or {}).items():
            estimate = run.result.estimates.get(one)
            if estimate is None or estimate.fixed or one.startswith("sigma") or one.endswith("_0"):
                continue
            if estimate.standard_error is None or estimate.interval is None or estimate.value is None:
                refused[one] = refused.get(one, 0) + 1
                continue
            hits[one] = hits.get(one, 0) + (estimate.interval[0] <= truth <= estimate.interval[1])
            errors.setdefault(one, []).append((estimate.value - truth) / estimate.standard_error)
    for one in dict.fromkeys([*errors, *refused]):
        z = np.array(errors.get(one, []))
        line = f"{name:30} {one:6} not determined {refused.get(one, 0)} of {sets}"
        if len(z):
            low, high = wilson(hits[one], len(z))
            line += f"; covered {hits[one]} of {len(z)} ({100 * low:.0f} to {100 * high:.0f} %)"
            line += f"; mean z {z.mean():+.2f}, rms z {np.sqrt((z**2).mean()):.2f}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(STUDIES))
    chosen = parser.parse_args()
    for name in chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            study(name, chosen.sets, chosen.first, folder)


if __name__ == "__main__":
    main()
