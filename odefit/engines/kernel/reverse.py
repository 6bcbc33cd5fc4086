"""The chain rule backwards: what a change of each leaf of a graph is worth, from what changes of some nodes are worth.

It takes a small multiple of the operations of the nodes themselves, however many leaves there are: each node
a = f(b, …) passes on to b what it is worth itself, times df/db.

References
----------
A. Griewank, A. Walther, Evaluating Derivatives (2008), 3.2.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from odefit.engines.kernel.graph import CONDITIONS, Graph, Slopes


def pulled(graph: Graph, worth: Mapping[int, int], leaves: Container[int]) -> Slopes:
    """{leaf: the node of what it is worth} for those of `leaves` on which the nodes of `worth` depend."""
    order = graph.below(worth)
    moving = _moving(graph, order, leaves)
    total = {node: bar for node, bar in worth.items() if node in moving}
    chosen: set[int] = set()
    """Nodes of a branch that may not be taken: not worth anything then, even where they have no finite slope."""
    for a in reversed(order):
        if a not in total or graph.operations[a][0] == "leaf":
            continue
        bar, inner = total.pop(a), graph.inner(a)
        if graph.operations[a][0] == "select":
            shares = [graph.zero, graph.select(inner[0], bar, graph.zero), graph.select(inner[0], graph.zero, bar)]
            chosen.update(inner)
        else:
            shares = [graph.multiply(part, bar) for part in graph.partials(a, [b in moving for b in inner])]
            if a in chosen:
                shares = [graph.unless_zero(bar, share) for share in shares]
                chosen.update(inner)
        for b, share in zip(inner, shares, strict=True):
            if b in moving:
                total[b] = graph.add(total.get(b, graph.zero), share)
    return total


def _moving(graph: Graph, order: list[int], leaves: Container[int]) -> set[int]:
    """The nodes that depend on leaves by more than a condition."""
    moving: set[int] = set()
    for a in order:
        kind = graph.operations[a][0]
        inner = graph.inner(a)[1:] if kind == "select" else graph.inner(a)
        if (kind == "leaf" and a in leaves) or (kind not in CONDITIONS and not moving.isdisjoint(inner)):
            moving.add(a)
    return moving
