"""libsbml's syntax trees as trees of our own. Its texts are never read: they lose brackets, and turn log around."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from odefit.errors import Fault
from odefit.interop.mathematics import ONE, TIME, ZERO, Name, Number, Tree, call, replaced
from odefit.records import dataclass
from odefit.text import show

AVOGADRO = 6.02214179e23
"""The value that SBML prescribes."""
MAX_NODES = 2_000_000
"""The most pieces of all formulas together, once functions are written out."""


@dataclass
class Sbml:
    """A model as libsbml has it, where it stands, and what was found at fault in it.

    `document` is kept because libsbml's objects do not keep it alive themselves.
    """

    path: Path
    libsbml: Any
    document: Any
    model: Any
    faults: list[Fault] = field(default_factory=list)
    nodes: int = 0

    def where(self, element: Any) -> str:
        line = element.getLine()
        return f"{show(self.path)}:{line}" if line else show(self.path)

    def fault(self, element: Any, what: str) -> None:
        self.faults.append(Fault(self.where(element), what))

    @cached_property
    def operators(self) -> Mapping[int, str]:
        """libsbml's kinds of nodes: what our trees call them."""
        library = self.libsbml
        return {getattr(library, f"AST_{kind}"): name for kind, name in _OPERATORS.items()}

    @cached_property
    def constants(self) -> Mapping[int, Tree]:
        library = self.libsbml
        return {getattr(library, f"AST_{kind}"): value for kind, value in _CONSTANTS.items()}

    @cached_property
    def functions(self) -> Mapping[str, tuple[tuple[str, ...], Tree]]:
        """Function definitions: arguments, and the body with the functions that it calls written out."""
        found: dict[str, tuple[tuple[str, ...], Tree]] = {}
        for definition in self.model.getListOfFunctionDefinitions():
            arguments = tuple(definition.getArgument(i).getName() for i in range(definition.getNumArguments()))
            if definition.getBody() is not None:
                body = _Reader(self, definition, found).read(definition.getBody())
                found[definition.getId()] = arguments, body
        return found

    def tree(self, node: Any, element: Any) -> Tree:
        """The tree of a `math` element.

        Parameters
        ----------
        node
            libsbml's syntax tree, or None.
        element
            Whose mathematics it is, for the place of a fault.
        """
        if node is None:
            self.fault(element, f"{called(element)} has no mathematics")
            return ZERO
        return _Reader(self, element, self.functions).read(node)


@dataclass(frozen=True)
class _Reader:
    sbml: Sbml
    element: Any
    functions: Mapping[str, tuple[tuple[str, ...], Tree]]

    def read(self, node: Any) -> Tree:
        library, kind = self.sbml.libsbml, node.getType()
        self.sbml.nodes += 1
        if node.isNumber():
            return Number(float(node.getValue()))
        if kind in self.sbml.constants:
            return self.sbml.constants[kind]
        if kind == library.AST_NAME:
            return Name(node.getName())
        arguments = [self.read(node.getChild(i)) for i in range(node.getNumChildren())]
        if kind == library.AST_FUNCTION:
            return self.written_out(node.getName(), arguments)
        if kind == library.AST_FUNCTION_RATE_OF:
            return call("rate_of", *arguments)
        name = self.sbml.operators.get(kind)
        if name is None:
            what = f"{called(self.element)}: '{node.getName() or kind}' is no function that odefit has"
            self.sbml.fault(self.element, what)
            return ZERO
        return _built(name, arguments)

    def written_out(self, name: str, arguments: list[Tree]) -> Tree:
        parameters, body = self.functions.get(name, ((), None))
        if body is None or len(parameters) != len(arguments):
            self.sbml.fault(self.element, f"{called(self.element)}: the function '{name}' is not defined above")
            return ZERO
        return replaced(body, dict(zip(parameters, arguments, strict=True)))


def called(element: Any) -> str:
    """`rate rule of 'x'`, as a fault names an element."""
    kind = element.getElementName()
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in kind)
    name = element.getIdAttribute() or getattr(element, "getVariable", lambda: "")() or ""
    name = name or getattr(element, "getSymbol", lambda: "")()
    return f"the {words} of '{name}'" if kind.endswith(("Rule", "Assignment")) else f"the {words} '{name}'"


def _built(name: str, arguments: list[Tree]) -> Tree:
    """A node with libsbml's conventions put right."""
    match name, arguments:
        case "-", [only]:
            return call("neg", only)
        case "-" | "/" | "^", [first, *rest]:
            tree = first
            for argument in rest:
                tree = call(name, tree, argument)
            return tree
        case "log", [base, value]:  # MathML's logbase comes first
            return call("log10", value) if base == Number(10.0) else call("log_to_base", value, base)
        case "ln", [value]:
            return call("log", value)
        case "root", [value]:
            return call("sqrt", value)
        case "and" | "or" | "xor" | "+" | "*", []:
            return {"and": ONE, "*": ONE}.get(name, ZERO)
        case "<" | "<=" | ">" | ">=" | "==", [_, _, _, *_]:
            return call("chain", Name(name), *arguments)
        case "max" | "min", [only]:
            return only
        case "piecewise", _ if len(arguments) % 2 == 0:
            return call("piecewise", *arguments, Number(math.nan))
    return call(name, *arguments)


_WAVES = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch")
_NAMED = (
    "abs",
    "exp",
    "ln",
    "log",
    "max",
    "min",
    "piecewise",
    "root",
    "floor",
    "factorial",
    "quotient",
    "rem",
    "delay",
)
_OPERATORS = {
    "PLUS": "+",
    "MINUS": "-",
    "TIMES": "*",
    "DIVIDE": "/",
    "POWER": "^",
    "FUNCTION_POWER": "^",
    "RELATIONAL_LT": "<",
    "RELATIONAL_LEQ": "<=",
    "RELATIONAL_GT": ">",
    "RELATIONAL_GEQ": ">=",
    "RELATIONAL_EQ": "==",
    "RELATIONAL_NEQ": "!=",
    **{f"LOGICAL_{name.upper()}": name for name in ("and", "or", "not", "xor", "implies")},
    **{f"FUNCTION_{name.upper()}": name for name in (*_WAVES, *_NAMED)},
    **{f"FUNCTION_ARC{name.upper()}": f"a{name}" for name in _WAVES},
    "FUNCTION_CEILING": "ceil",
}
_CONSTANTS: Mapping[str, Tree] = {
    "CONSTANT_E": Number(math.e),
    "CONSTANT_PI": Number(math.pi),
    "CONSTANT_TRUE": ONE,
    "CONSTANT_FALSE": ZERO,
    "NAME_TIME": TIME,
    "NAME_AVOGADRO": Number(AVOGADRO),
}
