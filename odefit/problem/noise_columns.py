"""Which names in noise formulas are columns of the data: those that mean nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property, partial

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.data.covariates import CovariateUse
from odefit.errors import Faults, ModelError
from odefit.model.formulas import parse_formula
from odefit.model.language import CONSTANTS
from odefit.model.operators import put_numbers
from odefit.model.system import TIME, symbol
from odefit.model.tokens import written_names
from odefit.problem.described import ESTIMATE, Described, initial_name
from odefit.problem.measured_columns import formula_fault

COLUMN = "column"
"""What stands for the data's own sigma."""
LEVELS = ("sigma", "proportional", "dispersion")


class NoiseColumns:
    """The noise formulas of a config, and the columns that they name."""

    def __init__(self, loaded: LoadedConfig, described: Described) -> None:
        """Keep both; nothing is read yet."""
        self.loaded, self.described = loaded, described

    @cached_property
    def meanings(self) -> dict[str, str]:
        """What the names that formulas may use mean, columns aside."""
        config, system = self.loaded.config, self.described.system
        found = dict.fromkeys(config.data.inputs, "an input")
        found |= dict.fromkeys(self.described.constants, "a constant of data.experiments")
        found |= dict.fromkeys(map(initial_name, system.states), "an initial value")
        found |= dict.fromkeys((*config.parameters, *self.described.nominal), "a parameter")
        found |= dict.fromkeys(system.expressions, "an expression")
        found |= dict.fromkeys(system.observables, "an observable")
        return found | dict.fromkeys(system.states, "a state")

    @property
    def use(self) -> CovariateUse:
        """What to read beside the measurements."""
        used = {o: self._names(o) for o in self.described.system.observables}
        taken = {name: self.meanings[name] for names in used.values() for name in names if name in self.meanings}
        for name, section in (self.loaded.config.model.observables or {}).items():
            used[name] = (*used[name], *sorted(written_names(section.text) - {TIME, *CONSTANTS}))
        columns = {
            o: tuple(name for name in dict.fromkeys(names) if name not in self.meanings) for o, names in used.items()
        }
        return CovariateUse(columns, taken, self._refuses, partial(formula_fault, names=self.described.known))

    def check(self, known: Collection[str], faults: Faults) -> None:
        """Every name in a noise formula that means nothing.

        Parameters
        ----------
        known
            The columns of the data.
        faults
            Takes a sentence for each formula with such names.
        """
        for observable in self.described.system.observables:
            for where, text in noise_texts(self.loaded, observable):
                if COLUMN in self._names(observable) and COLUMN not in {*self.meanings, *known}:
                    what = f"`{COLUMN}` stands by itself; in a formula, name the column of the data"
                    faults.add(where, f"{what}, such as `s*{observable}_sigma`")
                    continue
                with faults.catching():
                    parse_formula(text, {*self.meanings, *known}, where)

    def _names(self, observable: str) -> tuple[str, ...]:
        """The names in the noise formulas of an observable; none of one that cannot be read."""
        found = dict[str, None]()
        for _, text in noise_texts(self.loaded, observable):
            found |= dict.fromkeys(sorted(written_names(text) - {TIME, *CONSTANTS}))
        return tuple(found)

    @property
    def names(self) -> set[str]:
        """All names in the noise formulas, also where they cancel out."""
        return {name for observable in self.described.system.observables for name in self._names(observable)}

    def _refuses(self, observable: str, column: str, value: float) -> bool:
        """Whether a noise level is none, or has the wrong sign, where the column has this value."""
        names = {*self.meanings, *self._names(observable)}
        for _, text in noise_texts(self.loaded, observable):
            try:
                formula = parse_formula(text, names)
            except ModelError:
                continue
            if symbol(column) in formula.free_symbols and _is_none(formula, symbol(column), value):
                return True
        return False


def check_noise_keys(loaded: LoadedConfig, observables: Collection[str], faults: Faults) -> None:
    """Whether the section `noise` is of nothing but observables."""
    section = loaded.config.noise
    for name in () if isinstance(section, NoiseSection) else section:
        if name not in observables:
            faults.add(loaded.where("noise", name), f"'{name}' is no observable; there is: {', '.join(observables)}")


def noise_texts(loaded: LoadedConfig, observable: str) -> Iterator[tuple[str, str]]:
    """Where the noise formulas of an observable stand, and what they are."""
    section = loaded.config.noise
    chosen = section if isinstance(section, NoiseSection) else section.get(observable, NoiseSection())
    keys = ("noise",) if isinstance(section, NoiseSection) else ("noise", observable)
    for kind in LEVELS:
        text = getattr(chosen, kind)
        if text not in (None, ESTIMATE, COLUMN):
            yield loaded.where(*keys, kind), text


def _is_none(formula: sp.Expr, column: sp.Symbol, value: float) -> bool:
    """Whether a formula that is positive at positive values of the column is not so at this one."""
    try:
        there, opposite = (put_numbers(formula, {column: v}) for v in (value, -value))
    except ModelError:
        return True
    return bool(there.is_zero) or (value < 0 and sp.expand(there + opposite) == 0)
