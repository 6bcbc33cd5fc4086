"""What the config says of networks beyond the formulas that call them: files, weights, priors, arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import Faults
from odefit.model.system import Network
from odefit.records import dataclass
from odefit.text import abridged, clip, counted, suggest

if TYPE_CHECKING:
    from torch import nn

    from odefit.arrays import FloatArray
    from odefit.config.network_section import NetworkSection, WeightsSection
    from odefit.model.graphs.description import Graph
    from odefit.objective.weight_priors import WeightPrior


def described_network(loaded: LoadedConfig, name: str, section: NetworkSection, inputs: int, faults: Faults) -> Network:
    """A network as formulas see it, which they call with so many arguments."""
    shape = (section.outputs, tuple(section.hidden), section.activation)
    plain = Network(name, inputs, *shape, section.output, penalty=section.penalty)
    if section.file is None:
        return plain
    from odefit.model.graphs.perceptron import perceptron_of

    graph = _graph(loaded, section.file, faults)
    if graph is None:
        return plain
    takes = len(graph.arguments)
    sizes = tuple(section.inputs or ((inputs,) if takes == 1 else ()))
    where = loaded.where("model", "networks", name)
    if len(sizes) != takes:
        what = f"its file describes {counted(takes, 'argument')}: say in `inputs` how many numbers each takes, "
        faults.add(where, f"{what}e.g. `inputs: {[1] * takes}`")
    for size in sizes:
        if isinstance(size, str) and size not in loaded.config.data.arrays:
            what = f"'{size}' is no entry of data.arrays; {suggest(size, loaded.config.data.arrays)}"
            faults.add(loaded.where("model", "networks", name, "inputs"), what)
    wanted = sum(1 if isinstance(size, str) else size for size in sizes)
    if len(sizes) == takes and wanted != inputs:
        faults.add(where, f"takes {wanted} numbers and arrays by its `inputs`, and formulas call it with {inputs}")
    perceptron = None if any(isinstance(size, str) for size in sizes) else perceptron_of(graph)
    if perceptron is not None and perceptron.widths[0] == inputs and perceptron.widths[-1] == section.outputs:
        hidden, output = perceptron.widths[1:-1], perceptron.output
        shape = (section.outputs, hidden, perceptron.activation)
        return Network(name, inputs, *shape, output, penalty=section.penalty, layers=perceptron.layers)
    return replace(plain, graph=graph, sizes=sizes)


def _graph(loaded: LoadedConfig, file: str, faults: Faults) -> Graph | None:
    from odefit.model.graphs.description import read_graph

    found: list[Graph] = []
    with faults.catching():
        found.append(read_graph(loaded.folder / file))
    return found[0] if found else None


@dataclass(frozen=True)
class Arrays:
    """The entries of `data.arrays`.

    Attributes
    ----------
    tables
        Name -> its different values [N, ...].
    rows
        Name -> which of them each experiment has, [E].
    """

    tables: Mapping[str, FloatArray]
    rows: Mapping[str, tuple[float, ...]]


def read_array_tables(loaded: LoadedConfig, experiments: Sequence[Experiment], faults: Faults) -> Arrays:
    """All arrays; what is wrong with their files becomes a fault."""
    tables: dict[str, FloatArray] = {}
    rows: dict[str, tuple[float, ...]] = {}
    for name, file in loaded.config.data.arrays.items():
        where = loaded.where("data", "arrays", name)
        found: dict[str, FloatArray] = {}
        with faults.catching():
            from odefit.model.graphs.arrays import read_arrays

            arrays = read_arrays(loaded.folder / file, where)
            found = arrays.inputs(name)
            if not found:
                known = dict.fromkeys(place.split("/")[1] for place in arrays.arrays if place.startswith("inputs/"))
                faults.add(where, f"{clip(file)} has no group inputs/{name}; {suggest(name, known)}")
        if not found:
            continue
        order = list(found)
        if len({found[key].shape for key in order}) > 1:
            faults.add(where, f"{clip(file)}: the arrays of inputs/{name} have different shapes")
            continue
        bases = [replicate_of(e.name) for e in experiments]
        missing = [base for base in dict.fromkeys(bases) if base not in found and "0" not in found]
        if missing:
            what = f"{clip(file)}: inputs/{name} has no array for {abridged(missing, 3)}, and none for all ('0')"
            faults.add(where, what)
            continue
        tables[name] = np.stack([found[key] for key in order])
        rows[name] = tuple(float(order.index(base if base in found else "0")) for base in bases)
    return Arrays(tables, rows)


def build(loaded: LoadedConfig, networks: Mapping[str, Network], arrays: Arrays) -> nn.ModuleDict | None:
    """The modules of networks, in double precision, with the weights that the config gives; None where there are none.

    Raises ConfigError with all that is wrong with their files.
    """
    if not networks:
        return None
    from odefit.model.graphs.network import count_outputs
    from odefit.model.networks import build_networks

    faults = Faults()
    for name, network in networks.items():
        if network.graph is None:
            continue
        with faults.catching():
            found = count_outputs(network.graph, network.sizes, arrays.tables)
            if found != network.outputs:
                where = loaded.where("model", "networks", name, "outputs")
                faults.add(where, f"the network of its file returns {found}; write `outputs: {found}`")
    faults.check()
    modules = build_networks(networks.values(), loaded.config.fit.seed, arrays.tables).double()
    for name in networks:
        section = loaded.config.model.networks.get(name)
        if section is not None:
            _set_weights(loaded, name, section, modules[name], faults)
    faults.check()
    return modules


def given_weights(loaded: LoadedConfig) -> tuple[str, ...]:
    """The networks that begin with weights of the config, which no units of the data may change."""
    networks = loaded.config.model.networks
    return tuple(name for name, own in networks.items() if own.weights is not None or own.value is not None)


def _set_weights(loaded: LoadedConfig, name: str, section: NetworkSection, module: nn.Module, faults: Faults) -> None:
    """Values and freezes of one network's weights."""
    import torch

    from odefit.model.weights import put, tensors_by_layer

    own = tensors_by_layer(module)
    given: dict[str, FloatArray] = {}
    _check_layers(loaded, name, section, own, faults)
    if section.weights is not None:
        from odefit.model.graphs.arrays import read_arrays

        where = loaded.where("model", "networks", name, "weights")
        with faults.catching():
            given = read_arrays(loaded.folder / section.weights, where).weights(name)
            for key in given:
                if key not in own:
                    faults.add(where, f"'{clip(key)}' is no array of this network; {suggest(key, own)}")
            for key, tensor in own.items():
                if (
                    isinstance(tensor, torch.nn.Parameter)
                    and key not in given
                    and _value(section, key) is section.value is None
                ):
                    faults.add(where, f"has no array parameters/{name}/{key.replace('.', '/')}")
                elif key in given and given[key].shape != tuple(tensor.shape):
                    shape = f"{given[key].shape}, and the network's is {tuple(tensor.shape)}"
                    faults.add(where, f"parameters/{name}/{key.replace('.', '/')} has the shape {shape}")
                elif key in given:
                    put(tensor, torch.as_tensor(given[key]))
    for key, tensor in own.items():
        value = _value(section, key)
        if value is not None:
            put(tensor, value)
        elif section.value is not None and key not in given:
            put(tensor, section.value)
        if isinstance(tensor, torch.nn.Parameter):
            tensor.requires_grad_(is_estimated(section, key))


