"""What the networks of a run say along its fitted trajectories.

An error e in output k of a network moves the rates of the states by c_s e, c_s = df_s/dN_k. Points are weighted by

    sum over s of (c_s / rate_s)²,

rate_s the root mean square of f_s over all points: so that an output counts where it matters to the curves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.dataset import collate
from odefit.errors import SolveError
from odefit.fitting.run import Run
from odefit.model.derivatives import derivatives
from odefit.model.functions import torch_function
from odefit.model.system import TIME, NetworkCall
from odefit.records import dataclass

MOST_POINTS = 6000
"""Of all trajectories together."""
FEWEST_TIMES, MOST_TIMES = 20, 300
"""Of one trajectory."""


@dataclass(frozen=True)
class Sample:
    """One output of a network where the trajectories have been.

    Parameters
    ----------
    network, output
        Which.
    inputs
        What its inputs are called in formulas: the states and the time where every call has these, else a1, a2, ...
    x
        [N, I], the inputs.
    values
        [N], the output.
    weights
        [N], how much the rates depend on it, squared and relative.
    """

    network: str
    output: int
    inputs: tuple[str, ...]
    x: FloatArray
    values: FloatArray
    weights: FloatArray
    outputs: int = 1

    @property
    def call(self) -> str:
        """As a formula writes it."""
        component = f"[{self.output}]" if self.outputs > 1 else ""
        return f"{self.network}({', '.join(self.inputs)}){component}"


def samples_of(run: Run) -> list[Sample]:
    """Every output that the equations use, in their order. Raises SolveError where the fitted model has no values."""
    system = run.assembly.problem.engine.system
    calls = _calls(run)
    slopes = {call: _slopes(call, list(system.rhs)) for call in calls}
    formulas = [*system.rhs, *calls]
    formulas += [a for call in calls for a in call.args[2:]]
    formulas += [c for call in calls for c in slopes[call].values()]
    found = iter(_evaluated(run, formulas))
    rates = [float(np.sqrt(np.mean(next(found) ** 2))) for _ in system.rhs]
    values = {call: next(found) for call in calls}
    inputs = {call: [next(found) for _ in call.args[2:]] for call in calls}
    sizes = {call: {s: next(found) for s in slopes[call]} for call in calls}
    named: dict[tuple[str, int], list[tuple[Any, FloatArray, FloatArray, FloatArray]]] = {}
    for call in calls:
        key = (call.args[0].name, int(call.args[1]))
        weight = sum((c / (rates[s] or 1.0)) ** 2 for s, c in sizes[call].items())
        one = np.stack(inputs[call], axis=1), values[call], np.broadcast_to(weight, values[call].shape)
        named.setdefault(key, []).append((call, *one))
    return [_sample(key, own, system.networks[key[0]].outputs) for key, own in named.items()]


def _calls(run: Run) -> list[Any]:
    """The different calls in the equations, state by state."""
    system = run.assembly.problem.engine.system
    every = [call for f in system.rhs for call in sorted(f.atoms(NetworkCall), key=str)]
    return list(dict.fromkeys(every))


def _slopes(call: Any, rhs: list[Any]) -> dict[int, Any]:
    """The derivatives of the rates to a call, by state, where they are not 0."""
    output = sp.Symbol("output of the network")
    found = {}
    for s, formula in enumerate(rhs):
        if call in formula.atoms(NetworkCall):
            slope = derivatives([formula.xreplace({call: output})], [output.name])[0][0]
            found[s] = sp.sympify(slope).xreplace({output: call})
    return found


def _sample(key: tuple[str, int], own: list[tuple[Any, FloatArray, FloatArray, FloatArray]], outputs: int) -> Sample:
    first = own[0][0].args[2:]
    plain = all(call.args[2:] == first for call, *_ in own) and all(hasattr(a, "name") and not a.args for a in first)
    names = tuple(str(a) for a in first) if plain and len(set(map(str, first))) == len(first) else ()
    x, values, weights = (np.concatenate([parts[k] for parts in own]) for k in (1, 2, 3))
    return Sample(*key, names or tuple(f"a{k + 1}" for k in range(x.shape[1])), x, values, weights, outputs)


@torch.no_grad()
def _evaluated(run: Run, formulas: list[Any]) -> list[FloatArray]:
    """Formulas along the trajectories within the times of the data, [N] each."""
    problem, networks = run.assembly.problem, run.assembly.networks
    system = problem.engine.system
    count = int(np.clip(MOST_POINTS // len(run.measured), FEWEST_TIMES, MOST_TIMES))
    grids = [np.linspace(min(e.start, e.times[0]), e.times[-1], count) for e in run.measured]
    curves = run.solve(grids)
    batch = collate(list(enumerate(curves.experiments)))
    local = problem.binding.local(run.theta)[:, : problem.n_system]
    y = np.concatenate(curves.states)
    p = np.repeat(local, [len(e.times) for e in curves.experiments], axis=0)
    t = np.concatenate([e.times for e in curves.experiments])
    columns = [*y.T, t, *p.T]
    if system.inputs and batch.inputs is not None:
        held = batch.inputs[batch.inside].numpy()
        columns += [held[:, batch.input_names.index(name)] for name in system.inputs]
    modules = {} if networks is None else dict(networks.items())
    function = torch_function(formulas, (*system.states, TIME, *system.parameters, *system.inputs), modules)
    like = next((w for m in modules.values() for w in m.parameters()), torch.zeros((), dtype=torch.float64))
    found = function(*(torch.as_tensor(c).to(like) for c in columns))
    arrays = [np.broadcast_to(torch.as_tensor(v).to(torch.float64).cpu().numpy(), t.shape) for v in found]
    if not all(np.isfinite(a).all() for a in arrays):
        raise SolveError("the networks, or the equations around them, have no finite values along the fitted curves")
    return arrays
