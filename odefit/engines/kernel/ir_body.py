"""The lines of one function of LLVM IR over a graph: numbers, and rows of z as vectors."""

from __future__ import annotations

from odefit.compilation.ir_expressions import literal
from odefit.engines.kernel.graph import Graph

WIDTH = 4
"""Doubles in a vector of the sensitivities."""
UNROLLED = 4
"""The most vectors of a row that is written out; a longer one is a loop."""
INSTRUCTIONS = {"+": "fadd contract", "-": "fsub contract", "*": "fmul contract", "/": "fdiv contract"}
PREDICATES = {"<": "olt", "<=": "ole", "==": "oeq"}
INTRINSICS = ("exp", "log", "sqrt", "sin", "cos", "pow")


class Body:
    """The lines of one function; every node is written once. stride: between two states in y."""

    def __init__(self, graph: Graph, stride: int) -> None:
        self.graph, self.stride = graph, stride
        self.lines: list[str] = []
        self.count = 0
        self._values: dict[int, str] = {}

    def new(self, text: str) -> str:
        """The name of what an instruction yields."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def value(self, node: int) -> str:
        """The name of a node's value."""
        if node not in self._values:
            for inner in self.graph.below([node]):
                if inner not in self._values:
                    self._values[inner] = self._written(self.graph.operations[inner])
        return self._values[node]

    def _written(self, operation: tuple[object, ...]) -> str:
        kind = str(operation[0])
        if kind == "number":
            return literal(float(operation[1]))  # type: ignore[arg-type]
        if kind == "leaf":
            return self._leaf(str(operation[1]), int(operation[2]))  # type: ignore[call-overload]
        if kind == "call":
            name, *arguments = operation[1:]
            given = ", ".join(f"double {self._values[a]}" for a in arguments)  # type: ignore[index]
            return self.new(f"call double @{f'llvm.{name}.f64' if name in INTRINSICS else name}({given})")
        values = [self._values[a] for a in operation[1:]]  # type: ignore[index]
        if kind in INSTRUCTIONS:
            return self.new(f"{INSTRUCTIONS[kind]} double {values[0]}, {values[1]}")
        if kind in PREDICATES:
            return self.new(f"fcmp {PREDICATES[kind]} double {values[0]}, {values[1]}")
        if kind == "select":
            return self.new(f"select i1 {values[0]}, double {values[1]}, double {values[2]}")
        if kind == "neg":
            return self.new(f"fneg double {values[0]}")
        return self.new(f"xor i1 {values[0]}, true" if kind == "not" else f"{kind} i1 {values[0]}, {values[1]}")

    def _leaf(self, array: str, index: int) -> str:
        if array == "t":
            return "%t"
        return self.new(f"load double, ptr {self.place(f'%{array}', index * (self.stride if array == 'y' else 1))}")

    def place(self, base: str, index: int | str) -> str:
        """The address of an entry."""
        return self.new(f"getelementptr double, ptr {base}, i64 {index}")

    def store(self, base: str, index: int, value: str) -> None:
        """base[index] = value."""
        self.lines.append(f"  store double {value}, ptr {self.place(base, index)}")

    def increase(self, base: str, index: int, value: str) -> None:
        """base[index] += value."""
        place = self.place(base, index)
        total = self.new(f"fadd contract double {self.new(f'load double, ptr {place}')}, {value}")
        self.lines.append(f"  store double {total}, ptr {place}")

    def sum_of_rows(self, i: int, factors: list[tuple[int, str]]) -> None:
        """Row i of k = the sum of rows of z, each by its factor."""
        columns = self.stride
        width = WIDTH if columns % WIDTH == 0 else 1
        kind = f"<{width} x double>" if width > 1 else "double"
        spread = [(k, self._splat(value, width)) for k, value in factors]
        if columns // width <= UNROLLED:
            for v in range(0, columns, width):
                self._sum(spread, [str(k * columns + v) for k, _ in spread], str(i * columns + v), kind)
            return
        self.count += 1
        name = f"{self.count}"
        before, loop, after = f"before{name}", f"loop{name}", f"after{name}"
        self.lines += [f"  br label %{before}", f"{before}:", f"  br label %{loop}", f"{loop}:"]
        at = f"%at{name}"
        self.lines.append(f"  {at} = phi i64 [ 0, %{before} ], [ %next{name}, %{loop} ]")
        places = [self.new(f"add i64 {at}, {k * columns}") for k, _ in spread]
        self._sum(spread, places, self.new(f"add i64 {at}, {i * columns}"), kind)
        self.lines.append(f"  %next{name} = add i64 {at}, {width}")
        done = self.new(f"icmp eq i64 %next{name}, {columns}")
        self.lines += [f"  br i1 {done}, label %{after}, label %{loop}", f"{after}:"]

    def _splat(self, value: str, width: int) -> str:
        if width == 1:
            return value
        kind = f"<{width} x double>"
        first = self.new(f"insertelement {kind} undef, double {value}, i64 0")
        return self.new(f"shufflevector {kind} {first}, {kind} undef, <{width} x i32> zeroinitializer")

    def _sum(self, factors: list[tuple[int, str]], places: list[str], target: str, kind: str) -> None:
        total = ""
        for (_, factor), place in zip(factors, places, strict=True):
            row = self.new(f"load {kind}, ptr {self.place('%y', place)}, align 8")
            term = self.new(f"fmul contract {kind} {factor}, {row}")
            total = self.new(f"fadd contract {kind} {total}, {term}") if total else term
        self.lines.append(f"  store {kind} {total or 'zeroinitializer'}, ptr {self.place('%f', target)}, align 8")
