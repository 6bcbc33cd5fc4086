"""Reads the formulas of one model section, and gathers what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from odefit import algebra as sp
from odefit.errors import Fault, Faults, InputError, ModelError
from odefit.model.formulas import free_names, parse_formula
from odefit.model.language import CONSTANTS
from odefit.model.substitution import replacing
from odefit.model.system import TIME, symbol
from odefit.model.tokens import written_names
from odefit.problem.described import initial_name
from odefit.problem.equations import ModelSource, declared_names, equation_texts


class FormulaReader:
    """The names that formulas of a model section may use, and what has been read.

    Attributes
    ----------
    faults : Faults
        What is wrong.
    states, declared : tuple of str
        The states, and the parameters of the catalogue and of the config.
    known : set of str
        What a formula may name that is evaluated before anything is integrated.
    derived : dict
        What has a formula, parameters and initial values `x_0` -> it as it is written.
    put : callable
        Puts expressions into a formula that names them.
    written : set of str
        The names that stand in formulas, also where they cancel out.
    """

    def __init__(self, place: ModelSource) -> None:
        """Read the texts of the equations; nothing is parsed yet."""
        self.place = place
        self.faults = Faults()
        self.texts = equation_texts(place)
        self.networks = self.texts.networks
        self.states = tuple(self.texts.equations)
        self.declared = declared_names(place, self.states, self.texts.nominal, self.faults)
        self.known = {*self.declared, *place.constants, *map(initial_name, self.states)}
        self.derived = dict[str, sp.Expr]()
        self.written = {*place.in_cells}
        self.put: Callable[[sp.Expr], sp.Expr] = replacing({})

    def put_expressions(self, expressions: Mapping[str, sp.Expr]) -> None:
        """From now on put these into the formulas that name them."""
        self.put = replacing({symbol(name): formula for name, formula in expressions.items()})

    def read(self, text: str, names: Collection[str], *keys: str | int) -> sp.Expr:
        """A formula of the section, by its keys."""
        return self.formula(text, names, self.place.where(*keys))

    def formula(self, text: str, names: Collection[str], where: str) -> sp.Expr:
        """A formula of any place; 0 where it has a fault."""
        self.written |= written_names(text)
        try:
            return self.put(parse_formula(text, {*names, *self.place.section.expressions}, where, self.networks))
        except ModelError as error:
            column = self._column(text, {*names, *self.place.section.expressions})
            for fault in error.faults:
                what, *shown = fault.what.split("\n")  # the formula is shown below
                if column and column.partition(" is a column")[0] in what:
                    what = f"{what.partition(' (there is')[0]}; {column}"
                self.faults.found.append(Fault(fault.where, "\n".join([what, *shown])))
            nothing: sp.Expr = sp.S.Zero
            return nothing

    def _column(self, text: str, names: Collection[str]) -> str:
        """Which column of the measurements a formula names that may not; else nothing."""
        others = written_names(text) - {*names, *CONSTANTS, TIME}
        with suppress(InputError):  # said by those who read them
            for name in sorted(others & set(self.place.measured())) if others else ():
                what = f"'{name}' is a column of the measurements, which formulas of observables and noise may name"
                return f"{what}, others only one that is constant in each experiment and read as nothing else"
        return ""

    def timeless(self, formula: sp.Expr, where: str, what: str, instead: str = "") -> sp.Expr:
        """A formula that is evaluated once, before the start: no states, no inputs, no time. instead: what to do."""
        for name in sorted(free_names(formula) & {*self.states, *self.place.inputs, TIME}):
            here = f"; {instead}" if instead else ""
            self.faults.add(where, f"{what} cannot depend on '{name}', which is not known before the start{here}")
        return formula


def names_in(*groups: Mapping[str, sp.Expr]) -> set[str]:
    """The names that formulas depend on."""
    return set().union(*(free_names(formula) for group in groups for formula in group.values()))
