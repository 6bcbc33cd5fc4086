"""Data made from a model at known parameters: solve, spread the starts, add noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from odefit.config.load import LoadedConfig, load_config
from odefit.config.schema import SimulateSection, TimesSection
from odefit.data.experiments import Experiment, FloatArray
from odefit.data.files import atomic_write
from odefit.data.tables import write_table
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.errors import ConfigError, Faults, RunError, SolveError
from odefit.model.functions import numpy_function
from odefit.model.operators import put_numbers
from odefit.model.system import System, symbol
from odefit.runs.systems import (
    Described,
    describe_simulated,
    describe_system,
    initial_name,
    with_constant_start,
)

# The data should be the model's, not a coarse solver's: tighter than a fit needs.
TIGHT = SolverOptions(method="auto", rtol=1e-10, atol=1e-12)


@dataclass(frozen=True)
class Simulated:
    """Experiments with noise, and the truth that made them.

    truth: parameters by name, and initial values as `x_0` or, for several experiments, `x_0[name]`.
    """

    experiments: tuple[Experiment, ...]
    truth: Mapping[str, float]
    model: TrueModel

    @property
    def observables(self) -> tuple[str, ...]:
        return tuple(self.model.system.observables)

    def write(self, path: Path) -> Path:
        """The CSV, and beside it `<name>.truth.yaml`; returns the latter's path. Raises OSError."""
        truth_path = path.with_suffix(".truth.yaml")
        write_table(path, self.experiments, self.observables)
        atomic_write(truth_path, yaml.safe_dump(dict(self.truth), sort_keys=False))
        return truth_path


def simulate_data(loaded: LoadedConfig, described: Described | None = None) -> Simulated:
    """Run the `data.simulate` section. Raises ConfigError or SolveError."""
    section = loaded.config.data.simulate
    if section is None:
        raise ConfigError(loaded.where("data"), "has no `simulate` section: say which times and parameters to simulate")
    described = describe_simulated(loaded, described or describe_system(loaded))
    faults = Faults()
    truth = _truth(loaded, described, section, faults)
    centre = _centre(loaded, described, section, truth, faults)
    sigma = _sigma(loaded, described, section, faults)
    faults.check()
    rng = np.random.default_rng(section.seed)
    states = described.system.states
    starts = np.array([centre[s] for s in states]) + section.spread * rng.standard_normal(
        (section.experiments, len(states))
    )
    system = with_constant_start(described).bind(truth)
    if not system.is_mechanistic:
        raise ConfigError(
            loaded.where("data", "simulate"),
            "a network has no true parameters to simulate from: name the equations in data.simulate.model",
        )
    model = TrueModel(system, starts)
    times = times_of(section)
    blank = np.full((len(times), len(system.observables)), np.nan)
    experiments = [Experiment(str(i + 1), times, blank, float(times[0])) for i in range(len(starts))]
    noisy = []
    for experiment, exact in zip(experiments, model.solve(experiments)[1], strict=True):
        scatter = sigma * rng.standard_normal(exact.shape)
        noisy.append(replace(experiment, values=exact + scatter))
    for experiment, start in zip(experiments, starts, strict=True):
        suffix = f"[{experiment.name}]" if section.experiments > 1 else ""
        truth |= {f"{initial_name(s)}{suffix}": float(v) for s, v in zip(states, start, strict=True)}
    return Simulated(tuple(noisy), truth, model)


def times_of(section: SimulateSection) -> FloatArray:
    """The measurement times, [T]."""
    times = section.times
    if isinstance(times, TimesSection):
        if times.count is not None:
            return np.linspace(times.start, times.stop, times.count)
        assert times.step is not None  # the schema sees to it
        n = int(np.floor((times.stop - times.start) / times.step * (1 + 1e-12))) + 1
        # Rounded, so that 0.1 * 3 reads 0.3 in the CSV.
        return np.round(times.start + times.step * np.arange(n), 12)
    return np.array(times, dtype=np.float64)


