"""The inputs of a config: known functions of time, each from one file, or from a file for each experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odefit.config.load import LoadedConfig
from odefit.config.named_files import is_pattern, matching
from odefit.data.clock import Clock
from odefit.data.experiments import Input
from odefit.data.inputs import read_input
from odefit.errors import ConfigError, Faults
from odefit.problem.units import unit_form
from odefit.text import clip, plain_label

if TYPE_CHECKING:
    from odefit.config.conditions_section import InputSection


def inputs_of(
    loaded: LoadedConfig, faults: Faults, clock: tuple[Clock | None, str], notes: list[str]
) -> dict[str, dict[str | None, Input]]:
    """Each input: experiment -> its function of time; None -> that of all others. Whatever is wrong goes to `faults`.

    clock: that of the measurements, where their times are dates, and their unit of time.
    """
    found = {}
    for name, section in loaded.config.data.inputs.items():
        with faults.catching():
            found[name] = _one(loaded, name, section, clock, notes)
    return found


def _one(
    loaded: LoadedConfig, name: str, section: InputSection, clock: tuple[Clock | None, str], notes: list[str]
) -> dict[str | None, Input]:
    where = loaded.where("data", "inputs", name)
    files = matching(section.csv, loaded.folder)
    if not files:
        raise ConfigError(where, f"no file matches '{clip(section.csv, 100)}'")
    found, told = dict[str | None, Input](), list[str]()
    for file in files:
        path = loaded.folder / file
        own = read_input(
            path,
            section.column or name,
            name=name,
            time=section.time,
            experiment=section.experiment,
            interpolation=section.interpolation,
            where=where,
            clock=clock[0],
            units=unit_form(loaded, {} if section.unit is None else {name: section.unit}, "inputs", name),
            time_unit=clock[1],
            notes=told,
        )
        if is_pattern(section.csv, loaded.folder):  # each file is of the experiment that is called like it
            own = {plain_label(path.stem) if key is None else key: known for key, known in own.items()}
        for key in own.keys() & found.keys():
            raise ConfigError(where, f"two files that match '{clip(section.csv, 100)}' have points of experiment {key}")
        found |= own
    notes += dict.fromkeys(told)  # of units: the same for all files
    return found
