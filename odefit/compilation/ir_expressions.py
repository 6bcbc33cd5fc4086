"""Expressions of the language of lowering.py as LLVM IR: numbers, entries of arrays, conditions, calls."""

from __future__ import annotations

import ast
import struct

from odefit.compilation.mathematics import LOWERED
from odefit.records import dataclass

DOUBLE, INT, BOOL, DOUBLES, INTS, FUNCTION, VOID = "double", "i64", "i1", "doubles", "ints", "function", "void"
TYPES = {"float": DOUBLE, "int": INT, "FloatArray": DOUBLES, "IntArray": INTS, "bool": BOOL, "None": VOID}
ELEMENTS = {DOUBLES: DOUBLE, INTS: INT}
FLOAT_OPERATIONS = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
INT_OPERATIONS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv"}
COMPARISONS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}


def ir_type(kind: str) -> str:
    """A type as LLVM writes it."""
    return kind if kind in (DOUBLE, INT, BOOL, VOID) else "ptr"


@dataclass(frozen=True)
class Value:
    """What an expression yields: its name in the text, and its type."""

    name: str
    kind: str


@dataclass(frozen=True)
class Signature:
    """A function's arguments and what it returns."""

    arguments: tuple[tuple[str, str], ...]
    returned: str


def literal(value: float) -> str:
    """A double as LLVM reads it, to the last bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def listed(node: ast.expr) -> list[ast.expr]:
    """The parts of a tuple, or what is none alone."""
    return node.elts if isinstance(node, ast.Tuple) else [node]


class Expressions:
    """The text of one function, and its expressions."""

    def __init__(
        self,
        function: ast.FunctionDef,
        signatures: dict[str, Signature],
        constants: dict[str, ast.expr],
        is_exported: bool,
    ) -> None:
        self.function, self.signatures, self.constants, self.is_exported = function, signatures, constants, is_exported
        self.signature = signatures[function.name]
        self.head: list[str] = []
        self.lines: list[str] = []
        self.locals: dict[str, str] = {}
        self.count = 0
        self.loops: list[tuple[str, str]] = []

    # names and places

    def new(self, text: str) -> str:
        """The name of what an instruction yields."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def label(self) -> str:
        """A new label."""
        self.count += 1
        return f"b{self.count}"

    def begin(self, label: str) -> None:
        """Begin a block, to which the one before goes on."""
        self.lines += [f"  br label %{label}", f"{label}:"]

    def _declare(self, name: str, kind: str) -> None:
        self.locals[name] = kind
        self.head.append(f"  %{name}.at = alloca {ir_type(kind)}")

    def fault(self, node: ast.AST, what: str) -> SyntaxError:
        """The error for what is not part of the language."""
        return SyntaxError(f"{self.function.name}, line {getattr(node, 'lineno', '?')}: {what}: {ast.unparse(node)}")

    # expressions

    def cast(self, value: Value, kind: str) -> Value:
        """A number as another type."""
        if value.kind == kind:
            return value
        if (value.kind, kind) == (INT, DOUBLE):
            if value.name.lstrip("-").isdigit():
                return Value(literal(float(value.name)), DOUBLE)
            return Value(self.new(f"sitofp i64 {value.name} to double"), DOUBLE)
        raise SyntaxError(f"{self.function.name}: {value.kind} is no {kind}")

    def condition(self, node: ast.expr) -> str:
        """A truth value."""
        return self.cast(self.expression(node), BOOL).name

    def expression(self, node: ast.expr) -> Value:
        """Any expression."""
        if isinstance(node, ast.Constant):
            if isinstance(node.value, bool):
                return Value("true" if node.value else "false", BOOL)
            if isinstance(node.value, float):
                return Value(literal(node.value), DOUBLE)
            return Value(str(int(node.value)), INT)  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                kind = self.locals[node.id]
                return Value(self.new(f"load {ir_type(kind)}, ptr %{node.id}.at"), kind)
            if node.id in self.constants:
                return self.expression(self.constants[node.id])
            raise self.fault(node, "no such name")
        if isinstance(node, ast.Subscript):
            if isinstance(node.slice, ast.Slice):
                return Value(self.range_start(node)[1], self.expression(node.value).kind)
            place, kind = self._place(node)
            return Value(self.new(f"load {kind}, ptr {place}"), kind)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            return self._logic(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self.fault(node, "no such expression")

    def _place(self, node: ast.Subscript) -> tuple[str, str]:
        array = self.expression(node.value)
        index = self.cast(self.expression(node.slice), INT)
        kind = ELEMENTS[array.kind]
        return self.new(f"getelementptr {kind}, ptr {array.name}, i64 {index.name}"), kind

    def range_start(self, target: ast.Subscript) -> tuple[Value, str]:
        """Where a range begins: its index, and its address."""
        assert isinstance(target.slice, ast.Slice)
        array = self.expression(target.value)
        begin = self.cast(self.expression(target.slice.lower or ast.Constant(0)), INT)
        return begin, self.new(f"getelementptr {ELEMENTS[array.kind]}, ptr {array.name}, i64 {begin.name}")

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.expression(node.operand)
        if isinstance(node.op, ast.Not):
            return Value(self.new(f"xor i1 {self.cast(value, BOOL).name}, true"), BOOL)
        if isinstance(node.operand, ast.Constant):
            number = -float(node.operand.value)  # type: ignore[arg-type]
            return Value(literal(number) if value.kind == DOUBLE else f"-{value.name}", value.kind)
        if value.kind == INT:
            return Value(self.new(f"sub i64 0, {value.name}"), INT)
        return Value(self.new(f"fneg double {value.name}"), DOUBLE)

    def _binary(self, node: ast.BinOp) -> Value:
        a, b = self.expression(node.left), self.expression(node.right)
        if isinstance(node.op, ast.Pow):
            a, b = self.cast(a, DOUBLE), self.cast(b, DOUBLE)
            return Value(self.new(f"call double @llvm.pow.f64(double {a.name}, double {b.name})"), DOUBLE)
        if a.kind == b.kind == INT and type(node.op) in INT_OPERATIONS:
            return Value(self.new(f"{INT_OPERATIONS[type(node.op)]} i64 {a.name}, {b.name}"), INT)
        a, b = self.cast(a, DOUBLE), self.cast(b, DOUBLE)
        return Value(self.new(f"{FLOAT_OPERATIONS[type(node.op)]} contract double {a.name}, {b.name}"), DOUBLE)

    def _compare(self, node: ast.Compare) -> Value:
        a, b = self.expression(node.left), self.expression(node.comparators[0])
        how = COMPARISONS[type(node.ops[0])]
        if a.kind == b.kind == INT:
            sign = "" if how in ("eq", "ne") else "s"
            return Value(self.new(f"icmp {sign}{how} i64 {a.name}, {b.name}"), BOOL)
        a, b = self.cast(a, DOUBLE), self.cast(b, DOUBLE)
        return Value(self.new(f"fcmp {'une' if how == 'ne' else f'o{how}'} double {a.name}, {b.name}"), BOOL)

    def _logic(self, node: ast.BoolOp) -> Value:
        """`and`, `or`: what stands behind is evaluated only where it matters."""
        place = self.label()
        self.head.append(f"  %{place}.at = alloca i1")
        done = self.label()
        for part in node.values:
            truth = self.condition(part)
            self.lines.append(f"  store i1 {truth}, ptr %{place}.at")
            more = self.label()
            ways = (more, done) if isinstance(node.op, ast.And) else (done, more)
            self.lines += [f"  br i1 {truth}, label %{ways[0]}, label %{ways[1]}", f"{more}:"]
        self.begin(done)
        return Value(self.new(f"load i1, ptr %{place}.at"), BOOL)

    def _call(self, node: ast.Call) -> Value:
        name = ast.unparse(node.func)
        given = [part for a in node.args for part in (listed(a.value) if isinstance(a, ast.Starred) else [a])]
        values = [self.expression(argument) for argument in given]
        if name in ("min", "max"):
            a, b = (self.cast(value, DOUBLE) for value in values)
            wins = self.new(f"fcmp {'ogt' if name == 'max' else 'olt'} double {b.name}, {a.name}")
            return Value(self.new(f"select i1 {wins}, double {b.name}, double {a.name}"), DOUBLE)
        if name in ("sqrt", "abs", "float"):
            a = self.cast(values[0], DOUBLE)
            if name == "float":
                return a
            function = "fabs" if name == "abs" else name
            return Value(self.new(f"call double @llvm.{function}.f64(double {a.name})"), DOUBLE)
        if name in LOWERED:
            return Value(self.new(f"call double @{name}(double {self.cast(values[0], DOUBLE).name})"), DOUBLE)
        if name == "int":
            return Value(self.new(f"fptosi double {values[0].name} to i64"), INT)
        if name == "isfinite":
            gap = self.new(f"fsub double {values[0].name}, {values[0].name}")
            return Value(self.new(f"fcmp oeq double {gap}, {literal(0.0)}"), BOOL)
        if name in self.signatures:
            signature = self.signatures[name]
            cast = [self.cast(v, kind) for v, (_, kind) in zip(values, signature.arguments, strict=True)]
            return self._called(f"@{name}", cast, signature.returned)
        if self.locals.get(name) == FUNCTION:
            return self._called(self.new(f"load ptr, ptr %{name}.at"), values, VOID)
        raise self.fault(node, "no such function")

    def _called(self, function: str, values: list[Value], returned: str) -> Value:
        given = ", ".join(f"{ir_type(value.kind)} {value.name}" for value in values)
        if returned == VOID:
            self.lines.append(f"  call void {function}({given})")
            return Value("", VOID)
        return Value(self.new(f"call {ir_type(returned)} {function}({given})"), returned)
