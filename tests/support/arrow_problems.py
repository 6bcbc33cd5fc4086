"""Random matrices in arrow form, and fits whose experiments have parameters of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.linalg.arrow_layout import Layout
from odefit.linalg.arrow_matrix import ArrowMatrix
from odefit.objective.parameters import Parameter
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem
from small_problems import Array, make_problem, make_system, series

LOG = {"lower": 0.0, "upper": np.inf, "scale": "log"}


def random_rows(rng: np.random.Generator, kind: str = "regular") -> tuple[ArrowMatrix, Array]:
    """A and z of a few blocks, which differ in rows and own columns, their rows and columns in any order.

    kind: `regular` (enough rows), `short` (blocks with fewer rows than columns), `equal` (all shared columns are the
    same), `confounded` (a shared column is the sum of own ones), `silent` (a block without effect).
    """
    n_blocks, k, s = (int(rng.integers(low, high)) for low, high in ((2, 9), (1, 4), (0, 4)))
    counts = [*rng.integers(1 if kind == "short" else 5, 14, n_blocks), 3 + s]
    block = rng.permutation(np.repeat(np.arange(n_blocks + 1), counts))
    has = np.concatenate([rng.random((n_blocks, k)) < 0.8, np.zeros((1, k), dtype=bool)])
    has[0, 0] = True
    n = int(has.sum()) + s
    order = rng.permutation(n)
    own = np.full((n_blocks, k), n)
    own[has[:-1]] = order[s:]
    a = ArrowMatrix(
        Layout(n, order[:s], own),
        block,
        rng.normal(size=(len(block), s)),
        np.where(has[block], rng.normal(size=(len(block), k)), 0.0),
    )
    if kind == "equal":
        a.shared[:] = a.shared[:, :1]
    elif kind == "confounded" and s:
        a.shared[:, 0] = a.own.sum(axis=1)
    elif kind == "silent":
        a.own[block == 0] = 0.0
    return a, rng.normal(size=len(block))


KINDS = ("regular", "short", "equal", "confounded", "silent")


def predators(n: int, variant: str = "") -> FitProblem:
    """Lotka-Volterra in n experiments, each with two initial values of its own, the noise level estimated.

    variant: `priors` of own and shared parameters; `bounds` that hold some own and a shared parameter; `ties`, one
    parameter in the place of two symbols; `groups` of experiments that share a rate; `laplace` noise; `censored` cells;
    `ragged`, experiments of different lengths, one without a value of its own.
    """
    rng = np.random.default_rng(5)
    system = make_system(
        {"x": "a*x - b*x*y", "y": "d*x*y - c*y"}, {"x": "x_0", "y": "y_0"}, ("a", "b", "c", "d", "x_0", "y_0")
    )
    starts = rng.uniform(0.5, 2.0, (n, 2))
    experiments = []
    for e in range(n):
        t = np.linspace(0, 3, 6 + (e % 4) * 3 if variant == "ragged" else 10)
        experiments.append(series(f"e{e}", t, n=2))
    truth = [Parameter("a", 1.0, **LOG), Parameter("b", 0.8, **LOG), Parameter("c", 0.9, **LOG)]
    truth.append(Parameter("d", 0.6, **LOG))
    bound: dict[str, list[str | float]] = {}
    if variant == "ties":
        truth.pop()
        bound["d"] = ["b"] * n
    if variant == "groups":
        truth = truth[:-1] + [Parameter(f"d[{g}]", 0.6, **LOG) for g in "uv"]
        bound["d"] = [f"d[{'uv'[e % 2]}]" for e in range(n)]
    for k, name in enumerate(("x_0", "y_0")):
        bound[name] = [f"{name}[e{e}]" for e in range(n)]
        truth += [Parameter(f"{name}[e{e}]", float(starts[e, k]), 0.0, np.inf, "log") for e in range(n)]
    if variant == "ragged":
        bound["x_0"][0] = bound["y_0"][0] = 1.0
        truth = [p for p in truth if not p.name.endswith("[e0]")]
    truth.append(Parameter("s", 0.1, **LOG, role="noise"))
    noise: dict[str, Any] = dict.fromkeys("xy", ("laplace" if variant == "laplace" else "gaussian", "s"))
    options = SolverOptions(rtol=1e-9, atol=1e-10)
    exact = make_problem(system, experiments, truth, noise, options, bound, "compiled")
    predictions = exact.predict(exact.table.values)
    measured = []
    for experiment, g in zip(experiments, predictions, strict=True):
        values = g + 0.1 * rng.standard_normal(g.shape)
        values[rng.random(g.shape) < 0.1] = np.nan
        limits = np.where(values < 0.7, -1, 0).astype(np.int8) if variant == "censored" else None
        if limits is not None:
            values = np.where(limits < 0, 0.7, values)
        measured.append(Experiment(experiment.name, experiment.times, values, experiment.start, censored=limits))
    table = [_begin(p, variant, rng) for p in truth]
    return make_problem(system, measured, table, noise, options, bound, "compiled")


def _begin(p: Parameter, variant: str, rng: np.random.Generator) -> Parameter:
    """Where a search begins, with what the variant says of the parameter."""
    value = p.value * float(np.exp(rng.normal(0, 0.1)))
    prior, upper = None, np.inf
    if variant == "priors" and (p.name == "a" or p.name.startswith("x_0")):
        prior = Prior("lognormal", p.value, 0.3)
    if variant == "bounds" and (p.name == "b" or p.name in ("x_0[e0]", "y_0[e1]", "y_0[e2]")):
        upper, value = 0.9 * p.value, 0.85 * p.value
    return Parameter(p.name, value, 0.0, upper, "log", prior=prior, role=p.role)
