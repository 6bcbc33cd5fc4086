"""How large each state is: what its absolute tolerance is a part of.

The same problem in other units has the same sizes in these units. A size is not the largest value of a state: what is
small at first and grows, like the first infected of an epidemic, must be right while it is small. So it is, in the
rough solution (engines/pilot.py) at the values where the search starts, the largest value within the first twentieth of
the way; less, where the state goes through a trough from which it grows again; no more than what is measured of it;
and, where errors are relative (log-normal, proportional, counts), less by as much as the smallest measurement is
smaller than the largest. The least of all experiments counts. Sizes are powers of ten: no more needs to be known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.methods import METHODS
from odefit.engines.pilot import Pilot, Record
from odefit.engines.segments.names import start_name
from odefit.errors import ConfigError, InputError
from odefit.model.system import System, symbol
from odefit.objective.observation import Observation
from odefit.text import suggest

ATOL_DIVISOR = 100
"""The absolute tolerance of a state of size 1 is the relative tolerance divided by this."""
FIRST_PART = 0.05
"""Of the way: what a state has come to by then is its size."""
TROUGH = 1e-4
"""Troughs below this part of the largest value are not known by a rough solution."""
REGROWTH = 3.0
LEAST_OF_ALL = 1e-60
"""The smallest size, as a part of the largest state's: squares of what is measured by it stay finite."""
LEAST_SHARE = 1e-12
"""The smallest size, as a part of a state's largest value."""
MOST_PILOTS = 5
"""Experiments that are solved roughly, from the one with the smallest measurements to the one with the largest."""


def solver_options(
    loaded: LoadedConfig,
    system: System,
    experiments: Sequence[Experiment],
    p: FloatArray,
    observation: Observation,
    sensitive: Sequence[str] = (),
) -> SolverOptions:
    """The options of a config, with an absolute tolerance for each state.

    Parameters
    ----------
    loaded
        The config. Its own `solver.atol` is taken, for all states or for those that it names.
    system
        What is to be solved; one with a network, or by a method of fixed steps, has one tolerance for all.
    experiments
        The experiments with their measurements.
    p
        [E, L] the system's parameters where the search starts.
    observation
        What is measured, and how it scatters.
    sensitive
        The parameters of the system to which the fit wants derivatives.

    Raises
    ------
    ConfigError
        `solver.atol` names no state.
    """
    section = loaded.config.solver
    given = section.atol
    options = SolverOptions(**{**section.model_dump(), "atol": section.rtol / ATOL_DIVISOR})
    if isinstance(given, float):
        return replace(options, atol=given)
    own = given if isinstance(given, Mapping) else {}
    for name in own:
        if name not in system.states:
            where = loaded.where("solver", "atol", name)
            raise ConfigError(where, f"'{name}' is no state; {suggest(name, system.states)}")
    method = METHODS.get(options.method)
    if not system.is_mechanistic or (method is not None and method.is_fixed_step):
        return replace(options, atol=min([options.rtol / ATOL_DIVISOR, *own.values()]))
    by_kernel = options.device == "cpu" and (method is None or method.engine == "kernel")
    sizes = state_sizes(system, experiments, p, observation, sensitive if by_kernel else None)
    return sized(options, system, sizes, p, own)


def sized(
    options: SolverOptions, system: System, sizes: FloatArray, p: FloatArray, own: Mapping[str, float]
) -> SolverOptions:
    """The options with tolerances for states of these sizes [S], but for those that have their own."""
    whole = options.rtol / ATOL_DIVISOR
    atol = tuple(own.get(name, whole * size) for name, size in zip(system.states, sizes.tolist(), strict=True))
    return replace(options, atol=atol[0] if len(set(atol)) == 1 else atol, typical=_typical(system, p, sizes.tolist()))


def state_sizes(
    system: System,
    experiments: Sequence[Experiment],
    p: FloatArray,
    observation: Observation | None = None,
    sensitive: Sequence[str] | None = None,
) -> FloatArray:
    """The size of each state, [S]; 1 where nothing tells.

    Parameters
    ----------
    system
        Of formulas.
    experiments
        What is to be solved.
    p
        [E, L] the system's parameters.
    observation
        What is measured, where anything is.
    sensitive
        To what the kernel has derivatives, if it will solve them; else None.
    """
    measured = _Measured(observation, experiments)
    least = np.full(len(system.states), math.inf)
    pilot: Pilot | None = None
    for e in representative(experiments):
        try:
            pilot = pilot or Pilot(system, sensitive)
            record = pilot.way(p[e], experiments[e])
        except InputError:
            record = Record()  # what cannot be solved at all is said by those who have to solve it
        sizes, tops = _sizes_of(record, len(system.states))
        sizes = np.minimum(sizes, max(measured.share, LEAST_SHARE) * tops)
        sizes = np.where(sizes > 0, sizes, math.inf)
        least = np.minimum(least, np.minimum(sizes, measured.largest(e)))
    known = least[np.isfinite(least) & (least > 0)]
    least = np.where(np.isfinite(least) & (least > 0), least, known.min() if len(known) else 1.0)
    least = np.clip(least, max(1e-150, LEAST_OF_ALL * float(least.max())), 1e150)
    return np.array([10.0 ** round(math.log10(size)) for size in least])


