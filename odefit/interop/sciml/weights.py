"""The rows of the parameter table that are of weights, as settings of networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from odefit.arrays import FloatArray
from odefit.errors import Faults
from odefit.interop.draft import DraftWeights
from odefit.interop.petab_hybrid import Hybrid, WeightsRow
from odefit.interop.sciml.arrays import ProblemArrays, as_bytes
from odefit.interop.sciml.dimensions import check_weights
from odefit.interop.unknowns import prior_of
from odefit.model.graphs.description import Graph
from odefit.records import dataclass
from odefit.text import abridged, clip, suggest


@dataclass
class Settings:
    """What configs say of weights.

    Attributes
    ----------
    whole, layers
        Network -> settings of all its weights; of layers and arrays.
    files, content
        Network -> its file of weights, where it has one; the files themselves.
    decisions
        What had to be decided.
    """

    whole: dict[str, DraftWeights] = field(default_factory=dict)
    layers: dict[str, dict[str, DraftWeights]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    decisions: list[str] = field(default_factory=list)


def settings_of(hybrid: Hybrid, arrays: ProblemArrays, graphs: Mapping[str, Graph], faults: Faults) -> Settings:
    """The settings of all networks, and files of their weights."""
    found = Settings()
    for name, graph in graphs.items():
        rows = [row for row in hybrid.weights if row.network == name]
        layers = [layer.name for layer in graph.layers]
        for row in rows:
            layer = row.target.rsplit(".", 1)[0]
            if row.target and row.target not in layers and layer not in layers:
                what = f"'{clip(row.name)}' is of layer '{clip(layer)}' of '{name}'; {suggest(layer, layers)}"
                faults.add(row.where, what)
        whole = next((row for row in rows if not row.target), None)
        found.whole[name] = DraftWeights() if whole is None else _settings(whole, is_whole=True)
        found.layers[name] = {row.target: _settings(row, is_whole=False) for row in rows if row.target}
        given = _given(arrays.weights(name), rows)
        numbers = [row.target for row in rows if row.nominal is not None]
        with faults.catching():
            check_weights(name, graph, given, numbers, hybrid.where, faults)
        if given:
            found.files[name] = f"{name}_weights.h5"
            places = {f"parameters/{name}/{key.replace('.', '/')}": array for key, array in given.items()}
            found.content[found.files[name]] = as_bytes(places)
    bounded = [row.name for row in hybrid.weights if row.bounded and row.estimated]
    if bounded:
        found.decisions.append(
            f"weights are trained without bounds, and so those of {abridged(bounded, 5)} are left out"
        )
    return found


def _settings(row: WeightsRow, *, is_whole: bool) -> DraftWeights:
    prior = None if row.prior is None else prior_of(row.prior, "lin", truncated=False)
    estimate = row.estimated if not is_whole or not row.estimated else None
    return DraftWeights(row.nominal, estimate, prior)


def _given(arrays: Mapping[str, FloatArray], rows: list[WeightsRow]) -> dict[str, FloatArray]:
    """The arrays that are nominal values: those of which no row, or the most specific one, gives a number."""
    kept = {}
    for key, array in arrays.items():
        own = [row for row in rows if row.target in ("", key) or key.startswith(f"{row.target}.")]
        first = max(own, key=lambda row: len(row.target), default=None)
        if first is None or first.nominal is None:
            kept[key] = array
    return kept
