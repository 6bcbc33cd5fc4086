"""The functions of one system as LLVM IR: its rates, its rates with all sensitivities, and its initial values.

What the stepper integrates is z [S, C]: in each row a state, then its sensitivities, then zeros. With the Jacobian
J = df/dy and P = df/dp, each of which the graph has entry by entry,

    dz_i/dt = [f_i, sum_k J_ik S_k + P_i],

a sum of rows of z, as vectors of WIDTH. Long systems are cut into functions of about MAX_NODES operations, because the
time that LLVM takes for one function grows faster than its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from odefit.compilation.mathematics import FUNCTIONS
from odefit.engines.kernel.graph import Graph
from odefit.engines.kernel.ir_body import INTRINSICS, WIDTH, Body
from odefit.engines.kernel.sparsity import Pattern, pattern_of
from odefit.engines.kernel.translation import Translator
from odefit.model.system import TIME, System
from odefit.records import dataclass

MAX_NODES = 1_500
MAX_SIZE = 400_000
"""Operations of a system that is compiled: at half a minute for the stiff method's, once."""
MIN_SPARSE, MAX_SHARE = 20, 0.2
"""Fewer states have dense matrices; more, too, where sparse ones would take a larger share of their work."""

ALONG = """\
define void @along(ptr noalias %p, ptr noalias %z) nounwind {{
entry:
  call void @begin(ptr %p, ptr %z)
  br label %row
row:
  %i = phi i64 [ 0, %entry ], [ %below, %next ]
  %first = mul i64 %i, {columns}
  br label %column
column:
  %j = phi i64 [ 1, %row ], [ %right, %column ]
  %at = add i64 %first, %j
  %from = add i64 %at, {parameters}
  %source = getelementptr double, ptr %p, i64 %from
  %value = load double, ptr %source
  %target = getelementptr double, ptr %z, i64 %at
  store double %value, ptr %target
  %right = add i64 %j, 1
  %is_last = icmp eq i64 %right, {columns}
  br i1 %is_last, label %next, label %column
next:
  %below = add i64 %i, 1
  %is_end = icmp eq i64 %below, {states}
  br i1 %is_end, label %end, label %row
end:
  ret void
}}"""
ARGUMENTS = "double %t, ptr noalias %y, ptr noalias %p, ptr noalias %f"


@dataclass(frozen=True)
class ModelText:
    """IR of one system.

    Attributes
    ----------
    columns
        C, the length of a row of z.
    size
        About how many operations the text has.
    pattern
        Of the stiff method's matrix; None where it is dense, or where the text has none.
    """

    text: str
    columns: int
    size: int
    pattern: Pattern | None = None


