"""From a config to an assembled problem: the equations, the measurements, and what binds the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from odefit.config.load import LoadedConfig
from odefit.config.model_section import LATENT_ODE
from odefit.data.covariates import CovariateUse
from odefit.data.experiments import Experiment
from odefit.data.replicates import Repeats
from odefit.data.table_beside import Beside
from odefit.errors import ConfigError
from odefit.model.system import TIME
from odefit.problem.arrival import arrival_notes
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.conditions import under_conditions
from odefit.problem.constant_conditions import constant_condition_notes
from odefit.problem.dated_config import with_numbers_for_dates
from odefit.problem.dates import dates_of
from odefit.problem.described import Described
from odefit.problem.event_table import FIRST_REPEATS, with_events
from odefit.problem.first_rows import first_row_notes
from odefit.problem.formulas_beside import check_beside
from odefit.problem.measured import read_measured
from odefit.problem.noise_columns import NoiseColumns
from odefit.problem.settled import MOST_REPEATS, unsettled
from odefit.problem.sides import on_sides
from odefit.problem.systems import describe_system
from odefit.problem.table_form import beside_notes
from odefit.problem.units import with_units_of_data


def prepare(loaded: LoadedConfig) -> tuple[Assembly, dict[str, float] | None]:
    """Everything before the search: the assembled problem, and the truth where the data are simulated."""
    repeats, loaded = FIRST_REPEATS, with_numbers_for_dates(loaded)
    while True:
        assembly, truth = _prepare(with_events(loaded, repeats))
        if not unsettled_at_start(assembly) or repeats >= MOST_REPEATS:
            return assembly, truth
        repeats = min(4 * repeats, MOST_REPEATS)


def unsettled_at_start(assembly: Assembly) -> list[str]:
    """The experiments whose doses before a steady state are too few for it where the search begins."""
    events = assembly.loaded.events
    if events is None or not events.steady:
        return []
    return unsettled(assembly.problem, assembly.problem.table.values, events.steady)


def _prepare(loaded: LoadedConfig) -> tuple[Assembly, dict[str, float] | None]:
    described = describe_system(loaded)
    notes = constant_condition_notes(loaded, described)
    beside = Beside()
    measured, truth = measurements(loaded, described, notes, beside)
    notes += [*first_row_notes(described, measured), *arrival_notes(loaded, measured)]
    loaded = with_units_of_data(loaded, described, beside.units)
    assembly = assemble(loaded, described, measured)
    dates = dates_of(loaded, beside.clock)
    return replace(assembly, notes=(*notes, *assembly.notes), excluded=beside.excluded, dates=dates), truth


def measurements(
    loaded: LoadedConfig, described: Described, notes: list[str], beside: Beside
) -> tuple[tuple[Experiment, ...], dict[str, float] | None]:
    """The experiments that a config names or simulates, with the columns in the order of the observables.

    Parameters
    ----------
    loaded, described
        The config, and the system that it describes.
    notes
        Takes what a user should know of how they were read, a sentence each.
    beside
        Takes what the file has beside measurements.

    Returns
    -------
    experiments, truth
        The truth is None unless the data are simulated.
    """
    data, names = loaded.config.data, tuple(described.system.observables)
    if data.spirals is not None:
        raise ConfigError(
            loaded.where("data", "spirals"), f"makes series for `name: {LATENT_ODE}`; use csv or simulate"
        )
    if data.simulate is not None:
        from odefit.problem.simulation import simulate_data

        simulated = simulate_data(loaded, described)
        notes += simulated.notes
        missing = [name for name in names if name not in simulated.observables]
        if missing:
            raise ConfigError(
                loaded.where("data", "simulate", "model"),
                f"does not make the observable '{missing[0]}'; it makes {', '.join(simulated.observables)}",
            )
        order = [simulated.observables.index(name) for name in names]
        check_beside(NoiseColumns(loaded, described), data.simulate.columns)
        return tuple(_ordered(e, order) for e in simulated.experiments), dict(simulated.truth)
    left_out: set[str] = set()
    chosen = loaded.config.model.observables is not None
    repeats: list[Repeats] = []
    noise, known = NoiseColumns(loaded, described), set[str]()
    experiments = read_measured(
        loaded,
        names,
        notes,
        left_out=left_out,
        chosen=chosen,
        use=_use(noise, loaded, described),
        known=known,
        repeats=repeats,
        beside=beside,
        constants=_in_the_file(described),
    )
    check_beside(noise, known)
    notes += beside_notes(loaded, beside, _in_the_file(described))
    states, conditions, anchor = described.system.states, described.conditions, described.anchor
    clock = beside.clock, beside.units.get(TIME, "")
    notes += () if conditions is None else conditions.notes
    found = under_conditions(loaded, experiments, states, conditions, anchor, notes, left_out, clock)
    return on_sides(loaded, described, found, notes, repeats), None


def _in_the_file(described: Described) -> frozenset[str]:
    """The constants that are columns of the file of measurements."""
    return frozenset() if described.conditions is None else described.conditions.beside


def _use(noise: NoiseColumns, loaded: LoadedConfig, described: Described) -> CovariateUse:
    """What noise formulas name; a constant that is a column of the file of measurements has no second meaning."""
    conditions = None if loaded.events is None else loaded.events.conditions
    own = _in_the_file(described) if conditions is None else {*conditions.constants}
    return replace(noise.use, taken={name: what for name, what in noise.use.taken.items() if name not in own})


def _ordered(experiment: Experiment, order: Sequence[int]) -> Experiment:
    """The same with its observables in another order."""
    beside = {name: numbers[:, order] for name, numbers in experiment.covariates.items()}
    return replace(experiment, values=experiment.values[:, order], covariates=beside)
