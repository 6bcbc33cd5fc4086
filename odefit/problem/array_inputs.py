"""Short arrays that perceptrons take, as numbers one by one: what is a perceptron is then compiled as any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.model.system import Network, NetworkCall, symbol
from odefit.problem.described import Described
from odefit.problem.network_files import Arrays

MOST = 200
"""The most numbers of an array that is taken apart."""


def with_numbers_of_arrays(described: Described, arrays: Arrays) -> tuple[Described, dict[str, list[float]]]:
    """A system whose perceptrons take numbers in the place of arrays, and what these are in each experiment."""
    changed = {
        name: found
        for name, network in described.system.networks.items()
        if network.arrays and (found := _perceptron(network, arrays.tables)) is not None
    }
    if not changed:
        return described, {}
    values: dict[str, list[float]] = {}
    for name in changed:
        for array in described.system.networks[name].arrays.values():
            table = arrays.tables[array]
            for k in range(table.shape[1]):
                values[_element(array, k)] = [float(table[int(row), k]) for row in arrays.rows[array]]

    def expanded(name: Any, component: Any, *arguments: Any) -> Any:
        if name.name not in changed:
            return NetworkCall(name, component, *arguments)
        own = described.system.networks[name.name].arrays
        parts: list[Any] = []
        for position, argument in enumerate(arguments):
            array = own.get(position)
            parts += (
                [argument]
                if array is None
                else [symbol(_element(array, k)) for k in range(arrays.tables[array].shape[1])]
            )
        return NetworkCall(name, component, *parts)

    def put(formula: sp.Expr) -> sp.Expr:
        found: sp.Expr = formula.replace(NetworkCall, expanded) if formula.atoms(NetworkCall) else formula
        return found

    system = described.system.mapped(put)
    left = {array for n, network in system.networks.items() if n not in changed for array in network.arrays.values()}
    parameters = [name for name in system.parameters if name not in arrays.tables or name in left]
    system = replace(system, parameters=(*parameters, *values), networks={**system.networks, **changed})
    ties = {name: put(formula) for name, formula in described.ties.items()}
    starts = {name: put(formula) for name, formula in described.starts.items()}
    return replace(described, system=system, ties=ties, starts=starts), values


def _perceptron(network: Network, tables: Mapping[str, FloatArray]) -> Network | None:
    """The network as a perceptron of numbers; None where it is none."""
    own = [tables.get(array) for array in network.arrays.values()]
    if network.graph is None or any(table is None or table.ndim != 2 or table.shape[1] > MOST for table in own):
        return None
    from odefit.model.graphs.perceptron import perceptron_of

    found = perceptron_of(network.graph)
    inputs = network.inputs - len(own) + sum(table.shape[1] for table in own if table is not None)
    if found is None or found.widths[0] != inputs or found.widths[-1] != network.outputs:
        return None
    return replace(
        network,
        inputs=inputs,
        hidden=found.widths[1:-1],
        activation=found.activation,
        output=found.output,
        graph=None,
        sizes=(),
        layers=found.layers,
    )


def _element(array: str, k: int) -> str:
    """The symbol of one number of an array, by a name that no user can write."""
    return f"{array}[{k}]"
