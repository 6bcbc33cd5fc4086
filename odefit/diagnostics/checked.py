"""`odefit check --json`: what the report says, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.diagnostics.checking import in_unit, start_warnings
from odefit.diagnostics.formula_lines import formula_text
from odefit.diagnostics.unit_consistency import unit_warnings
from odefit.engines.methods import METHODS
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs.results import finite_or_none


def document(loaded: LoadedConfig, name: str) -> dict[str, Any]:
    """The assembled problem as plain JSON values.

    Parameters
    ----------
    loaded
        The config.
    name
        What it is called.

    Returns
    -------
    dict
        `config`, `title`, `equations`, `initial`, `observables`, `experiments`, `parameters`, `derived`, `solver`,
        `start` (the negative log-likelihood where the search begins), `notes` and `warnings`. Numbers that are not
        finite are null.

    Raises
    ------
    ConfigError, DataError, ModelError
        What `fit` would raise for the same input.
    """
    assembly, truth = prepare(loaded)
    system, section = assembly.described.system, loaded.config.model
    table = assembly.problem.table
    nll = Likelihood(assembly.problem).value(table.to_search(table.values))
    return {
        "config": name,
        "title": loaded.config.title,
        "equations": {state: formula_text(f, system) for state, f in system.equations.items()},
        "expressions": {name: formula_text(text) for name, text in section.expressions.items()},
        "initial": {state: formula_text(f) for state, f in system.initial.items()},
        "observables": _observables(assembly),
        "experiments": [_experiment(e) for e in assembly.measured],
        "parameters": [_parameter(p) for p in table],
        "derived": {d.name: d.text for d in assembly.derived},
        "truth": truth,
        "solver": _solver(assembly),
        "start": {"nll": finite_or_none(nll)},
        "notes": [*assembly.notes, *loaded.notes],
        "warnings": [
            *(line.removeprefix("warning: ") for line in start_warnings(assembly)),
            *unit_warnings(loaded),
        ],
    }


def _observables(assembly: Assembly) -> Mapping[str, Any]:
    system, noise = assembly.described.system, assembly.problem.observation.noise
    names = assembly.problem.observation.names
    counts = {
        name: sum(int(np.count_nonzero(~np.isnan(e.values[:, k]))) for e in assembly.problem.experiments)
        for k, name in enumerate(names)
    }
    return {
        name: {
            "formula": formula_text(system.observables[name], system),
            "values": counts[name],
            "noise": noise[name].model,
            "sigma": None if noise[name].sigma is None else formula_text(in_unit(noise[name])),
        }
        for name in names
    }


def _experiment(e: Experiment) -> Mapping[str, Any]:
    return {
        "name": e.name,
        "start": finite_or_none(e.start),
        "first": finite_or_none(e.times[0]) if len(e.times) else None,
        "last": finite_or_none(e.last),
        "values": e.n_measured,
        "constants": {name: finite_or_none(value) for name, value in e.constants.items()} | dict(e.formulas),
        "labels": {name: str(value) for name, value in e.labels.items()},
        "doses": [
            {"time": d.time, "state": d.state, "amount": d.amount, **dict([d.spread or ("duration", d.duration)])}
            for d in e.doses
        ],
        "inputs": sorted(e.inputs),
    }


def _parameter(p: Parameter) -> Mapping[str, Any]:
    prior = None if p.prior is None else {"kind": p.prior.kind, "numbers": list(p.prior.numbers)}
    return {
        "name": p.name,
        "estimated": p.estimate,
        "value": finite_or_none(p.value),
        "lower": finite_or_none(p.lower),
        "upper": finite_or_none(p.upper),
        "scale": p.scale,
        "unit": p.unit,
        "prior": prior,
    }


def _solver(assembly: Assembly) -> Mapping[str, Any]:
    options, method = assembly.problem.engine.options, METHODS[assembly.problem.engine.method_in_use]
    return {"method": options.method, "engine": method.engine, "rtol": options.rtol, "step": options.step}
