"""The formulas around networks as LLVM IR: rates, inputs of the networks, and the derivatives of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odefit import algebra as sp
from odefit.compilation.mathematics import FUNCTIONS
from odefit.engines.kernel.graph import Graph
from odefit.engines.kernel.ir_body import INTRINSICS, Body
from odefit.engines.kernel.translation import Translator
from odefit.model.system import TIME, NetworkCall, System, symbol
from odefit.records import dataclass

MAX_NODES = 3_000
"""Operations in the formulas of a system; longer ones are left to torch."""
HEAD = "double %t, ptr noalias %y, ptr noalias %p, ptr noalias %o, ptr noalias %f"

Entry = tuple[int, int]


@dataclass(frozen=True)
class Call:
    """A network applied to arguments.

    Attributes
    ----------
    network
        Its name.
    arguments
        Formulas, in which other networks may stand.
    is_nested
        Whether they do.
    """

    network: str
    arguments: tuple[Any, ...]
    is_nested: bool


@dataclass(frozen=True)
class FieldText:
    """IR of one system.

    Attributes
    ----------
    text
        Functions `inputs`, `rates` and `partials` of (t, y, p, o), the last of which writes all `entries`.
    calls
        In the order in which they can be evaluated.
    entries
        Row and column of each derivative that is not always zero, in parts: of the rates to [y, p, o], then of the
        inputs of the last call, of the call before, ...; rows of inputs stand behind those of the rates.
    """

    text: str
    calls: tuple[Call, ...]
    entries: tuple[tuple[Entry, ...], ...]


def field_text(system: System) -> FieldText | None:
    """The IR of a system with networks; None where its formulas are too long. Raises ModelError for others."""
    calls = _calls(system)
    graph = Graph()
    p = {name: graph.leaf("p", i) for i, name in enumerate(system.parameters)}
    y = {name: graph.leaf("y", i) for i, name in enumerate(system.states)}
    outputs: dict[Any, str] = {}
    o: dict[str, int] = {}
    for call in calls:
        for k in range(system.networks[call.network].outputs):
            name = f"@{len(o)}"  # no name that a user can write
            o[name] = graph.leaf("o", len(o))
            outputs[NetworkCall(sp.Str(call.network), sp.Integer(k), *call.arguments)] = name
    reader = Translator(graph, p | {TIME: graph.leaf("t")} | y | o, "equations")

    def node(formula: Any) -> int:
        return reader(_without_calls(formula, outputs))

    rates = [node(formula) for formula in system.rhs]
    inputs = [[node(argument) for argument in call.arguments] for call in calls]
    if len(graph.below([*rates, *(x for row in inputs for x in row)])) > MAX_NODES:
        return None
    columns = {leaf: k for k, leaf in enumerate([*y.values(), *p.values(), *o.values()])}
    first = [len(rates) + sum(map(len, inputs[:c])) for c in range(len(calls))]
    parts = [_entries(graph, rates, 0, columns)]
    parts += [_entries(graph, inputs[c], first[c], columns) for c in reversed(range(len(calls)))]
    functions = [
        _function(graph, "rates", rates),
        _function(graph, "inputs", [x for row in inputs for x in row]),
        _function(graph, "partials", [slope for part in parts for slope in part.values()]),
    ]
    declared = [f"declare double @llvm.{name}.f64({_doubles(name)})" for name in INTRINSICS]
    declared += [f"declare double @{name}({_doubles(name)})" for name in FUNCTIONS if name not in INTRINSICS]
    return FieldText("\n".join([*functions, *declared, ""]), calls, tuple(tuple(part) for part in parts))


def _calls(system: System) -> tuple[Call, ...]:
    """All calls, each once, those that others need first."""
    found: dict[tuple[Any, ...], Call] = {}

    def add(formula: Any) -> None:
        for call in sorted(formula.atoms(NetworkCall), key=str):
            name, _, *arguments = call.args
            inner = [a for a in arguments if a.atoms(NetworkCall)]
            for argument in inner:
                add(argument)
            found.setdefault((name, *arguments), Call(str(name.name), tuple(arguments), bool(inner)))

    for formula in system.rhs:
        add(formula)
    return tuple(found.values())


def _without_calls(formula: Any, outputs: Mapping[Any, str]) -> Any:
    """The formula with a symbol for each outermost output of a network."""
    return formula.xreplace({call: symbol(outputs[call]) for call in formula.atoms(NetworkCall)})


def _entries(graph: Graph, nodes: list[int], first: int, columns: Mapping[int, int]) -> dict[Entry, int]:
    return {
        (first + i, columns[leaf]): slope
        for i, node in enumerate(nodes)
        for leaf, slope in graph.slopes(node).items()
        if leaf in columns
    }


def _function(graph: Graph, name: str, nodes: list[int]) -> str:
    body = Body(graph, 1)
    for i, node in enumerate(nodes):
        body.store("%f", i, body.value(node))
    return "\n".join([f"define void @{name}({HEAD}) nounwind {{", *body.lines, "  ret void", "}"])


def _doubles(name: str) -> str:
    return "double, double" if name == "pow" else "double"
