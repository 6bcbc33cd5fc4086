"""The units of a network's inputs and outputs, taken from the data: every input then has mean 0 and spread 1.

A state of size 10 beside one of size 0.1, or years from 1900 to 1920, make a bad start for any training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.errors import ModelError
from odefit.model.derivatives import derivatives
from odefit.model.functions import numpy_function
from odefit.model.networks import MLP
from odefit.model.system import TIME, NetworkCall
from odefit.objective.problem import FitProblem
from odefit.training.penalty import called_with
from odefit.training.smoothing import Smoothed


def set_network_units(problem: FitProblem, networks: nn.ModuleDict, smoothed: Sequence[Smoothed]) -> None:
    """Give every MLP its units.

    An input is a formula: its mean and standard deviation over all smoothed data, at the parameters' start values,
    become its centre and scale. An output that enters the derivative of a state linearly, times some coefficient, is
    as large as explains that state's slopes: its scale is the ratio of their root mean squares, its mean where several
    equations name it. What the data do not say keeps centre 0 and scale 1.
    """
    system = problem.engine.system
    for name, module in networks.items():
        arguments = called_with(system, name)
        if not arguments or not isinstance(module, MLP):
            continue
        inputs = [
            np.concatenate([values_of(a[i], problem, smoothed) for a in arguments]) for i in range(len(module.centre))
        ]
        scale = [_or_one(float(x.std())) if x.size else 1.0 for x in inputs]
        found: dict[int, list[float]] = {}
        for state, formula in enumerate(system.rhs):
            for call in sorted(formula.atoms(NetworkCall), key=str):
                if call.args[0].name == name:
                    size = _output_size(call, state, problem, smoothed)
                    found.setdefault(int(call.args[1]), []).extend([] if size is None else [size])
        output = np.array([np.mean(found.get(k) or [1.0]) for k in range(len(module.output_scale))])
        centre = [float(x.mean()) if x.size else 0.0 for x in inputs]
        module.set_units(torch.tensor(centre), torch.tensor(scale), torch.tensor(output))


def _output_size(call: NetworkCall, state: int, problem: FitProblem, smoothed: Sequence[Smoothed]) -> float | None:
    """How large a call must be to explain the slopes of a state that it enters linearly; None where that is unknown."""
    output = sp.Symbol("output of the network")
    coefficient = derivatives([problem.engine.system.rhs[state].xreplace({call: output})], [output.name])[0][0]
    if output in coefficient.free_symbols:
        return None
    slopes = np.concatenate([series.slopes[:, state] for series in smoothed])
    slopes, weights = slopes[np.isfinite(slopes)], values_of(coefficient, problem, smoothed)
    if not slopes.size or not weights.size or not weights.any():
        return None
    return _or_one(float(np.sqrt(np.mean(slopes**2) / np.mean(weights**2))))


def values_of(formula: sp.Expr, problem: FitProblem, smoothed: Sequence[Smoothed]) -> FloatArray:
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
