"""The section `extensions.petab_sciml` of a problem, or `sciml` as older files say, and the tables that it names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from odefit.errors import ConfigError
from odefit.interop.mathematics import Tree
from odefit.interop.petab_hybrid import ARRAY, Hybrid, PetabNetwork, WeightsRow
from odefit.interop.petab_rows import Files, prior_in
from odefit.interop.petab_tables import Reading, Row
from odefit.model.graphs.arrays import ArrayFile, read_arrays
from odefit.model.graphs.description import check_format
from odefit.records import dataclass
from odefit.text import clip

NAMES = ("petab_sciml", "sciml")
"""The section, as the specification calls it, and as the test suite does."""
_ENTITY = re.compile(r"(?P<network>\w+)\.(?P<part>inputs|outputs|parameters)(?P<rest>.*)", re.ASCII)
_INDEX = re.compile(r"\[\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9}){0,9})\s*\]")
_WEIGHTS = re.compile(r"(?:\[(?P<layer>[^\[\]]+)\](?:\.(?P<array>\w+))?)?(?P<index>(?:\[.*\])?)", re.ASCII)


@dataclass
class Entities:
    """What the mapping table says of networks.

    Attributes
    ----------
    inputs
        Network -> (argument, element or None) -> id.
    outputs
        Network -> id -> (result, indices).
    weights
        Id -> (network, target).
    places
        Id of an output -> its row.
    """

    inputs: dict[str, dict[tuple[int, int | None], str]] = field(default_factory=dict)
    outputs: dict[str, dict[str, tuple[int, tuple[int, ...]]]] = field(default_factory=dict)
    weights: dict[str, tuple[str, str]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """All ids that stand for something of a network."""
        inputs = {name for own in self.inputs.values() for name in own.values()}
        return inputs | {name for own in self.outputs.values() for name in own} | set(self.weights)


def section_of(data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The extension by the name that the problem gives it; None where there is none."""
    extensions = data.get("extensions")
    if isinstance(extensions, Mapping):
        for name in NAMES:
            if isinstance(extensions.get(name), Mapping):
                return name, extensions[name]
    return None


def read_entities(rows: Sequence[Row], networks: Sequence[str], reading: Reading) -> Entities:
    """The rows of the mapping table that are of networks; what cannot be read is a fault."""
    found = Entities()
    for row in rows:
        name, entity = row.text("petabEntityId"), row.text("modelEntityId")
        match = _ENTITY.fullmatch(entity)
        if match is None or match["network"] not in networks:
            continue
        network, rest = match["network"], match["rest"]
        if match["part"] == "parameters":
            weights = _WEIGHTS.fullmatch(rest)
            if weights is None or weights["index"]:
                what = f"'{clip(entity)}': weights are named by layer and array, {network}.parameters[layer].array"
                reading.faults.add(row.where("modelEntityId"), what)
                found.weights[name] = network, ""
                continue
            parts = [part for part in (weights["layer"], weights["array"]) if part]
            found.weights[name] = network, ".".join(parts)
            continue
        indices = tuple(int(index) for group in _INDEX.findall(rest) for index in group.split(","))
        if not indices or _INDEX.sub("", rest) or (match["part"] == "inputs" and len(indices) > 2):
            what = f"'{clip(entity)}' is not read; {match['part']} are named {network}.{match['part']}[0][0]"
            reading.faults.add(row.where("modelEntityId"), what)
        elif match["part"] == "inputs":
            place = (indices[0], indices[1] if len(indices) > 1 else None)
            found.inputs.setdefault(network, {})[place] = name
        else:
            found.outputs.setdefault(network, {})[name] = indices[0], indices[1:] or (0,)
            found.places[name] = row.where("modelEntityId")
    return found


def read_hybrid(
    section: tuple[str, Mapping[str, Any]],
    files: Files,
    reading: Reading,
    entities: Entities,
    weights: Sequence[tuple[str, Row]],
) -> Hybrid:
    """The whole extension.

    Parameters
    ----------
    section
        Its name and what stands there.
    files, reading
        Of the problem.
    entities
        What the mapping table says.
    weights
        The rows of the parameter table that are of networks, by their ids.
    """
    name, data = section
    keys = ("extensions", name)
    decisions = []
    if name != NAMES[0]:
        decisions.append(f"the extension is called '{name}', and '{NAMES[0]}' in its specification: read all the same")
    assigned = _assigned(reading, files.needed(data, keys, "hybridization_files"))
    where = files.source.where((*keys, "array_files"))
    arrays: list[ArrayFile] = []
    for path in files.named(data, keys, "array_files"):
        with files.faults.catching():
            arrays.append(read_arrays(path, where))
    networks = {network: _network(network, files, keys, entities) for network in names_of(section, files)}
    kept = {network: one for network, one in networks.items() if one is not None}
    rows = tuple(_weights(reading, row, own, *entities.weights[own]) for own, row in weights)
    return Hybrid(kept, assigned, rows, tuple(arrays), where, tuple(decisions))


def names_of(section: tuple[str, Mapping[str, Any]], files: Files) -> list[str]:
    """The ids of the networks."""
    name, data = section
    networks = data.get("neural_networks")
    if not isinstance(networks, Mapping) or not networks:
        files.fault(("extensions", name), "has no 'neural_networks': it must name at least one")
        return []
    return [str(network) for network in networks]


def _network(name: str, files: Files, keys: tuple[str, ...], entities: Entities) -> PetabNetwork | None:
    holder = files.source.data["extensions"][keys[1]]["neural_networks"][name]
    own = (*keys, "neural_networks", name)
    if not isinstance(holder, Mapping):
        files.fault(own, "must have a 'location' and a 'format'")
        return None
    try:
        check_format(holder.get("format", "yaml"), files.source.where((*own, "format")))
    except ConfigError as error:
        files.faults.found.extend(error.faults)
        return None
    paths = files.needed(holder, own, "location")
    before = holder.get("pre_initialization", False)
    if not isinstance(before, bool):
        files.fault((*own, "pre_initialization"), f"must be true or false (got {clip(str(before))})")
    if not paths:
        return None
    where = files.source.where(own)
    inputs, outputs = entities.inputs.get(name, {}), entities.outputs.get(name, {})
    return PetabNetwork(name, where, paths[0], bool(before), inputs, outputs, entities.places)


def _assigned(reading: Reading, paths: Sequence[Path]) -> dict[str, tuple[Tree | None, str]]:
    found: dict[str, tuple[Tree | None, str]] = {}
    for name, row in reading.rows_by_id(paths, ["targetId", "targetValue"]):
        is_array = row.text("targetValue") == ARRAY
        found[name] = None if is_array else reading.tree(row, "targetValue"), row.where()
    return found


def _weights(reading: Reading, row: Row, name: str, network: str, target: str) -> WeightsRow:
    estimated = reading.flag(row, "estimate")
    text = row.text("nominalValue")
    nominal = None if text in ("", ARRAY) else reading.number(row, "nominalValue")
    if not text and not estimated:
        reading.faults.add(row.where("nominalValue"), f"'{name}' is not estimated and has no value; write `array`")
    bounds = (reading.number(row, "lowerBound", -math.inf), reading.number(row, "upperBound", math.inf))
    prior = prior_in(reading, row) if estimated else None
    return WeightsRow(name, row.where(), network, target, nominal, estimated, prior, any(map(math.isfinite, bounds)))
