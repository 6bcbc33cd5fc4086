"""The units that a config names, of its model and of the tables of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.data.unit_form import NO_UNITS, TIME, UnitForm
from odefit.problem.described import Described
from odefit.runs import folder as files


def unit_form(loaded: LoadedConfig, said: Mapping[str, str] | None = None, *keys: str) -> UnitForm:
    """The units of the model and of one table; what lies in a run folder is in those of the model already.

    Parameters
    ----------
    loaded
        The config.
    said
        What it says of the columns of a table; default: that of `data`.
    keys
        Where it does.
    """
    if (loaded.folder / files.RESULT).exists():
        return NO_UNITS
    data, model = loaded.config.data, dict(loaded.config.model.units)
    if said is not None:
        return UnitForm(model, said, loaded.where("data", *keys, "units"))
    own: dict[str, str] = {} if data.time_unit is None else {TIME: data.time_unit}
    own |= {TIME if name == "time" else name: unit for name, unit in data.units.items()}
    constants = () if loaded.events is None else loaded.events.read_constants
    return UnitForm(model, own, loaded.where("data", "units"), constants, *_deviations(loaded))


def _deviations(loaded: LoadedConfig) -> tuple[set[str], dict[str, str]]:
    """Observables whose standard deviations are of logarithms, and what those of the others are, where it is a name."""
    noise, config = loaded.config.noise, loaded.config
    named = [*(config.model.observables or {}), *config.model.units, *config.data.columns]
    each = {name: noise if isinstance(noise, NoiseSection) else noise.get(name) for name in named}
    known = {name: section for name, section in each.items() if section is not None}
    shares = {name for name, section in known.items() if "log" in section.model}
    return shares, {name: section.sigma for name, section in known.items() if name not in shares}


def dose_units(loaded: LoadedConfig) -> dict[str, str]:
    """What the config says of the columns of doses."""
    section = loaded.config.data.doses
    return {} if section is None else {str(role): unit for role, unit in section.units.items()}


def with_units_of_data(loaded: LoadedConfig, described: Described, units: Mapping[str, str]) -> LoadedConfig:
    """The config with the units that its data say of what the model has none for: for tables and axes."""
    model = loaded.config.model
    known = {TIME, *described.system.observables}
    more = {name: unit for name, unit in units.items() if name in known and name not in model.units}
    if not more:
        return loaded
    section = model.model_copy(update={"units": {**model.units, **more}})
    return replace(loaded, config=loaded.config.model_copy(update={"model": section}))
