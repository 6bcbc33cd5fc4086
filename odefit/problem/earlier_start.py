"""A fit that starts where an earlier one has ended: which of its values and weights are taken, and which are not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from odefit.config.earlier import EarlierFit
from odefit.objective.parameters import Parameter, ParameterTable
from odefit.text import abridged

if TYPE_CHECKING:
    from torch import nn

MOST_NAMED = 12


def with_earlier_values(table: ParameterTable, earlier: EarlierFit) -> tuple[ParameterTable, tuple[str, ...]]:
    """The table with the values of an earlier fit to start from, and sentences that say which these are."""
    taken: list[str] = []
    left: dict[str, list[str]] = {}
    rows = []
    for parameter in table:
        obstacle = _obstacle(parameter, earlier.values.get(parameter.name))
        if not parameter.estimate:
            obstacle = "fixed here"
        if obstacle is None:
            taken.append(parameter.name)
            rows.append(replace(parameter, value=float(earlier.values[parameter.name])))
        else:
            left.setdefault(obstacle, []).append(parameter.name)
            rows.append(parameter)
    gone = [name for name in earlier.values if name not in table.index]
    notes = [f"starts from {earlier.name}: {abridged(taken, MOST_NAMED) or 'no parameter of it'}"]
    notes += [f"not taken from {earlier.name}: {abridged(names, MOST_NAMED)} ({why})" for why, names in left.items()]
    notes += [f"{earlier.name} has more than this fit: {abridged(gone, MOST_NAMED)}"] if gone else []
    return ParameterTable(tuple(rows)), tuple(notes)


def _obstacle(parameter: Parameter, value: float | None) -> str | None:
    """Why a parameter cannot start from a value, or None."""
    if value is None or not math.isfinite(value):
        return "it has no value there"
    within = parameter.lower <= value <= parameter.upper
    if parameter.scale == "log":
        within = within and value > 0
    if parameter.scale == "logit":
        within = parameter.lower < value < parameter.upper
    return None if within else "its value there lies outside of the bounds here"


def take_earlier_weights(networks: nn.ModuleDict, earlier: EarlierFit) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fill the networks that an earlier fit had as well, of the same architecture: their names, and what to say."""
    from odefit.model.networks import same_architecture

    taken = []
    for name, module in networks.items():
        beginning = f"{name}."
        there = {key.removeprefix(beginning): w for key, w in earlier.weights.items() if key.startswith(beginning)}
        if same_architecture(module, there):
            module.load_state_dict(there)
            taken.append(name)
    left = [name for name in networks if name not in taken]
    notes = [f"the weights of {', '.join(taken)} are those of {earlier.name}"] if taken else []
    notes += [f"{', '.join(left)} begins anew: {earlier.name} has no network of that name and shape"] if left else []
    return tuple(taken), tuple(notes)
