"""The units of a network's inputs and outputs, taken from the data: every input then has mean 0 and spread 1.

A state of size 10 beside one of size 0.1, or years from 1900 to 1920, make a bad start for any training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch
from torch import nn

from odefit.data.experiments import FloatArray
from odefit.errors import ModelError
from odefit.model.functions import numpy_function
from odefit.model.networks import MLP
from odefit.model.system import TIME, NetworkCall
from odefit.objective.problem import Problem
from odefit.objective.smoothing import Smoothed


def set_network_units(problem: Problem, networks: nn.ModuleDict, smoothed: Sequence[Smoothed]) -> None:
    """Give every MLP its units.

    An input is a formula: its mean and standard deviation over all smoothed data, at the parameters' start values,
    become its centre and scale. An output that is by itself the derivative of a state has the root mean square of
    that state's slopes for its scale. What the data do not say keeps centre 0 and scale 1.
    """
    system = problem.engine.system
    for name, module in networks.items():
        calls = {call for formula in system.rhs for call in formula.atoms(NetworkCall) if call.args[0].name == name}
        if not calls or not isinstance(module, MLP):
            continue
        arguments = list(dict.fromkeys(call.args[2:] for call in sorted(calls, key=str)))
        inputs = [
            np.concatenate([values_of(a[i], problem, smoothed) for a in arguments]) for i in range(len(module.centre))
        ]
        scale = [_or_one(float(x.std())) if x.size else 1.0 for x in inputs]
        output = np.ones(len(module.output_scale))
        for state, formula in enumerate(system.rhs):
            if isinstance(formula, NetworkCall) and formula.args[0].name == name:
                slopes = np.concatenate([series.slopes[:, state] for series in smoothed])
                slopes = slopes[np.isfinite(slopes)]
                output[int(formula.args[1])] = _or_one(float(np.sqrt(np.mean(slopes**2)))) if slopes.size else 1.0
        centre = [float(x.mean()) if x.size else 0.0 for x in inputs]
        module.set_units(torch.tensor(centre), torch.tensor(scale), torch.tensor(output))


def values_of(formula: sp.Expr, problem: Problem, smoothed: Sequence[Smoothed]) -> FloatArray:
    """A formula over the smoothed data, where it has a value: [N], empty for one that calls a network."""
    system = problem.engine.system
    try:
        function = numpy_function([formula], (*system.states, TIME, *system.parameters))
    except ModelError:
        return np.empty(0)
    local = problem.binding.local(problem.table.values)[:, : problem.n_system]
    found = []
    for experiment, series, p in zip(problem.experiments, smoothed, local, strict=True):
        (value,) = function(*series.states.T, experiment.times, *p)
        found.append(np.broadcast_to(value, experiment.times.shape))
    values = np.concatenate(found)
    kept: FloatArray = values[np.isfinite(values)]
    return kept


def _or_one(scale: float) -> float:
    return scale if scale > 0 else 1.0
