"""Whole ranges of arrays, `u[:n] = z[:n] + h * k[:n]`, as loops over vectors."""

from __future__ import annotations

import ast

from odefit.compilation.ir_expressions import BOOL, DOUBLE, FLOAT_OPERATIONS, INT, Expressions, Value

WIDTH = 8
"""Doubles in a vector; a processor with shorter ones takes several."""


class Ranges(Expressions):
    """Assignments to ranges."""

    def assign_range(self, target: ast.Subscript, source: ast.expr) -> None:
        assert isinstance(target.slice, ast.Slice)
        begin, base = self.range_start(target)
        end = self.cast(self.expression(target.slice.upper or ast.Constant(0)), INT)
        length = self.new(f"sub i64 {end.name}, {begin.name}")
        whole, half = (self.new(f"and i64 {length}, {-width}") for width in (WIDTH, WIDTH // 2))
        starts: dict[int, str] = {}
        scalars: dict[int, Value] = {}
        self._prepare(source, starts, scalars)
        index = self.label()
        self.head.append(f"  %{index}.at = alloca i64")
        self.lines.append(f"  store i64 0, ptr %{index}.at")
        for width, stop in ((WIDTH, whole), (WIDTH // 2, half), (1, length)):
            top, inside, after = self.label(), self.label(), self.label()
            self.begin(top)
            i = self.new(f"load i64, ptr %{index}.at")
            self.lines += [f"  br i1 {self.new(f'icmp slt i64 {i}, {stop}')}, label %{inside}, label %{after}"]
            self.lines.append(f"{inside}:")
            value = self._elements(source, starts, scalars, i, width)
            place = self.new(f"getelementptr double, ptr {base}, i64 {i}")
            self.lines.append(f"  store {_vector(width)} {value}, ptr {place}, align 8")
            self.lines.append(f"  store i64 {self.new(f'add i64 {i}, {width}')}, ptr %{index}.at")
            self.lines += [f"  br label %{top}", f"{after}:"]

    def _prepare(self, node: ast.expr, starts: dict[int, str], scalars: dict[int, Value]) -> None:
        """Compute what does not change along a range: where ranges begin, and numbers."""
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            starts[id(node)] = self.range_start(node)[1]
        elif not any(isinstance(part, ast.Slice) for part in ast.walk(node)):
            scalars[id(node)] = self.cast(self.expression(node), DOUBLE)
        elif isinstance(node, ast.BinOp):
            self._prepare(node.left, starts, scalars)
            if not isinstance(node.op, ast.Pow):
                self._prepare(node.right, starts, scalars)
        elif isinstance(node, ast.Call):
            for argument in node.args:
                self._prepare(argument, starts, scalars)
        else:
            raise self.fault(node, "not in a range")

    def _elements(self, node: ast.expr, starts: dict[int, str], scalars: dict[int, Value], i: str, width: int) -> str:
        """The entries from i on of an expression of ranges."""
        kind = _vector(width)

        def inner(part: ast.expr) -> str:
            return self._elements(part, starts, scalars, i, width)

        if id(node) in starts:
            place = self.new(f"getelementptr double, ptr {starts[id(node)]}, i64 {i}")
            return self.new(f"load {kind}, ptr {place}, align 8")
        if id(node) in scalars:
            value = scalars[id(node)].name
            if width == 1:
                return value
            first = self.new(f"insertelement {kind} undef, double {value}, i64 0")
            return self.new(f"shufflevector {kind} {first}, {kind} undef, <{width} x i32> zeroinitializer")
        if isinstance(node, ast.BinOp):
            left = inner(node.left)
            if isinstance(node.op, ast.Pow):
                return self.new(f"fmul contract {kind} {left}, {left}")
            return self.new(f"{FLOAT_OPERATIONS[type(node.op)]} contract {kind} {left}, {inner(node.right)}")
        assert isinstance(node, ast.Call)
        name = ast.unparse(node.func)
        values = [inner(argument) for argument in node.args]
        if name in ("abs", "np.abs"):
            return self.new(f"call {kind} @llvm.fabs.{'f64' if width == 1 else f'v{width}f64'}({kind} {values[0]})")
        if name != "np.maximum":
            raise self.fault(node, "no such function of ranges")
        wins = self.new(f"fcmp ogt {kind} {values[0]}, {values[1]}")
        truth = BOOL if width == 1 else f"<{width} x i1>"
        return self.new(f"select {truth} {wins}, {kind} {values[0]}, {kind} {values[1]}")


def _vector(width: int) -> str:
    return "double" if width == 1 else f"<{width} x double>"
