"""The names in formulas beside the equations: those of noise levels and of derived quantities.

What they mean is settled once the data are known; that they mean nothing is told with the faults of the equations, so
that those of one file are told at once.
"""

from __future__ import annotations

from collections.abc import Collection

from odefit.config.load import LoadedConfig
from odefit.errors import Faults, InputError
from odefit.model.formulas import parse_formula
from odefit.problem.described import initial_name
from odefit.problem.formula_reader import FormulaReader
from odefit.problem.noise_columns import LEVELS, NoiseColumns, check_noise_keys, noise_texts


def check_beside(noise: NoiseColumns, columns: Collection[str]) -> None:
    """Raise ConfigError for the names that mean nothing, of a system that has been described.

    Parameters
    ----------
    noise
        Its noise formulas.
    columns
        The columns of the data.
    """
    faults, system = Faults(), noise.described.system
    check_noise_keys(noise.loaded, system.observables, faults)
    noise.check(columns, faults)
    # In their order, as messages show them.
    curves = dict.fromkeys([*system.expressions, *system.states, *system.observables]).keys()
    names = {*noise.meanings, *noise.described.known, *columns} - curves
    _check_derived(noise.loaded, names, curves, system.states, system.compared, faults)
    faults.check()


def add_beside(reader: FormulaReader) -> None:
    """Add the names that mean nothing to the faults of the equations."""
    place, section = reader.place, reader.place.section
    try:
        columns = {*place.measured(), *place.columns}
    except InputError:  # said by those who read the data, and until then nothing is known of their columns
        return
    given = section.observables or {}
    observables = list(given) if section.observables is not None else list(reader.states)
    check_noise_keys(place.loaded, observables, reader.faults)
    curves = dict.fromkeys([*reader.states, *observables, *section.expressions]).keys()
    names = dict.fromkeys([*reader.known, *place.inputs, *columns, *curves]).keys()
    for observable in observables:
        for where, text in noise_texts(place.loaded, observable):
            with reader.faults.catching():
                parse_formula(text, names, where)
    compared = {name for name, one in given.items() if one.kind != "formula"}
    _check_derived(place.loaded, names - curves, curves, reader.states, compared, reader.faults)


def _check_derived(
    loaded: LoadedConfig,
    names: set[str],
    curves: Collection[str],
    states: Collection[str],
    compared: Collection[str],
    faults: Faults,
) -> None:
    if loaded.config.derived:
        from odefit.problem.curve_formulas import check_names

        own = {f"{kind}_{curve}" for kind in LEVELS for curve in curves}  # noise levels that the config leaves to us
        check_names(loaded, names | own | {initial_name(state) for state in states}, curves, compared, faults)
