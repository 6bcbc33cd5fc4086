"""Columns of the measurements that formulas of observables and noise name: a scale, an offset, a sigma for each cell.

In the formulas of observable o a column c is

    c[o] + (c@f1)[o] f1 + (c@f2)[o] f2 + ...:

its number where the cell has one, else 0; and a formula of parameters f1 where the cell holds that
(data/cell_texts.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.data.cell_texts import covariate_of, formula_keys, formula_of
from odefit.data.experiments import Experiment
from odefit.data.layouts import OBSERVABLE, TIME
from odefit.errors import ModelError
from odefit.model.formulas import free_names, parse_formula
from odefit.model.substitution import replacing
from odefit.model.system import symbol
from odefit.model.tokens import written_names
from odefit.objective.observation import covariate_symbol
from odefit.problem.data_file import open_data
from odefit.problem.described import Described
from odefit.text import closest


def data_columns(loaded: LoadedConfig) -> Collection[str]:
    """The names of the columns of the measurements. Raises DataError where there are none to be read."""
    data = loaded.config.data
    content = None if loaded.given is None else loaded.given.content
    if isinstance(content, tuple):
        return {covariate_of(key) for e in content for key in e.covariates}
    if content is not None:
        names = [str(name).strip() for name in content.columns]
    elif data.csv is not None:
        wanted = [*TIME, *OBSERVABLE, "value", "experiment", *data.single_columns.values()]
        sheet = open_data(loaded, wanted)
        names = list(sheet.header.names)
    else:
        return set()
    return {*names, *(name.partition("[")[0] for name in names if name.endswith("]"))}


def columns_beside(experiments: Sequence[Experiment]) -> Collection[str]:
    """The columns that experiments have beside their measurements."""
    return {covariate_of(key) for e in experiments for key in e.covariates}


def in_measured_cells(experiments: Sequence[Experiment]) -> set[str]:
    """The names in cells that are formulas."""
    texts = {text for e in experiments for key in e.covariates if (text := formula_of(key)) is not None}
    return {name for text in texts for name in written_names(text)}


class MeasuredColumns:
    """The columns beside the measurements, as parts of formulas."""

    def __init__(self, described: Described, experiments: Sequence[Experiment]) -> None:
        """Read every formula once.

        Parameters
        ----------
        described
            The system.
        experiments
            With their covariates.
        """
        self.tables = dict.fromkeys(key for e in experiments for key in e.covariates)
        self.names = tuple(dict.fromkeys(map(covariate_of, self.tables)))
        system = described.system
        named = {**described.ties, **described.starts, **described.columns}
        put = replacing({symbol(name): formula for name, formula in named.items()})
        self.formulas: dict[str, sp.Expr] = {}
        for key in self.tables:
            text = formula_of(key)
            if text is not None:
                self.formulas[key] = put(parse_formula(text, {*described.known, *system.parameters}))

    def tables_of(self, formula: sp.Expr) -> tuple[str, ...]:
        """The tables that a formula needs: those of the columns that it names."""
        names = free_names(formula)
        return tuple(key for key in self.tables if covariate_of(key) in names)

    def parts(self, observable: str) -> dict[sp.Symbol, sp.Expr]:
        """Column -> what stands for it in the formulas of an observable."""
        found = {}
        for name in self.names:
            marks = [(symbol(covariate_symbol(key, observable)), key) for key in formula_keys(self.tables, name)]
            chosen = [_where_marked(mark, self.formulas[key]) for mark, key in marks]
            found[symbol(name)] = sp.Add(symbol(covariate_symbol(name, observable)), *chosen)
        return found


def _where_marked(mark: sp.Symbol, formula: sp.Expr) -> sp.Expr:
    """The formula where its mark is 1, else 0; a name is a number everywhere, and other formulas may not be one."""
    product: sp.Expr = sp.Mul(mark, formula)
    if formula.is_Symbol:
        return product
    cases: sp.Expr = sp.Piecewise((formula, sp.StrictGreaterThan(mark, sp.S.Half)), (0, True), evaluate=False)
    return cases


def with_measured_columns(described: Described, experiments: Sequence[Experiment]) -> Described:
    """The system whose observables have cells in place of the columns that they name."""
    columns = MeasuredColumns(described, experiments)
    system = described.system
    beside = {name: columns.tables_of(g) for name, g in system.observables.items()}
    beside = {name: keys for name, keys in beside.items() if keys}
    if not beside:
        return described
    observables = {
        name: replacing(columns.parts(name))(g) if name in beside else g for name, g in system.observables.items()
    }
    system = replace(system, observables=observables)
    used = {*system.parameters, *_used(observables)}
    parameters = tuple(name for name in dict.fromkeys((*described.known, *system.parameters)) if name in used)
    return replace(described, system=replace(system, parameters=parameters), beside=beside)


def _used(formulas: Mapping[str, sp.Expr]) -> set[str]:
    return set().union(*map(free_names, formulas.values()))


def formula_fault(text: str, names: Collection[str]) -> str | None:
    """Why a cell is no formula of these names, empty where it does not look like one; None where it is one."""
    try:
        parse_formula(text, names)
    except ModelError as error:
        looks = written_names(text) & set(names) or any(sign in text for sign in "*/^(+") or _is_nearly(text, names)
        return f"has a fault: {error.faults[0].what}" if looks else ""
    return None


def _is_nearly(text: str, names: Collection[str]) -> bool:
    """Whether a word is a typing error of a name."""
    return text.isidentifier() and closest(text, names) is not None
