"""Posteriors against published ones: means of `odefit.sample` beside those of reference draws.

    python benchmarks/posteriors.py [POSTERIORDB]

POSTERIORDB is a checkout of the repository stan-dev/posteriordb, whose data and reference draws (10,000 each, by Stan)
are read from there: hudson_lynx_hare-lotka_volterra and one_comp_mm_elim_abs. Without it the lynx and hare are compared
with the means that configs/lynx_hare_map.yaml quotes. The influenza of flu_1978 is compared with the printed means of
its authors. Means are compared in units of their common Monte Carlo error; heavy-tailed parameters by their logarithms.
"""

from __future__ import annotations

import argparse
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import odefit
from odefit.sampling.diagnostics import mean_ess

ROOT = Path(__file__).parents[1]
DRAWS = "posterior_database/reference_posteriors/draws/draws"
DATA = "posterior_database/data/data"
LYNX = {
    "theta[1]": "alpha",
    "theta[2]": "beta",
    "theta[3]": "gamma",
    "theta[4]": "delta",
    "z_init[1]": "hare_0",
    "z_init[2]": "lynx_0",
    "sigma[1]": "sigma_hare",
    "sigma[2]": "sigma_lynx",
}
QUOTED = {
    "alpha": 0.5469,
    "beta": 0.02775,
    "gamma": 0.8001,
    "delta": 0.02409,
    "hare_0": 34.04,
    "lynx_0": 5.936,
    "sigma_hare": 0.248,
    "sigma_lynx": 0.251,
}
PRINTED = {"beta": (1.73, 0.05), "gamma": (0.54, 0.05), "R0": (3.21, 0.27), "recovery_time": (1.85, 0.15)}


def unzipped(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def reference(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Draws [chains, n] of every parameter."""
    chains = unzipped(folder / DRAWS / f"{name}.json.zip")
    return {key: np.array([chain[key] for chain in chains], dtype=np.float64) for key in chains[0]}


def one_compartment(folder: Path) -> odefit.Run:
    """Absorption of first order, elimination by Michaelis and Menten; half-Cauchy priors, log-normal noise."""
    data = unzipped(folder / DATA / "one_comp_mm_elim_abs.json.zip")
    free = {"scale": "log", "bounds": [0, float("inf")], "prior": {"half_cauchy": 1}}
    config = {
        "model": {
            "equations": {"C": "exp(-k_a*t)*D*k_a/V - V_m/V*C/(K_m + C)"},
            "initial": {"C": 0},
        },
        "parameters": {
            **{name: {"value": value, **free} for name, value in (("k_a", 0.8), ("K_m", 0.5), ("V_m", 1.0))},
            "sigma_C": {"prior": {"half_cauchy": 1}},
            "D": {"value": data["D"], "estimate": False},
            "V": {"value": data["V"], "estimate": False},
        },
        "data": {"start": data["t0"]},
        "noise": "lognormal",
        "fit": {"starts": 10},
    }
    run = odefit.fit(config, data=pd.DataFrame({"time": data["times"], "C": data["C_hat"]}))
    assert isinstance(run, odefit.Run)
    return run


def compare(name: str, run: odefit.Run, theirs: dict[str, np.ndarray], draws: int, logs: bool = False) -> None:
    begun = time.process_time()
    found = odefit.sample(run, draws)
    seconds = time.process_time() - begun
    own = {key: found.table.values[:, :, k] for k, key in enumerate(found.table.names)}
    print(f"\n{name}: {found.verdict}; {seconds:.1f} s of CPU")
    print(f"{'':14}{'mean':>12}{'theirs':>12}{'apart, in errors':>18}{'sd':>10}{'theirs':>10}")
    for key, other in theirs.items():
        x, y = own[key], other
        if logs:
            x, y = np.log(x), np.log(y)
        error = np.sqrt(x.var() / mean_ess(x) + y.var() / mean_ess(y))
        label = f"ln {key}" if logs else key
        apart = (x.mean() - y.mean()) / error
        print(f"{label:14}{x.mean():12.5g}{y.mean():12.5g}{apart:18.2f}{x.std():10.3g}{y.std():10.3g}")


def printed(draws: int) -> None:
    run = odefit.fit(ROOT / "configs" / "flu_1978.yaml")
    begun = time.process_time()
    found = odefit.sample(run, draws)
    print(f"\nflu_1978: {found.verdict}; {time.process_time() - begun:.1f} s of CPU")
    for key, (mean, sd) in PRINTED.items():
        one = found.parameters.loc[key]
        print(f"{key:14}{one['mean']:12.4f} ({one['sd']:.3f}), printed {mean} ({sd})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posteriordb", type=Path, nargs="?")
    parser.add_argument("--draws", type=int, default=500, help="of each of 16 chains")
    chosen = parser.parse_args()
    lynx = odefit.fit(ROOT / "configs" / "lynx_hare_map.yaml")
    if chosen.posteriordb is None:
        means = odefit.sample(lynx, chosen.draws).parameters["mean"]
        for name, mean in QUOTED.items():
            print(f"{name:12}{means[name]:10.5g}  quoted {mean}")
    else:
        draws = reference(chosen.posteriordb, "hudson_lynx_hare-lotka_volterra")
        compare("lynx and hare", lynx, {own: draws[key] for key, own in LYNX.items()}, chosen.draws)
        draws = reference(chosen.posteriordb, "one_comp_mm_elim_abs-one_comp_mm_elim_abs")
        draws = {("sigma_C" if key == "sigma" else key): values for key, values in draws.items()}
        run = one_compartment(chosen.posteriordb)
        compare("one compartment", run, {key: draws[key] for key in ("k_a", "sigma_C")}, chosen.draws)
        compare("one compartment", run, draws, chosen.draws, logs=True)
    printed(chosen.draws)


if __name__ == "__main__":
    main()
