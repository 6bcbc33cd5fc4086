"""What noise planned measurements are taken to have, where the config estimates its level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from odefit.config.noise_section import NoiseSection
from odefit.model.formulas import free_names
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.text import abridged
from odefit.uncertainty.degrees_of_freedom import noise_levels

GIVEN, SIMULATED = "from `parameters`", "from `data.simulate.noise`"
SCATTER = "by the scatter of the data, unless `parameters` give a value"
MOST_NAMED = 4


@dataclass(frozen=True)
class AssumedLevel:
    """A noise level that is estimated, and what is assumed for it: its value, and where that is from."""

    name: str
    value: float
    source: str


def assumed_levels(assembly: Assembly) -> tuple[AssumedLevel, ...]:
    """The levels that are estimated: as the config has them, or the simulation of its data, or by their scatter."""
    problem, said, simulated = assembly.problem, assembly.loaded.config.parameters, _simulated(assembly)
    table, noise = problem.table, problem.observation.noise
    found = []
    for name, is_level in zip(table.estimated_names, noise_levels(problem), strict=True):
        if not is_level:
            continue
        value, source = float(table[name].value), SCATTER
        used = [one for one in noise if (sigma := noise[one].sigma) is not None and free_names(sigma) == {name}]
        if name in said and said[name].value is not None:
            source = GIVEN
        elif used and used[0] in simulated:
            value, source = simulated[used[0]], SIMULATED
        found.append(AssumedLevel(name, value, source))
    return tuple(found)


def assumed_words(levels: Sequence[AssumedLevel]) -> list[str]:
    """A sentence for each source."""
    sources = list(dict.fromkeys(level.source for level in levels))
    return [
        f"assumed noise: {abridged([f'{x.name} {x.value:.4g}' for x in levels if x.source == source], MOST_NAMED)}, "
        f"{source}"
        for source in sources
    ]


def _simulated(assembly: Assembly) -> Mapping[str, float]:
    """By observable: the level of its simulated noise, where that is a number on the scale of the noise model."""
    section = assembly.loaded.config.data.simulate
    if section is None:
        return {}
    noise = assembly.problem.observation.noise
    each = section.noise if isinstance(section.noise, dict) else dict.fromkeys(noise, section.noise)
    found = {}
    for name, level in each.items():
        if isinstance(level, NoiseSection):
            value, is_alike = _number(level.sigma), level.model == noise[name].model
        else:
            value, is_alike = float(level), not noise[name].is_log
        if is_alike and value > 0:
            found[name] = value
    return found


def _number(text: object) -> float:
    try:
        value = float(str(text))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