def _check_layers(
    loaded: LoadedConfig, name: str, section: NetworkSection, own: Mapping[str, object], faults: Faults
) -> None:
    from odefit.model.weights import belongs

    for target in section.layers:
        if not any(belongs(key, target) for key in own):
            known = dict.fromkeys([*(key.rsplit(".", 1)[0] for key in own), *own])
            what = f"'{clip(target)}' is no layer and no array of this network; {suggest(target, known)}"
            faults.add(loaded.where("model", "networks", name, "layers", target), what)


def _settings(section: NetworkSection, key: str) -> Iterator[WeightsSection]:
    """The sections for one array, the most specific first."""
    from odefit.model.weights import most_specific

    for target in most_specific(key, section.layers):
        yield section.layers[target]


def _value(section: NetworkSection, key: str) -> float | None:
    """The number that the weights of an array begin with, where `layers` says one."""
    return next((one.value for one in _settings(section, key) if one.value is not None), None)


def is_estimated(section: NetworkSection, key: str) -> bool:
    """Whether the weights of an array are estimated."""
    own = [one.estimate for one in _settings(section, key) if one.estimate is not None]
    return own[0] if own else section.estimate is not False


def weight_priors(loaded: LoadedConfig, modules: nn.ModuleDict | None) -> tuple[WeightPrior, ...]:
    """The priors of all estimated weights."""
    if modules is None:
        return ()  # equations need no torch
    from odefit.model.weights import weights_by_layer

    found = []
    for name, module in modules.items():
        section = loaded.config.model.networks.get(name)
        if section is None:
            continue
        for key, weights in weights_by_layer(module).items():
            given = [one.prior for one in _settings(section, key) if one.prior is not None]
            prior = given[0] if given else section.prior
            if prior is not None and weights.requires_grad:
                from odefit.objective.weight_priors import WeightPrior
                from odefit.problem.priors import prior_of

                found.append(WeightPrior(name, key, prior_of(prior), weights))
    return tuple(found)