def columns_of(sensitivities: int) -> int:
    """C for a number of sensitivities: the state and these, as whole vectors."""
    return 1 + sensitivities if sensitivities <= 1 else -(-(1 + sensitivities) // WIDTH) * WIDTH


def model_text(system: System, sensitive: Sequence[str]) -> ModelText:
    """The IR of a system without interruptions: what the explicit method needs.

    Functions `rates(t, y, p, f)`, `full(t, z, p, k)`, `initial(p, y)`, `begin(p, z)`, and `along(p, z)`, which takes
    initial sensitivities [S, C] from behind the parameters. Raises ModelError for what cannot be compiled.
    """
    writer = _Writer(system, sensitive)
    start = [Translator(writer.graph, writer.p, "initial values")(formula) for formula in system.start]
    parts = [
        *writer.scalar("rates", writer.rates, ARGUMENTS),
        *writer.full(),
        *writer.scalar("initial", start, "ptr noalias %p, ptr noalias %f"),
        *writer.begin(start),
    ]
    if sensitive:
        size = (len(system.states), writer.columns, len(system.parameters))
        parts.append(ALONG.format(states=size[0], columns=size[1], parameters=size[2]))
    return writer.whole(parts)


def stiff_text(system: System, sensitive: Sequence[str]) -> ModelText:
    """What the stiff method needs besides: of the states alone, and of states with sensitivities.

    Functions `matrix(t, y, p, J)`, the Jacobian [S, S] or the entries of its pattern, and `curve(t, z, v, p, k)`: the
    derivative of all rates in the direction v [S + 1] of the states and the time, less J v itself; both again with
    `_full`, for rows of C.
    """
    writer = _Writer(system, sensitive)
    pattern = writer.pattern()
    parts = [part for is_full in (False, True) for part in (*writer.matrix(is_full, pattern), *writer.curve(is_full))]
    return writer.whole(parts, pattern)


def adjoint_text(system: System, sensitive: Sequence[str]) -> ModelText:
    """What the way back through the steps of the explicit method needs, of the states alone.

    Functions `pull(t, y, w, p, g)`, which adds to g [S + K] what the rates are worth for states and for the sensitive
    parameters, where rate i is worth w_i; and `pull_start(p, w, g)`, the same of the initial values, [K] of parameters.
    """
    writer = _Writer(system, sensitive)
    start = [Translator(writer.graph, writer.p, "initial values")(formula) for formula in system.start]
    return writer.whole(
        [
            *writer.pull(
                "pull", "double %t, ptr noalias %y, ptr noalias %w, ptr noalias %p, ptr noalias %f", writer.places
            ),
            *writer.pull("pull_start", "ptr noalias %p, ptr noalias %w, ptr noalias %f", writer.wanted, start),
        ]
    )


def stiff_adjoint_text(system: System, sensitive: Sequence[str]) -> ModelText:
    """What the way back through the steps of the stiff method needs besides.

    A function `pull_curve(t, y, v, w, p, g)`, which adds to g [S + K] what states and parameters are worth where the
    changes of the rates along v [S + 1], a direction of states and time, are worth w.
    """
    writer = _Writer(system, sensitive)
    head = "double %t, ptr noalias %y, ptr noalias %v, ptr noalias %w, ptr noalias %p, ptr noalias %f"
    return writer.whole([*writer.pull("pull_curve", head, writer.places, writer.changes())])


def events_text(system: System, sensitive: Sequence[str], gaps: Sequence[Any], changes: Sequence[Any]) -> ModelText:
    """What comes on the way: formulas of states, time and parameters of the system.

    Functions `gaps(t, y, p, g)` and `changes(t, y, p, h)`, and both with `_along`, which take a direction v [S + 1 + K]
    of states, time and sensitive parameters: how they change along it.
    """
    writer = _Writer(system, sensitive)
    head = "double %t, ptr noalias %y, ptr noalias %v, ptr noalias %p, ptr noalias %f"
    parts = list[str]()
    for name, formulas in (("gaps", gaps), ("changes", changes)):
        nodes = [writer.reader(formula) for formula in formulas]
        parts += writer.scalar(name, nodes, ARGUMENTS)
        parts += writer.scalar(f"{name}_along", [writer.change(node, True) for node in nodes], head)
    return writer.whole(parts)


def _doubles(name: str) -> str:
    return "double, double" if name == "pow" else "double"


class _Writer:
    """Writes the functions of a system. y, wanted: leaf -> its position, of what derivatives are taken to."""

    def __init__(self, system: System, sensitive: Sequence[str]) -> None:
        graph = self.graph = Graph()
        self.p = {name: graph.leaf("p", i) for i, name in enumerate(system.parameters)}
        y = {name: graph.leaf("y", i) for i, name in enumerate(system.states)}
        self.time = graph.leaf("t")
        self.reader = Translator(graph, self.p | {TIME: self.time} | y, "equations")
        self.rates = [self.reader(formula) for formula in system.rhs]
        self.y = {leaf: k for k, leaf in enumerate(y.values())}
        self.wanted = {self.p[name]: j for j, name in enumerate(sensitive)}
        self.columns = columns_of(len(sensitive))
        self.written = 0

    def whole(self, parts: list[str], pattern: Pattern | None = None) -> ModelText:
        """The text with what it calls."""
        declared = [f"declare double @llvm.{name}.f64({_doubles(name)})" for name in INTRINSICS]
        declared += [f"declare double @{name}({_doubles(name)})" for name in FUNCTIONS if name not in INTRINSICS]
        return ModelText("\n".join([*parts, *declared, ""]), self.columns, self.written, pattern)

    def scalar(self, name: str, nodes: list[int], head: str) -> Iterator[str]:
        """A function that stores one number for each node."""

        def store(body: Body, i: int) -> None:
            body.store("%f", i, body.value(nodes[i]))

        yield from self._cut(name, head, [[node] for node in nodes], store, 1)

    def begin(self, start: list[int]) -> Iterator[str]:
        """`begin`: the initial values with their derivatives."""
        rows = [self.graph.slopes(node) for node in start]
        parts = [[node, *row.values()] for node, row in zip(start, rows, strict=True)]

        def store(body: Body, i: int) -> None:
            body.store("%f", i * self.columns, body.value(start[i]))
            for leaf, slope in rows[i].items():
                if leaf in self.wanted:
                    body.store("%f", i * self.columns + 1 + self.wanted[leaf], body.value(slope))

        yield from self._cut("begin", "ptr noalias %p, ptr noalias %f", parts, store, self.columns)

    def full(self) -> Iterator[str]:
        """`full`: the rates of z."""
        rows = [self.graph.slopes(node) for node in self.rates]
        parts = [
            [node, *(slope for leaf, slope in row.items() if leaf in self.y or leaf in self.wanted)]
            for node, row in zip(self.rates, rows, strict=True)
        ]

        def store(body: Body, i: int) -> None:
            row = [(leaf, body.value(slope)) for leaf, slope in rows[i].items() if leaf != self.time]
            f = body.value(self.rates[i])
            body.sum_of_rows(i, [(self.y[leaf], slope) for leaf, slope in row if leaf in self.y])
            body.store("%f", i * self.columns, f)
            for leaf, slope in row:
                if leaf in self.wanted:
                    body.increase("%f", i * self.columns + 1 + self.wanted[leaf], slope)

        yield from self._cut("full", ARGUMENTS, parts, store, self.columns)

    @property
    def places(self) -> dict[int, int]:
        """Where states and sensitive parameters stand in what is worth something."""
        return self.y | {leaf: len(self.y) + j for leaf, j in self.wanted.items()}

    def changes(self) -> list[int]:
        """The derivatives of the rates in the direction v, J v itself with them."""
        return [self.change(node) for node in self.rates]

    def pull(
        self, name: str, head: str, places: Mapping[int, int], nodes: Sequence[int] | None = None
    ) -> Iterator[str]:
        """A function that adds what leaves are worth in their places, where nodes (the rates) are worth w."""
        nodes = self.rates if nodes is None else nodes
        groups: list[dict[int, int]] = []
        seen: set[int] = set()
        for i, node in enumerate(nodes):
            seen.update(self.graph.below([node]))
            if not groups or len(seen) > MAX_NODES // 3:
                groups.append({})
                seen = set(self.graph.below([node]))
            worth, w = groups[-1], self.graph.leaf("w", i)
            worth[node] = self.graph.add(worth[node], w) if node in worth else w
        from odefit.engines.kernel.reverse import pulled

        found = [pulled(self.graph, worth, places) for worth in groups]

        def store(body: Body, i: int) -> None:
            for leaf, node in found[i].items():
                body.increase("%f", places[leaf], body.value(node))

        yield from self._cut(name, head, [[*slopes.values()] for slopes in found], store, 1)

    def pattern(self) -> Pattern | None:
        """Of the Jacobian with its diagonal; None where a dense matrix is as good."""
        n = len(self.rates)
        if n < MIN_SPARSE:
            return None
        columns = [[self.y[leaf] for leaf in self.graph.slopes(node) if leaf in self.y] for node in self.rates]
        found = pattern_of(columns)
        return found if 3 * found.work < MAX_SHARE * n**3 else None

    def matrix(self, is_full: bool, pattern: Pattern | None) -> Iterator[str]:
        """`matrix`: the entries of the Jacobian that are not zero."""
        n = len(self.rates)
        places = None if pattern is None else pattern.places()
        entries = [
            (i * n + self.y[leaf] if places is None else places[i, self.y[leaf]], slope)
            for i, node in enumerate(self.rates)
            for leaf, slope in self.graph.slopes(node).items()
            if leaf in self.y
        ]

        def store(body: Body, e: int) -> None:
            body.store("%f", entries[e][0], body.value(entries[e][1]))

        name, stride = ("matrix_full", self.columns) if is_full else ("matrix", 1)
        yield from self._cut(name, ARGUMENTS, [[slope] for _, slope in entries], store, stride)

    def curve(self, is_full: bool) -> Iterator[str]:
        """`curve`: row i is [v_t df_i/dt, sum_k dJ_ik S_k + dP_i], d in the direction v."""
        rows = [self.graph.slopes(node) for node in self.rates]
        direct = [self.graph.multiply(row.get(self.time, self.graph.zero), self._along(None)) for row in rows]
        bent: list[dict[int, int]] = [{} for _ in rows]
        if is_full:
            bent = [
                {
                    leaf: change
                    for leaf, slope in row.items()
                    if (leaf in self.y or leaf in self.wanted) and (change := self.change(slope)) != self.graph.zero
                }
                for row in rows
            ]

        def store(body: Body, i: int) -> None:
            changes = [(leaf, body.value(change)) for leaf, change in bent[i].items()]
            if is_full:
                body.sum_of_rows(i, [(self.y[leaf], change) for leaf, change in changes if leaf in self.y])
            body.store("%f", i * body.stride, body.value(direct[i]))
            for leaf, change in changes:
                if leaf in self.wanted:
                    body.increase("%f", i * body.stride + 1 + self.wanted[leaf], change)

        name, stride = ("curve_full", self.columns) if is_full else ("curve", 1)
        head = "double %t, ptr noalias %y, ptr noalias %v, ptr noalias %p, ptr noalias %f"
        parts = [[node, *changes.values()] for node, changes in zip(direct, bent, strict=True)]
        yield from self._cut(name, head, parts, store, stride)

    def _along(self, state: int | None) -> int:
        """The direction's component of a state, or of the time."""
        return self.graph.leaf("v", len(self.y) if state is None else state)

    def change(self, node: int, with_parameters: bool = False) -> int:
        """The derivative of a node in the direction v, which may go on with sensitive parameters."""
        total = self.graph.zero
        for leaf, slope in self.graph.slopes(node).items():
            if leaf == self.time or leaf in self.y:
                total = self.graph.add(total, self.graph.multiply(slope, self._along(self.y.get(leaf))))
            elif with_parameters and leaf in self.wanted:
                along = self._along(len(self.y) + 1 + self.wanted[leaf])
                total = self.graph.add(total, self.graph.multiply(slope, along))
        return total

    def _cut(
        self, name: str, head: str, parts: list[list[int]], store: Callable[[Body, int], None], stride: int
    ) -> Iterator[str]:
        """A function in pieces of rows of nodes, each of which stays short."""
        pieces: list[list[int]] = [[]]
        seen: set[int] = set()
        for i, nodes in enumerate(parts):
            seen.update(self.graph.below(nodes))
            if len(seen) > MAX_NODES and pieces[-1]:
                pieces.append([])
                seen = set(self.graph.below(nodes))
            pieces[-1].append(i)
        names = [f"{name}_{k}" for k in range(len(pieces))] if len(pieces) > 1 else [name]
        for own, piece in zip(names, pieces, strict=True):
            body = Body(self.graph, stride)
            for i in piece:
                store(body, i)
            self.written += body.count
            linkage = "internal " if len(pieces) > 1 else ""
            yield "\n".join([f"define {linkage}void @{own}({head}) nounwind {{", *body.lines, "  ret void", "}"])
        if len(pieces) > 1:
            arguments = ", ".join(part.replace(" noalias", "") for part in head.split(", "))
            calls = [f"  call void @{own}({arguments})" for own in names]
            yield "\n".join([f"define void @{name}({head}) nounwind {{", *calls, "  ret void", "}"])
