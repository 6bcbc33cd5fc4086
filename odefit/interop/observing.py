"""Observables, noise and measurements of a PEtab problem, as odefit has them.

What is the same for all measurements of an observable stands in its formulas; what differs from one to the next is a
column of the data file that the formulas name, and where it is nothing but the noise level, and a number, the column
`sigma`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odefit.errors import Faults
from odefit.interop.draft import DraftNoise, DraftTable
from odefit.interop.mathematics import Name, Number, Tree, replaced
from odefit.interop.petab_problem import Measured, PetabObservable, PetabProblem
from odefit.records import dataclass

SIGMA = "sigma"
_MODELS = {
    ("normal", "lin"): "gaussian",
    ("normal", "log"): "lognormal",
    ("normal", "log10"): "log10_normal",
    ("laplace", "lin"): "laplace",
    ("laplace", "log"): "log_laplace",
    ("laplace", "log10"): "log10_laplace",
}
"""By PEtab's distribution and the scale on which it holds."""


@dataclass(frozen=True)
class Observed:
    """The observables that are measured, their noise, and the data file."""

    formulas: Mapping[str, Tree]
    noise: Mapping[str, DraftNoise]
    data: DraftTable
    decisions: tuple[str, ...]


def observed(problem: PetabProblem, taken: Sequence[str], faults: Faults) -> Observed:
    """What was measured, and how.

    Parameters
    ----------
    problem
        The problem.
    taken
        Names that a column of the data file must not have.
    faults
        Is told of measurements that the noise cannot have made.
    """
    rows: dict[str, list[Measured]] = {}
    for row in problem.measurements:
        rows.setdefault(row.observable, []).append(row)
    columns = _Columns(set(taken))
    formulas, noise = {}, {}
    for name, observable in problem.observables.items():
        if name in rows:
            formulas[name], noise[name] = columns.of(observable, rows[name])
            _check_values(observable, rows[name], faults)
    unmeasured = [name for name in problem.observables if name not in rows]
    decisions = (f"left out, for nothing was measured of it: {', '.join(unmeasured)}",) if unmeasured else ()
    return Observed(formulas, noise, columns.table(problem.measurements), decisions)


def _check_values(observable: PetabObservable, rows: Sequence[Measured], faults: Faults) -> None:
    if observable.transformation == "lin":
        return
    for row in rows:
        if row.value <= 0:
            what = f"{row.value:g} has no logarithm, and '{observable.name}' is compared on a logarithmic scale"
            faults.add(f"{row.where}, column measurement", what)


class _Columns:
    """Columns of the data file beside the measurements, filled one observable after the other."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken | {"experiment", "time", "observable", "value", SIGMA, "at_jump"}
        self.cells: dict[str, dict[str, Tree]] = {}
        """Column: the cell of each row, by its place."""

    def of(self, observable: PetabObservable, rows: Sequence[Measured]) -> tuple[Tree, DraftNoise]:
        put: dict[str, Tree] = {}
        sigma: Tree | None = observable.noise
        for names, kind in (
            (observable.placeholders, "parameters"),
            (observable.noise_placeholders, "noise_parameters"),
        ):
            for i, placeholder in enumerate(names):
                cells = {row.where: getattr(row, kind)[i] for row in rows}
                if len(set(cells.values())) == 1:
                    put[placeholder] = next(iter(cells.values()))
                elif sigma == Name(placeholder) and _plain(cells):
                    self._fill(SIGMA, cells)
                    sigma = None
                else:
                    put[placeholder] = Name(self._column(placeholder, observable.name))
                    self._fill(put[placeholder].name, cells)  # type: ignore[union-attr]
        model = _MODELS[observable.distribution, observable.transformation]
        return replaced(observable.formula, put), DraftNoise(model, None if sigma is None else replaced(sigma, put))

    def _column(self, placeholder: str, observable: str) -> str:
        """A column for the observable alone is called as PEtab does; one that others can share, by its number."""
        name = placeholder.removesuffix(f"_{observable}")
        while name in self.taken:
            name += "_"
        return name

    def _fill(self, column: str, cells: Mapping[str, Tree]) -> None:
        self.cells.setdefault(column, {}).update(cells)

    def table(self, rows: Sequence[Measured]) -> DraftTable:
        header = ["experiment", "time", "observable", "value", *self.cells]
        return DraftTable(
            header,
            [
                (
                    *(row.experiment, Number(row.time), row.observable, Number(row.value)),
                    *(cells.get(row.where, "") for cells in self.cells.values()),
                )
                for row in rows
            ],
        )


def _plain(cells: Mapping[str, Tree]) -> bool:
    return all(isinstance(cell, Number) for cell in cells.values())
