"""Does `odefit symbols` find the formulas that made the data?

    OMP_NUM_THREADS=1 python benchmarks/symbols.py [--seeds 5] [--first 0] [--only NAME ...] [--keep FOLDER]
    python benchmarks/symbols.py --others FOLDER     # in an environment with gplearn and pyoperon

For each problem and seed (of noise and of the first weights): the fit with the network, then the formulas. The right
ones must come first, and every constant within 3 standard errors of the truth. --keep writes what the networks say
along the curves, which the second call gives to two libraries of symbolic regression: it prints the smallest formula of
each on its front whose error is within twice the least, and the time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Problem:
    """config: the shipped one; change: its equations, where others; formulas: the right ones; truth: all constants."""

    config: str
    change: Mapping[str, Any]
    formulas: Mapping[tuple[str, int], str]
    truth: Mapping[str, float]


ENCOUNTERS = {"alpha": 1.3, "delta": 1.8, "c_1": 0.9, "c_2": 0.8}
PROBLEMS = {
    "hybrid Lotka-Volterra": Problem("hybrid_lotka_volterra", {}, {("net", 0): "c_1", ("net", 1): "c_2"}, ENCOUNTERS),
    "the same without the factor": Problem(
        "hybrid_lotka_volterra",
        {
            "prey": "alpha*prey - net(prey, predator)[0]",
            "predator": "net(prey, predator)[1] - delta*predator",
        },
        {("net", 0): "c_1*prey*predator", ("net", 1): "c_2*prey*predator"},
        ENCOUNTERS,
    ),
    "hybrid enzyme": Problem("hybrid_enzyme", {}, {("net", 0): "c_1*S/(K_1 + S)"}, {"k": 0.3, "c_1": 1.0, "K_1": 0.7}),
    "neural Van der Pol": Problem(
        "neural_van_der_pol",
        {},
        {("net", 0): "c_1*x + c_2*y + c_3*x^3", ("net", 1): "c_4*x"},
        {"c_1": 0.2, "c_2": -0.2, "c_3": -0.2 / 3, "c_4": 5.0},
    ),
}


def study(name: str, seed: int, keep: Path | None) -> tuple[bool, bool, str]:
    """Whether the right formulas come first, whether all constants are right, and what to print."""
    import yaml

    import odefit

    problem = PROBLEMS[name]
    config = yaml.safe_load((ROOT / "configs" / f"{problem.config}.yaml").read_text(encoding="utf-8"))
    if problem.change:
        config["model"]["equations"] = dict(problem.change)
    config["data"]["simulate"]["seed"] = seed
    config["fit"]["seed"] = seed
    begun = time.process_time()
    run = odefit.fit(config)
    fitted = time.process_time()
    found = odefit.symbols(run)
    seconds = time.process_time() - fitted
    if keep is not None:
        for sample in found.samples:
            path = keep / f"{name.replace(' ', '_')}_{seed}_{sample.output}.npz"
            np.savez(path, x=sample.x, values=sample.values, weights=sample.weights, inputs=np.array(sample.inputs))
    first = dict(found.candidates[0].form.texts) == dict(problem.formulas)
    z = {}
    for one, truth in problem.truth.items():
        e = found.best.result.estimates.get(one)
        if e is not None and e.standard_error and e.value is not None:
            z[one] = (e.value - truth) / e.standard_error
    right = first and len(z) == len(problem.truth) and max(map(abs, z.values())) < 3
    shown = " ".join(f"{k} {v:+.1f}" for k, v in z.items()) if first else found.formulas
    return first, right, f"fit {fitted - begun:.1f} s, symbols {seconds:.1f} s of CPU; {shown}"


def others(folder: Path) -> None:
    """gplearn and pyoperon on the same values, scaled to size one, as both need it."""
    for path in sorted(folder.glob("*.npz")):
        data = np.load(path)
        x, y, w = data["x"], data["values"], data["weights"]
        x, size = x / np.sqrt(np.mean(x**2, axis=0)), np.sqrt(np.mean(y**2))
        chosen = np.random.default_rng(0).choice(len(y), min(len(y), 1000), replace=False)
        for library in (_gplearn, _pyoperon):
            begun = time.process_time()
            text, error = library(x[chosen], y[chosen] / size, w[chosen] / w.mean())
            seconds = time.process_time() - begun
            print(f"{path.stem:40} {library.__name__[1:]:9} {100 * error:6.2f} % {seconds:6.1f} s  {text}", flush=True)


def _gplearn(x: Any, y: Any, w: Any) -> tuple[str, float]:
    from gplearn.genetic import SymbolicRegressor

    model = SymbolicRegressor(
        population_size=1000, generations=20, function_set=("add", "sub", "mul", "div"), parsimony_coefficient=1e-3,
        metric="mse", random_state=0,
    )  # fmt: skip
    model.fit(x, y, sample_weight=w)
    left = model.predict(x) - y
    return str(model._program), float(np.sqrt((w * left**2).sum() / (w * y**2).sum()))


def _pyoperon(x: Any, y: Any, w: Any) -> tuple[str, float]:
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,constant,variable", offspring_generator="basic", optimizer_iterations=10,
        max_length=20, n_threads=1, objectives=["r2", "length"], population_size=1000, random_state=0,
        max_evaluations=200_000,
    )  # fmt: skip
    model.fit(x, y)  # it takes no weights
    front = [
        (f["complexity"], float(np.sqrt((w * (model.evaluate_model(f["tree"], x) - y) ** 2).sum() / (w * y**2).sum())),
         model.get_model_string(f["tree"], 4))
        for f in model.pareto_front_
    ]  # fmt: skip
    least = min(e for _, e, _ in front)
    _, error, text = min(f for f in front if f[1] <= 2 * least)
    return text, error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--others", type=Path)
    asked = parser.parse_args()
    if asked.others is not None:
        others(asked.others)
        return
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        hits = []
        for seed in range(asked.first, asked.first + asked.seeds):
            first, right, text = study(name, seed, asked.keep)
            hits.append((first, right))
            print(f"{name:28} seed {seed}: {'first' if first else 'NOT first'}, {text}", flush=True)
        counts = sum(first for first, _ in hits), len(hits), sum(right for _, right in hits)
        print(f"{name:28} first {counts[0]} of {counts[1]}, with right constants {counts[2]}", flush=True)


if __name__ == "__main__":
    main()