def _truth(loaded: LoadedConfig, described: Described, section: SimulateSection, faults: Faults) -> dict[str, float]:
    """Every parameter of the equations at its true value."""
    starts = {initial_name(s) for s, kind in described.initial_kind.items() if kind != "formula"}
    names = [name for name in described.system.parameters if name not in starts]
    for name in section.parameters:
        if name not in names:
            faults.add(
                loaded.where("data", "simulate", "parameters", name),
                f"'{name}' is no parameter of the equations; there is: {', '.join(names) or 'none'}",
            )
    truth = {}
    for name in names:
        own = loaded.config.parameters.get(name)
        value = section.parameters.get(name, described.nominal.get(name, own.value if own else None))
        if value is None:
            faults.add(
                loaded.where("data", "simulate", "parameters"),
                f"needs the true value of {name}, e.g. `{name}: 1`",
            )
        else:
            truth[name] = float(value)
    return truth


def _centre(
    loaded: LoadedConfig,
    described: Described,
    section: SimulateSection,
    truth: Mapping[str, float],
    faults: Faults,
) -> dict[str, float]:
    """The initial value of every state before it is spread."""
    centre = {}
    for name in section.initial:
        if name not in described.system.states:
            faults.add(
                loaded.where("data", "simulate", "initial", name),
                f"'{name}' is no state; the states are {', '.join(described.system.states)}",
            )
    for state in described.system.states:
        where = loaded.where("data", "simulate", "initial")
        formula = described.initial_kind[state] == "formula"
        if formula and section.spread > 0:
            faults.add(
                loaded.where("data", "simulate", "spread"),
                f"spreads the initial values, but model.initial fixes that of {state}; set it to `estimate` or `first`",
            )
        own = loaded.config.parameters.get(initial_name(state))
        if state in section.initial:
            centre[state] = section.initial[state]
        elif formula:
            with faults.catching():
                values = {symbol(n): float(v) for n, v in truth.items()}
                centre[state] = float(put_numbers(described.system.initial[state], values))
        elif own is not None and own.value is not None:
            centre[state] = own.value
        elif state in described.nominal_initial:
            centre[state] = described.nominal_initial[state]
        else:
            faults.add(where, f"needs the initial value of {state}, e.g. `{state}: 1`")
    return centre


def _sigma(loaded: LoadedConfig, described: Described, section: SimulateSection, faults: Faults) -> FloatArray:
    """Standard deviation per observable, [O]."""
    observables = tuple(described.system.observables)
    if not isinstance(section.noise, dict):
        return np.full(len(observables), float(section.noise))
    for name in section.noise:
        if name not in observables:
            faults.add(
                loaded.where("data", "simulate", "noise", name),
                f"'{name}' is no observable; there is: {', '.join(observables)}",
            )
    return np.array([float(section.noise.get(name, 0.0)) for name in observables])


@dataclass(frozen=True)
class TrueModel:
    """The model that made simulated data: solved again where a picture needs the true curve."""

    system: System
    starts: FloatArray

    def solve(self, experiments: Sequence[Experiment]) -> tuple[list[FloatArray], list[FloatArray]]:
        """States [T, S] and observables [T, O] of each experiment at its times. Raises SolveError."""
        system = self.system
        engine = make_engine(system, TIGHT)
        observe = numpy_function(list(system.observables.values()), (*system.states, "t"))
        order = [system.states.index(name.removesuffix("_0")) for name in system.parameters]
        states, observables = [], []
        trajectories = engine.solve(self.starts[:, order], experiments)
        for experiment, trajectory in zip(experiments, trajectories, strict=True):
            if trajectory.failure is not None:
                raise SolveError(f"experiment {experiment.name}: {trajectory.failure}")
            columns = observe(*trajectory.y.T, experiment.times)
            states.append(trajectory.y)
            observables.append(
                np.stack([np.broadcast_to(column, experiment.times.shape) for column in columns], axis=-1)
            )
        return states, observables


def simulate(config: Path | str, overrides: Sequence[str] = (), *, out: Path | str | None = None) -> Simulated:
    """Make the data that a config's `data.simulate` section describes; with `out`, write them there.

    The CSV comes with `<name>.truth.yaml` beside it; the same seed gives the same bytes. Raises
    ConfigError, ModelError, SolveError, or RunError where the file cannot be written.
    """
    simulated = simulate_data(load_config(config, overrides))
    if out is not None:
        try:
            simulated.write(Path(out))
        except OSError as error:
            raise RunError(str(out), f"cannot be written: {(error.strerror or str(error)).lower()}") from error
    return simulated