def representative(experiments: Sequence[Experiment]) -> list[int]:
    """Positions of MOST_PILOTS experiments, by the size of what was measured in them."""
    values = np.abs(np.concatenate([e.values for e in experiments]))
    lengths = np.array([len(e.values) for e in experiments])
    tops, filled = np.zeros((len(experiments), values.shape[1])), lengths > 0
    if values.size:
        first = (np.cumsum(lengths) - lengths)[filled]
        tops[filled] = np.maximum.reduceat(np.where(values < np.inf, values, 0.0), first)
    all_over = tops.max(axis=0, initial=0.0)
    order = np.argsort((tops / np.where(all_over > 0, all_over, 1.0)).max(axis=1, initial=0.0), kind="stable")
    places = {round(place) for place in np.linspace(0, len(order) - 1, min(len(order), MOST_PILOTS)).tolist()}
    return [int(order[place]) for place in sorted(places)]


class _Measured:
    """What the measurements tell of sizes.

    share: the smallest measurement of what has relative errors, as a part of the largest.
    """

    def __init__(self, observation: Observation | None, experiments: Sequence[Experiment]) -> None:
        self._experiments = experiments
        self._factors: list[tuple[int, int, float]] = []
        self.share = 1.0
        if observation is None:
            return
        states = {symbol(name): k for k, name in enumerate(observation.system.states)}
        for column, (name, g) in enumerate(observation.system.predicted.items()):
            for state, k in states.items():
                if sp.sympify(g).free_symbols == {state} and (factor := (g / state)).is_number and factor != 0:
                    self._factors.append((column, k, abs(float(factor))))
            noise = observation.noise[name]
            # Where small values are known better than large ones.
            if noise.is_log or noise.family.is_count or noise.moves_with(observation.levels):
                values = np.abs(np.concatenate([e.values[:, column] for e in experiments]))
                values = values[np.isfinite(values) & (values > 0)]
                if len(values):
                    self.share = min(self.share, float(values.min() / values.max()))
        self._n = len(states)

    def largest(self, e: int) -> FloatArray:
        """The largest measurement of each state in an experiment, [S]; infinite where it is not measured itself."""
        found = np.full(self._n if self._factors else 1, math.inf)
        for column, k, factor in self._factors:
            values = np.abs(self._experiments[e].values[:, column])
            top = values[np.isfinite(values)].max(initial=0.0)
            if top > 0:
                found[k] = min(found[k], top / factor)
        return found


def _sizes_of(record: Record, n: int) -> tuple[FloatArray, FloatArray]:
    """The size and the largest value of each state in one experiment, [n] each; 0 of what is never there."""
    sizes, tops = np.zeros(n), np.zeros(n)
    if not record.pieces:
        return sizes, tops
    times, y = (np.concatenate(parts) for parts in zip(*record.pieces, strict=True))
    end = times[-1]
    for k in range(n):
        a = np.abs(y[:, k])
        there = np.flatnonzero(a > 0)
        if not len(there):
            continue
        early = times[there[0]] + FIRST_PART * (end - times[there[0]])
        tops[k] = a.max()
        sizes[k] = a[times <= early].max()
        for t, piece in record.pieces:
            sizes[k] = min(sizes[k], _trough(piece[t >= early, k], TROUGH * tops[k]))
    return sizes, tops


def _trough(y: FloatArray, least: float) -> float:
    """The smallest value above `least` from which a state that keeps its sign grows again; infinite where none does.

    y: [n].
    """
    a = np.abs(y)
    if not len(a) or not ((y > 0).all() or (y < 0).all()):
        return math.inf
    later = np.maximum.accumulate(a[::-1])[::-1]
    grows = (later > REGROWTH * a) & (a > least)
    return float(a[grows].min(initial=math.inf))


def _typical(system: System, p: FloatArray, sizes: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """The size of each parameter where the search starts: that of its state for a value at a start."""
    largest = np.abs(p).max(axis=0) if len(p) else np.zeros(len(system.parameters))
    found = {
        name: 10.0 ** round(math.log10(value))
        for name, value in zip(system.parameters, largest.tolist(), strict=True)
        if 1e-150 < value < 1e150
    }
    for state, start, size in zip(system.states, system.start, sizes, strict=True):
        if isinstance(start, sp.Symbol):
            found[start.name] = size
        found[start_name(state)] = size
    return tuple((name, size) for name, size in found.items() if size != 1)
