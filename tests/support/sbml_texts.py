"""SBML as text, written here: lists of elements with formulas in Python's notation, which become MathML."""

from __future__ import annotations

import ast
from pathlib import Path

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol>'
DELAY = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay">delay</csymbol>'
RATE_OF = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/rateOf">rateOf</csymbol>'
_BINARY = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times", ast.Div: "divide", ast.Pow: "power"}
_COMPARED = {ast.Gt: "gt", ast.GtE: "geq", ast.Lt: "lt", ast.LtE: "leq", ast.Eq: "eq"}
_CALLED = {"exp", "ln", "abs", "quotient", "rem", "floor", "sin", "max", "min", "and", "or", "not", "xor", "root"}


def mathml(formula: str) -> str:
    """A formula as MathML; `time` is the time, `log(base, x)` and `piecewise(value, condition, otherwise)` as there."""
    return f'<math xmlns="{NAMESPACE}">{_node(ast.parse(formula, mode="eval").body)}</math>'


def _apply(head: str, *arguments: ast.expr) -> str:
    return f"<apply>{head}{''.join(map(_node, arguments))}</apply>"


def _node(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return f"<cn>{value!r}</cn>" if isinstance(value, float) else f'<cn type="integer">{value}</cn>'
        case ast.Name(id="time"):
            return TIME
        case ast.Name(id=name):
            return f"<ci>{name}</ci>"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _apply("<minus/>", operand)
        case ast.BinOp(left=left, op=operator, right=right):
            return _apply(f"<{_BINARY[type(operator)]}/>", left, right)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return _apply(f"<{_COMPARED[type(operator)]}/>", left, right)
        case ast.BoolOp(op=operator, values=values):
            return _apply("<and/>" if isinstance(operator, ast.And) else "<or/>", *values)
        case ast.Call(func=ast.Name(id="piecewise"), args=[value, condition, otherwise]):
            piece = f"<piece>{_node(value)}{_node(condition)}</piece>"
            return f"<piecewise>{piece}<otherwise>{_node(otherwise)}</otherwise></piecewise>"
        case ast.Call(func=ast.Name(id="log"), args=[base, value]):
            return f"<apply><log/><logbase>{_node(base)}</logbase>{_node(value)}</apply>"
        case ast.Call(func=ast.Name(id="delay"), args=arguments):
            return _apply(DELAY, *arguments)
        case ast.Call(func=ast.Name(id="rateOf"), args=arguments):
            return _apply(RATE_OF, *arguments)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _apply(f"<{name}/>" if name in _CALLED else f"<ci>{name}</ci>", *arguments)
    raise AssertionError(ast.dump(node))


def parameter(name: str, value: float | None = None, constant: bool = True) -> str:
    given = "" if value is None else f' value="{value}"'
    return f'<parameter id="{name}"{given} constant="{str(constant).lower()}"/>'


def compartment(name: str, size: float, constant: bool = True) -> str:
    return f'<compartment id="{name}" spatialDimensions="3" size="{size}" constant="{str(constant).lower()}"/>'


def species(name: str, compartment: str = "cell", **given: object) -> str:
    """Attributes as SBML calls them: initialConcentration, initialAmount, boundaryCondition, conversionFactor, …"""
    attributes = {
        "hasOnlySubstanceUnits": "false",
        "boundaryCondition": "false",
        "constant": "false",
        **{key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()},
    }
    return f'<species id="{name}" compartment="{compartment}" {_written(attributes)}/>'


def _written(attributes: dict[str, str]) -> str:
    return " ".join(f'{key}="{value}"' for key, value in attributes.items())


def rule(name: str, formula: str, kind: str = "assignment") -> str:
    return f'<{kind}Rule variable="{name}">{mathml(formula)}</{kind}Rule>'


def initially(name: str, formula: str) -> str:
    return f'<initialAssignment symbol="{name}">{mathml(formula)}</initialAssignment>'


def function(name: str, arguments: str, formula: str) -> str:
    bound = "".join(f"<bvar><ci>{argument}</ci></bvar>" for argument in arguments.split())
    body = _node(ast.parse(formula, mode="eval").body)
    made = f'<math xmlns="{NAMESPACE}"><lambda>{bound}{body}</lambda></math>'
    return f'<functionDefinition id="{name}">{made}</functionDefinition>'


def reaction(name: str, law: str, reactants: str = "", products: str = "", local: str = "", fast: bool = False) -> str:
    """Reactants and products as `A 2*B`; local parameters as `k=0.5`."""
    lists = ""
    for kind, text in (("Reactants", reactants), ("Products", products)):
        references = ""
        for part in text.split():
            count, _, called = part.rpartition("*")
            references += f'<speciesReference species="{called}" stoichiometry="{count or 1}" constant="true"/>'
        lists += f"<listOf{kind}>{references}</listOf{kind}>" if references else ""
    own = "".join(f'<localParameter id="{p.split("=")[0]}" value="{p.split("=")[1]}"/>' for p in local.split())
    own = f"<listOfLocalParameters>{own}</listOfLocalParameters>" if own else ""
    hurry = ' fast="true"' if fast else ""
    return (
        f'<reaction id="{name}" reversible="false"{hurry}>{lists}<kineticLaw>{mathml(law)}{own}</kineticLaw></reaction>'
    )


def event(
    trigger: str,
    at_start: bool = False,
    priority: str = "",
    delay: str = "",
    persistent: bool = True,
    at_trigger: bool = True,
    **changes: str,
) -> str:
    assignments = "".join(
        f'<eventAssignment variable="{name}">{mathml(formula)}</eventAssignment>' for name, formula in changes.items()
    )
    return (
        f'<event useValuesFromTriggerTime="{str(at_trigger).lower()}">'
        f'<trigger initialValue="{str(not at_start).lower()}" persistent="{str(persistent).lower()}">'
        f"{mathml(trigger)}</trigger>"
        + (f"<priority>{mathml(priority)}</priority>" if priority else "")
        + (f"<delay>{mathml(delay)}</delay>" if delay else "")
        + f"<listOfEventAssignments>{assignments}</listOfEventAssignments></event>"
    )


_LISTS = {
    "functions": "FunctionDefinitions",
    "compartments": "Compartments",
    "species": "Species",
    "parameters": "Parameters",
    "initial": "InitialAssignments",
    "rules": "Rules",
    "reactions": "Reactions",
    "events": "Events",
}


def sbml(version: int = 2, attributes: str = "", model: str = "", **lists: list[str]) -> str:
    """A model of level 3 from lists of elements, one element a line."""
    space = f"http://www.sbml.org/sbml/level3/version{version}/core"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<sbml xmlns="{space}" level="3" version="{version}" {attributes}>')
    lines.append(f'<model id="model" {model}>')
    for key, kind in _LISTS.items():
        if key in lists:
            lines += [f"<listOf{kind}>", *lists[key], f"</listOf{kind}>"]
    return "\n".join([*lines, "</model>", "</sbml>"]) + "\n"


def write(folder: Path, text: str, name: str = "model.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
