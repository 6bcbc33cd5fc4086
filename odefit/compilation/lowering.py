"""A small part of Python as LLVM IR, enough for a stepper, so that it is written once and can be read.

The same text runs as Python, with NumPy arrays in place of memory: that is what tests compare it with. It knows

- float, int (64 bits) and their comparisons; `and`, `or`, `not`; numbers that the module defines in capitals;
- arrays: `a[i]`, `b = a[i:]` (the memory from there on), and whole ranges at once, `u[:n] = z[:n] + h * k[:n]`, whose
  right sides are sums of products, `abs`, `np.maximum` and `** 2` of ranges of the same length and numbers;
- `for i in range(...)`, `while`, `if`, `break`, `continue`, `return`; `sqrt`, `abs`, `min`, `max`, `isfinite`, `**`,
  `exp`, `tanh`, `erf`, `log1p`;
- functions of the module, and functions that are arguments; `*(a, b)` stands for arguments.

Arguments say their type: `float`, `int`, `FloatArray`, `IntArray`, or a function type by its name. A local variable has
the type of what is first assigned to it. Ranges are computed in vectors of WIDTH; what is left over, one by one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence

from odefit.compilation.ir_expressions import (
    BOOL,
    FUNCTION,
    INT,
    TYPES,
    VOID,
    Signature,
    Value,
    ir_type,
    listed,
)
from odefit.compilation.ir_ranges import WIDTH, Ranges
from odefit.compilation.mathematics import LOWERED


def lowered(sources: Sequence[str], exported: Collection[str]) -> str:
    """The IR of the functions of some modules; only `exported` are seen from outside."""
    body = [statement for source in sources for statement in ast.parse(source).body]
    constants = {
        name.id: value
        for statement in body
        if isinstance(statement, ast.Assign)
        for name, value in zip(listed(statement.targets[0]), listed(statement.value), strict=False)
        if isinstance(name, ast.Name) and name.id.isupper()
    }
    functions = [f for f in body if isinstance(f, ast.FunctionDef)]
    signatures = {f.name: _signature(f) for f in functions}
    texts = [_Function(f, signatures, constants, f.name in exported).text() for f in functions]
    declared = [
        "declare double @llvm.sqrt.f64(double)",
        "declare double @llvm.pow.f64(double, double)",
        "declare double @llvm.fabs.f64(double)",
        *(f"declare double @{name}(double)" for name in LOWERED),
        *(f"declare <{w} x double> @llvm.fabs.v{w}f64(<{w} x double>)" for w in (WIDTH, WIDTH // 2)),
    ]
    return "\n".join([*texts, *declared, ""])


def _signature(function: ast.FunctionDef) -> Signature:
    arguments = tuple(
        (a.arg, TYPES.get(ast.unparse(a.annotation or ast.Name("?")), FUNCTION)) for a in function.args.args
    )
    return Signature(arguments, TYPES[ast.unparse(function.returns or ast.Constant(None))])


class _Function(Ranges):
    """Writes one function."""

    def text(self) -> str:
        """The whole function."""
        for name, kind in self.signature.arguments:
            self._declare(name, kind)
            self.lines.append(f"  store {ir_type(kind)} %{name}, ptr %{name}.at")
        self.block(self.function.body)
        if self.signature.returned == VOID:
            self.lines.append("  ret void")
        else:
            self.lines.append("  unreachable")
        arguments = ", ".join(f"{ir_type(kind)} %{name}" for name, kind in self.signature.arguments)
        linkage = "" if self.is_exported else "internal "
        head = f"define {linkage}{ir_type(self.signature.returned)} @{self.function.name}({arguments}) nounwind {{"
        return "\n".join([head, "entry:", *self.head, *self.lines, "}"])

    def block(self, statements: list[ast.stmt]) -> bool:
        """Statements in their order; whether control goes on behind them."""
        for statement in statements:
            if isinstance(statement, ast.Return | ast.Break | ast.Continue):
                self._leave(statement)
                return False
            self._statement(statement)
        return True

    def _leave(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Return):
            if statement.value is None:
                self.lines.append("  ret void")
            else:
                value = self.cast(self.expression(statement.value), self.signature.returned)
                self.lines.append(f"  ret {value.kind} {value.name}")
        else:
            self.lines.append(f"  br label %{self.loops[-1][isinstance(statement, ast.Break)]}")
        self.lines.append(f"{self.label()}:")  # nothing comes here

    def _statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign):
            self._assign(statement.targets[0], statement.value)
        elif isinstance(statement, ast.AugAssign):
            self._assign(statement.target, ast.BinOp(_loaded(statement.target), statement.op, statement.value))
        elif isinstance(statement, ast.If):
            self._if(statement)
        elif isinstance(statement, ast.While):
            self._loop(self.expression, statement.test, statement.body, None)
        elif isinstance(statement, ast.For):
            self._for(statement)
        elif isinstance(statement, ast.Expr):
            if not isinstance(statement.value, ast.Constant):  # else it is a docstring
                self.expression(statement.value)
        else:
            raise self.fault(statement, "no such statement")

    def _assign(self, target: ast.expr, source: ast.expr) -> None:
        if isinstance(target, ast.Name):
            value = self.expression(source)
            if target.id not in self.locals:
                self._declare(target.id, value.kind)
            value = self.cast(value, self.locals[target.id])
            self.lines.append(f"  store {ir_type(value.kind)} {value.name}, ptr %{target.id}.at")
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
            self.assign_range(target, source)
        elif isinstance(target, ast.Subscript):
            value = self.expression(source)
            place, kind = self._place(target)
            value = self.cast(value, kind)
            self.lines.append(f"  store {kind} {value.name}, ptr {place}")
        else:
            raise self.fault(target, "nothing can be assigned to")

    def _if(self, statement: ast.If) -> None:
        then, other, after = self.label(), self.label(), self.label()
        self.lines.append(f"  br i1 {self.condition(statement.test)}, label %{then}, label %{other}")
        for label, body in ((then, statement.body), (other, statement.orelse)):
            self.lines.append(f"{label}:")
            self.block(body)
            self.lines.append(f"  br label %{after}")
        self.lines.append(f"{after}:")

    def _for(self, statement: ast.For) -> None:
        if not (isinstance(statement.target, ast.Name) and isinstance(statement.iter, ast.Call)):
            raise self.fault(statement, "only over ranges")
        name = statement.target.id
        bounds = [self.cast(self.expression(argument), INT) for argument in statement.iter.args]
        first, last = (Value("0", INT), bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
        if name not in self.locals:
            self._declare(name, INT)
        self.lines.append(f"  store i64 {first.name}, ptr %{name}.at")

        def goes_on(_: ast.expr) -> Value:
            return Value(self.new(f"icmp slt i64 {self.new(f'load i64, ptr %{name}.at')}, {last.name}"), BOOL)

        self._loop(goes_on, statement.iter, statement.body, name)

    def _loop(
        self, goes_on: Callable[[ast.expr], Value], test: ast.expr, body: list[ast.stmt], name: str | None
    ) -> None:
        top, inside, step, after = self.label(), self.label(), self.label(), self.label()
        self.begin(top)
        condition = goes_on(test)
        self.lines += [f"  br i1 {condition.name}, label %{inside}, label %{after}", f"{inside}:"]
        self.loops.append((step, after))
        self.block(body)
        self.loops.pop()
        self.begin(step)
        if name is not None:
            more = self.new(f"add i64 {self.new(f'load i64, ptr %{name}.at')}, 1")
            self.lines.append(f"  store i64 {more}, ptr %{name}.at")
        self.lines += [f"  br label %{top}", f"{after}:"]


def _loaded(target: ast.expr) -> ast.expr:
    """The target of `a[i] += 1` as what is read."""
    return ast.parse(ast.unparse(target), mode="eval").body
