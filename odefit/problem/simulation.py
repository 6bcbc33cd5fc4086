"""Data made from a model at known parameters: solve, spread the starts, add noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.atomic_files import atomic_write
from odefit.data.covariates import covariate_table
from odefit.data.experiments import Experiment
from odefit.data.side_column import AT_JUMP, side_words
from odefit.data.tables import write_table
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.errors import ConfigError, Faults
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, System
from odefit.objective.observation import Noise, Observation
from odefit.objective.parameters import Binding, ParameterTable
from odefit.objective.problem import FitProblem
from odefit.problem.cell_formulas import with_cells
from odefit.problem.conditions import under_conditions
from odefit.problem.constant_conditions import constant_condition_notes
from odefit.problem.described import FORMULA, Described, initial_name
from odefit.problem.intervals import without_counts_at_start
from odefit.problem.parameter_table import groups_of
from odefit.problem.sides import on_sides
from odefit.problem.simulated_columns import Values, read_columns
from odefit.problem.simulated_noise import Scatter, read_scatter, simulated_names
from odefit.problem.state_sizes import state_sizes
from odefit.problem.systems import describe_simulated, describe_system, with_constant_start, with_doses
from odefit.records import dataclass

if TYPE_CHECKING:
    import pandas as pd

    from odefit.config.simulate_section import SimulateSection

MAX_ROWS = 10_000_000
"""The most rows of simulated data."""
SIMULATION_ATOL = 1e-12
"""Of a state of size 1 or more."""
SIMULATION_SOLVER = SolverOptions(method="auto", rtol=1e-10, atol=SIMULATION_ATOL)
"""Tighter than a fit needs: the data should be those of the model, not of a coarse solver."""


@dataclass(frozen=True)
class Simulated:
    """Experiments with noise, and the truth that made them.

    Parameters
    ----------
    experiments, observables
        What was measured.
    truth
        Parameters by name, and initial values as `x_0` or, for several experiments, `x_0[name]`.
    model
        None where each experiment has equations of its own.
    notes
        What was assumed, a sentence each.
    """

    experiments: tuple[Experiment, ...]
    observables: tuple[str, ...]
    truth: Mapping[str, float]
    model: TrueModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """The wide layout: experiment, time and every observable; `fit` takes it as `data`."""
        import pandas as pd

        sided = any(e.sides.any() for e in self.experiments)
        parts = [
            pd.DataFrame(
                {
                    "experiment": e.name,
                    "time": e.times,
                    **dict(zip(self.observables, e.values.T, strict=True)),
                    **covariate_table([e], self.observables),
                    **({AT_JUMP: side_words(e)} if sided else {}),
                }
            )
            for e in self.experiments
        ]
        return pd.concat(parts, ignore_index=True)

    def write(self, path: Path) -> Path:
        """The CSV, and beside it `<name>.truth.yaml`; returns the latter's path. Raises OSError."""
        truth_path = path.with_suffix(".truth.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, self.experiments, self.observables)
        atomic_write(truth_path, yaml.safe_dump(dict(self.truth), sort_keys=False))
        return truth_path


def simulate_data(loaded: LoadedConfig, described: Described | None = None) -> Simulated:
    """Run the `data.simulate` section. Raises ConfigError or SolveError."""
    section = loaded.config.data.simulate
    if section is None:
        raise ConfigError(loaded.where("data"), "has no `simulate` section: say which times and parameters to simulate")
    fitted = described or describe_system(loaded)
    notes = [] if described else constant_condition_notes(loaded, fitted)
    blank = _blank(loaded, section, fitted, notes)
    constants = tuple(dict.fromkeys(name for e in blank for name in (*e.constants, *e.formulas)))
    described = describe_simulated(loaded, fitted, constants)
    blank = _sided(loaded, described, blank, notes)
    described = with_cells(described, blank, bind=False)
    given = [replace(e, constants={**e.constants, **_cells(described, e)}) for e in blank]
    constants = tuple(dict.fromkeys(name for e in given for name in e.constants))
    faults = Faults()
    truth = _truth(loaded, described, section, given, faults)
    centre = _centre(loaded, described, section, truth, given, faults)
    scatter = read_scatter(loaded, section, described, faults)
    beside = read_columns(loaded, section, described, simulated_names(described), len(blank[0].times), faults)
    faults.check()
    rng = np.random.default_rng(section.seed)
    states = described.system.states
    with np.errstate(over="ignore"):
        starts = centre + section.spread * rng.standard_normal((len(blank), len(states)))
    if not np.isfinite(starts).all():
        raise ConfigError(loaded.where("data", "simulate", "spread"), "makes infinite initial values; make it smaller")
    system = with_constant_start(described)
    if not system.is_mechanistic:
        raise ConfigError(
            loaded.where("data", "simulate"),
            "a network has no true parameters to simulate from: name the equations in data.simulate.model",
        )
    system = with_doses(system, described, blank)
    shared = {name: values[0] for name, values in truth.items() if len(set(values)) == 1 and name not in constants}
    # What all experiments have in common is put into the equations; the rest are columns.
    system = system.bind(shared)
    columns = truth | {initial_name(s): starts[:, k].tolist() for k, s in enumerate(states)}
    local = np.array([columns[name] for name in system.parameters], dtype=np.float64).reshape(-1, len(blank)).T
    model = TrueModel(system, local)
    exact = model.solve(blank)
    noisy = []
    for k, (e, y, g) in enumerate(zip(blank, *exact, strict=True)):
        values: dict[str, FloatArray | float] = {name: own[k] for name, own in truth.items()} | {TIME: e.clock}
        values |= dict(zip(states, y.T, strict=True)) | dict(zip(system.observables, g.T, strict=True))
        own_columns = beside(e, values)
        noisy.append(
            replace(
                e,
                values=_scattered(loaded, scatter, rng, g, e, values | own_columns),
                covariates={name: np.repeat(c[:, None], g.shape[1], axis=1) for name, c in own_columns.items()},
            )
        )
    named = _named(loaded, truth, constants, starts, states, blank)
    noisy = [without_counts_at_start(system, e) for e in noisy]
    return Simulated(tuple(noisy), tuple(system.observables), named, model, tuple(notes))


def _scattered(
    loaded: LoadedConfig,
    scatter: Scatter,
    rng: np.random.Generator,
    g: FloatArray,
    experiment: Experiment,
    known: Values,
) -> FloatArray:
    """The measurements of one experiment. Raises ConfigError where its noise cannot be drawn."""
    where = loaded.where("data", "simulate", "noise")
    try:
        with np.errstate(all="ignore"):
            values = scatter(rng, g, known)
    except ValueError as error:  # of NumPy's generator
        raise ConfigError(where, f"cannot be drawn for experiment {experiment.name}: {error}") from None
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        at = f"experiment {experiment.name} at t = {experiment.times[row]:g}"
        raise ConfigError(where, f"makes no finite number of {g[row, column]:g} ({at})")
    return values


def _sided(
    loaded: LoadedConfig, described: Described, blank: Sequence[Experiment], notes: list[str]
) -> tuple[Experiment, ...]:
    """The experiments with the observables of the model that makes the data, none of them measured yet."""
    width = len(described.system.observables)
    found = [replace(e, values=np.full((len(e.times), width), np.nan)) for e in blank]
    return on_sides(loaded, described, found, notes, blank=True)


def _blank(
    loaded: LoadedConfig, section: SimulateSection, described: Described, notes: list[str]
) -> tuple[Experiment, ...]:
    """The experiments under their conditions, before anything is measured."""
    times = times_of(section)
    conditions = described.conditions
    names = [str(k + 1) for k in range(section.experiments or 1)]
    if conditions is not None:
        names = list(conditions.experiments)
        if section.experiments is not None and section.experiments != len(names):
            where = loaded.where("data", "simulate", "experiments")
            raise ConfigError(where, f"data.experiments names {len(names)} experiments; remove the key")
    if len(names) * len(times) > MAX_ROWS:
        where = loaded.where("data", "simulate")
        raise ConfigError(where, f"makes {len(names) * len(times):,} rows; at most {MAX_ROWS:,}, so make fewer")
    blank = np.full((len(times), len(described.system.observables)), np.nan)
    start = loaded.config.data.fixed_start
    if start is not None and start > times[0]:
        where = loaded.where("data", "start")
        raise ConfigError(where, f"is {start:g}, later than the first of the simulated times, {times[0]:g}")
    experiments = [Experiment(name, times, blank, start) for name in names]
    return under_conditions(loaded, experiments, described.system.states, conditions, described.anchor, notes)


def _named(
    loaded: LoadedConfig,
    truth: Mapping[str, list[float]],
    constants: Sequence[str],
    starts: FloatArray,
    states: Sequence[str],
    blank: Sequence[Experiment],
) -> dict[str, float]:
    """The truth under the names that a fit gives to it."""
    named: dict[str, float] = {}
    for name, values in truth.items():
        if name in constants:
            continue
        section = loaded.config.parameters.get(name)
        groups = None if section is None or section.by is None else groups_of(section.by, blank)
        for k, value in enumerate(values):
            named[name if groups is None else f"{name}[{groups[k]}]"] = value
    for k, experiment in enumerate(blank):
        suffix = f"[{experiment.name}]" if len(blank) > 1 else ""
        named |= {f"{initial_name(s)}{suffix}": float(v) for s, v in zip(states, starts[k], strict=True)}
    return named


def times_of(section: SimulateSection) -> FloatArray:
    """The measurement times, [T]."""
    times = section.times
    if not isinstance(times, list):
        if times.count is not None:
            return np.linspace(times.start, times.stop, times.count)
        assert times.step is not None  # the schema sees to it
        n = int(np.floor((times.stop - times.start) / times.step * (1 + 1e-12))) + 1
        # Rounded, so that 0.1 * 3 reads 0.3 in the CSV.
        return np.round(times.start + times.step * np.arange(n), 12)
    return np.array(times, dtype=np.float64)


def _truth(
    loaded: LoadedConfig,
    described: Described,
    section: SimulateSection,
    blank: Sequence[Experiment],
    faults: Faults,
) -> dict[str, list[float]]:
    """Every parameter and constant of the equations at its true value in each experiment."""
    starts = {initial_name(s) for s, kind in described.initial_kind.items() if kind != FORMULA}
    names = [name for name in described.system.parameters if name not in starts]
    own = [name for name in names if not all(name in e.constants for e in blank)]
    where = loaded.where("data", "simulate", "parameters")
    for name in section.parameters:
        if name not in own:
            faults.add(
                loaded.where("data", "simulate", "parameters", name),
                f"'{name}' is no parameter of the equations; there is: {', '.join(own) or 'none'}",
            )
    truth = {}
    for name in names:
        parameter = loaded.config.parameters.get(name)
        value = section.parameters.get(name, described.nominal.get(name, parameter.value if parameter else None))
        values = [value] * len(blank)
        if isinstance(value, dict):
            groups = groups_of(parameter.by, blank) if parameter and parameter.by else [e.name for e in blank]
            values = [value.get(group) for group in groups]
            missing = [group for group, v in zip(groups, values, strict=True) if v is None]
            if missing:
                faults.add(loaded.where("data", "simulate", "parameters", name), f"says nothing of '{missing[0]}'")
        elif value is None and name in own:
            faults.add(where, f"needs the true value of {name}, e.g. `{name}: 1`")
        truth[name] = [e.constants.get(name, _number(v)) for e, v in zip(blank, values, strict=True)]
    return truth


def _cells(described: Described, experiment: Experiment) -> dict[str, float]:
    """The numbers with which an experiment chooses among the formulas of cells."""
    own = {name: cells.get(experiment.name) for name, cells in described.cells.items()}
    return {name: value for name, value in own.items() if isinstance(value, float)}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _centre(
    loaded: LoadedConfig,
    described: Described,
    section: SimulateSection,
    truth: Mapping[str, list[float]],
    blank: Sequence[Experiment],
    faults: Faults,
) -> FloatArray:
    """The initial values before they are spread, [E, S]."""
    system = described.system
    for name in section.initial:
        if name not in system.states:
            faults.add(
                loaded.where("data", "simulate", "initial", name),
                f"'{name}' is no state; the states are {', '.join(system.states)}",
            )
    centre = np.zeros((len(blank), len(system.states)))
    for k, state in enumerate(system.states):
        name = initial_name(state)
        where = loaded.where("data", "simulate", "initial")
        formula = described.initial_kind[state] == FORMULA
        if formula and section.spread > 0:
            faults.add(
                loaded.where("data", "simulate", "spread"),
                f"spreads the initial values, but model.initial fixes that of {state}; set it to `estimate` or `first`",
            )
        own = loaded.config.parameters.get(name)
        if state in section.initial:
            centre[:, k] = section.initial[state]
        elif name in described.columns:
            start = {name: [e.constants.get(name, math.nan) for e in blank]}
            known = {**truth, **start}
            centre[:, k] = numpy_function([system.initial[state]], tuple(known))(*known.values())[0]
        elif formula:
            centre[:, k] = numpy_function([system.initial[state]], tuple(truth))(*truth.values())[0]
        elif any(name in e.constants for e in blank) or (own is not None and own.value is not None):
            default = own.value if own is not None else None
            centre[:, k] = [e.constants.get(name, _number(default)) for e in blank]
        elif state in described.nominal_initial:
            centre[:, k] = described.nominal_initial[state]
        else:
            faults.add(where, f"needs the initial value of {state}, e.g. `{state}: 1`")
    return centre


@dataclass(frozen=True)
class TrueModel:
    """The model that made simulated data: solved again where a picture needs the true curve.

    local: [E, L], the system's parameters in each experiment.
    """

    system: System
    local: FloatArray

    def solve(
        self, experiments: Sequence[Experiment], columns: Sequence[str] = ()
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """States [T, S] and observables [T, O] of each experiment at its times.

        columns: the observables of the experiments' own columns, where these are not those of this system. Raises
        SolveError.
        """
        system = self.system
        if columns and tuple(columns) != tuple(system.observables):
            experiments = [_rearranged(e, columns, tuple(system.observables)) for e in experiments]
        names = tuple(system.parameters)
        binding = Binding(names, np.full(self.local.shape, -1, dtype=np.intp), self.local)
        # Exact observables need no noise.
        observation = Observation(
            system, dict.fromkeys(system.observables, Noise("gaussian", None)), (*names, *system.inputs), ()
        )
        sizes = state_sizes(system, experiments, self.local, sensitive=())
        # Tighter for what is small, in whatever unit.
        atol = tuple((SIMULATION_ATOL * np.minimum(sizes, 1.0)).tolist())
        engine = make_engine(system, replace(SIMULATION_SOLVER, atol=atol if len(set(atol)) > 1 else atol[0]))
        problem = FitProblem(tuple(experiments), ParameterTable(()), binding, observation, engine)
        return problem.curves(np.empty(0), problem.experiments)


def _rearranged(experiment: Experiment, columns: Sequence[str], wanted: Sequence[str]) -> Experiment:
    """Without measurements, and with the intervals of the observables that are wanted."""
    bare = experiment.at(experiment.times)
    bare = replace(bare, values=np.full((len(bare.times), len(wanted)), np.nan), intervals=None)
    if experiment.intervals is None:
        return bare
    intervals = np.broadcast_to(bare.times[:, None, None], (*bare.values.shape, 2)).copy()
    intervals[1:, :, 0], intervals[:1, :, 0] = bare.times[:-1, None], bare.start
    for k, name in enumerate(wanted):
        if name in columns:
            intervals[:, k] = experiment.intervals[:, list(columns).index(name)]
    return replace(bare, intervals=intervals)
