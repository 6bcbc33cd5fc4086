"""Cells of the table of experiments that are formulas: what a column is in each experiment.

A cell that names one parameter binds the column's symbol to that parameter, in that experiment. For other formulas
f1, f2, ... in one column k the equations hold

    k = k' + u1 f1 + u2 f2 + ...,

where k' is the number of an experiment whose cell is one (else 0), and u1 is 1 in the experiments with the formula f1,
else 0. So all derivatives are those of formulas, and nothing else has to know of cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from odefit import algebra as sp
from odefit.data.experiments import Experiment
from odefit.errors import ModelError
from odefit.model.formulas import free_names, parse_formula
from odefit.model.substitution import replacing
from odefit.model.system import symbol
from odefit.problem.described import Cell, Described, initial_name
from odefit.problem.formula_reader import FormulaReader, names_in
from odefit.problem.substitution import close, find_circle


def check_cells(reader: FormulaReader, expressions: Mapping[str, sp.Expr]) -> None:
    """Read every cell that is a formula, once; what is wrong goes to the faults of the reader.

    Parameters
    ----------
    reader
        Of the model section.
    expressions
        Those of the model.
    """
    conditions = reader.place.conditions
    if conditions is None:
        return
    for column, texts in conditions.formulas.items():
        for experiment, text in texts.items():
            where = conditions.where(experiment, column)
            try:
                formula = parse_formula(text, {*reader.known, *reader.states, *expressions}, where)
            except ModelError as error:
                fault, *shown = error.faults[0].what.split("\n")
                words = (
                    f"; formulas need numbers here, words are labels for `by: {column}`" if text.isidentifier() else ""
                )
                what = f"'{text}' is no number and, as a formula, has a fault: {fault}{words}"
                what = "\n".join([what, *shown])
                reader.faults.add(where, what)
                continue
            reader.timeless(replacing({symbol(n): f for n, f in expressions.items()})(formula), where, "a cell")
        _check_circles(reader, column, texts)


def _check_circles(reader: FormulaReader, column: str, texts: Mapping[str, str]) -> None:
    """A column whose cell depends on itself, by way of other cells of the experiment."""
    conditions = reader.place.conditions
    assert conditions is not None  # the caller sees to it
    for experiment in texts:
        row = {name: cells[experiment] for name, cells in conditions.formulas.items() if experiment in cells}
        depends = {}
        for name, text in row.items():
            try:
                depends[name] = free_names(parse_formula(text, {*reader.known, *reader.states})) & row.keys()
            except ModelError:
                depends[name] = set()
        circle = find_circle(column, depends, set())
        if circle and circle[0] == column:
            what = f"is defined by itself: {' -> '.join(circle)}; break the circle"
            reader.faults.add(conditions.where(experiment, column), what)


def with_cells(described: Described, experiments: Sequence[Experiment], bind: bool = True) -> Described:
    """The system with what the cells of its experiments say in place of their columns.

    Parameters
    ----------
    described
        The system whose formulas name the columns.
    experiments
        Those with cells that are formulas (`Experiment.formulas`).
    bind
        Whether the name of a parameter alone binds the column to it; else it is a formula like all others.
    """
    columns = dict.fromkeys(name for e in experiments for name in e.formulas)
    if not columns:
        return described
    rows = [_row(described, e) for e in experiments]
    starts = {*map(initial_name, described.system.states)}
    parts: dict[str, sp.Expr] = {}
    cells: dict[str, dict[str, Cell]] = {}
    for column in columns:
        found: dict[sp.Expr, str] = {}
        own: dict[str, Cell] = {}
        for experiment, row in zip(experiments, rows, strict=True):
            formula = row.get(column)
            if formula is None:
                continue
            alone = str(formula.name) if formula.is_Symbol else None
            if formula.is_number:
                own[experiment.name] = float(formula)
            elif alone in experiment.constants:
                own[experiment.name] = experiment.constants[str(alone)]
            elif bind and alone is not None and alone not in starts:
                own[experiment.name] = alone
            else:
                found.setdefault(formula, f"{column}@{len(found) + 1}")
                own[experiment.name] = 0.0
        cells[column] = own
        for formula, name in found.items():
            cells[name] = {e.name: float(row.get(column) == formula) for e, row in zip(experiments, rows, strict=True)}
        if found:
            chosen = [_where_chosen(formula, symbol(name)) for formula, name in found.items()]
            parts[column] = sp.Add(symbol(column), *chosen)
    return _put(described, parts, cells)


def _row(described: Described, experiment: Experiment) -> dict[str, sp.Expr]:
    """The formulas of one experiment's cells, in terms of parameters without a formula and of constants."""
    system = described.system
    names = {*described.known, *experiment.constants, *experiment.formulas, *system.expressions}
    named = {**system.expressions, **described.ties, **described.starts}
    put = replacing({symbol(name): formula for name, formula in named.items() if name not in experiment.formulas})
    read = {name: put(parse_formula(text, names)) for name, text in experiment.formulas.items()}
    closed: dict[str, sp.Expr] = {}
    for name in read:
        close(name, read, closed)
    return closed


def _where_chosen(formula: sp.Expr, chosen: sp.Symbol) -> sp.Expr:
    """u f; where f may be no number in an experiment that has another formula, it is not looked at there."""
    product: sp.Expr = sp.Mul(chosen, formula)
    if formula.is_polynomial(*formula.free_symbols):
        return product
    holds = sp.StrictGreaterThan(chosen, sp.S.Half, evaluate=False)
    cases: sp.Expr = sp.Piecewise((formula, holds), (0, True), evaluate=False)
    return cases


def _put(described: Described, parts: Mapping[str, sp.Expr], cells: Mapping[str, Mapping[str, Cell]]) -> Described:
    """The formulas of columns put in, and the parameters counted again."""
    put = replacing({symbol(name): formula for name, formula in parts.items()})
    system = described.system.mapped(put)
    dosing = described.dosing.mapped(put)
    ties = {name: put(formula) for name, formula in described.ties.items()}
    starts = {name: put(formula) for name, formula in described.starts.items()}
    used = set().union(*map(free_names, (*system.formulas, *dosing.formulas)))
    order = dict.fromkeys((*described.known, *cells))
    parameters = tuple(name for name in order if name in used)
    bound = {target for own in cells.values() for target in own.values() if isinstance(target, str)}
    named = bound | names_in(parts)
    return replace(
        described,
        system=replace(system, parameters=parameters),
        dosing=dosing,
        ties=ties,
        starts=starts,
        columns=parts,
        cells=cells,
        in_cells=tuple(name for name in order if name in named),
    )
