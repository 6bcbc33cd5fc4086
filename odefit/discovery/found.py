"""What a discovery has found: candidates by how well the data support them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.comparison.comparing import Comparison, compared
from odefit.discovery.candidates import Draft, with_numbers
from odefit.discovery.config_text import config_text
from odefit.discovery.reading import Prepared
from odefit.discovery.recognition import recognised
from odefit.discovery.searching import ALIKE, of_populations
from odefit.discovery.stepwise import complexity
from odefit.discovery.unexplained import unexplained
from odefit.errors import FitError
from odefit.fitting.run import Run
from odefit.records import dataclass
from odefit.runs.tables import Table, frame_of
from odefit.status import Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEADER = (
    "candidate",
    "terms",
    "status",
    "nll",
    "aic",
    "aicc",
    "bic",
    "criterion",
    "delta",
    "weight",
    "system",
    "equations",
)
TERMS = ("term", "inclusion", "in_best")
INTERRUPTED = "interrupted"
"""How `unfinished` begins where it was Ctrl-C."""
EQUAL = 2.0
"""Differences of the criterion up to which the data do not tell candidates apart."""
MISSING = "something is missing, such as a state that was not measured, an input, or a term of the library"
SURE = 10.0
"""From this difference on a candidate is hardly supported."""


@dataclass(frozen=True)
class Candidate:
    """A set of terms with its fit."""

    draft: Draft
    run: Run

    @property
    def is_solved(self) -> bool:
        """Whether its fit has a likelihood."""
        return self.run.result.objective.bic is not None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.draft.name

    @cached_property
    def system(self) -> str | None:
        """The built-in system that has the same terms, if there is one."""
        return recognised(self.draft.equations, tuple(self.draft.parameters))

    @property
    def called(self) -> str:
        """Its name, with that of the system."""
        return self.name if self.system is None else f"{self.name} ({self.system})"

    @property
    def equations(self) -> dict[str, str]:
        """State -> its rate, with numbers."""
        return with_numbers(self.draft, {n: e.value for n, e in self.run.result.estimates.items()})

    @property
    def text(self) -> str:
        """The equations in one line."""
        return "; ".join(f"{state}' = {formula}" for state, formula in self.equations.items())


@dataclass(frozen=True)
class Discovery:
    """Equations that data support: what `odefit.discover` returns.

    Attributes
    ----------
    candidates
        The models that were refitted on the trajectories, the best first: of those that the data do not tell apart, the
        one with the fewest terms.
    criteria, weights
        [C] of each the extended BIC, and its share of exp(-criterion/2) over all.
    terms
        A row for each term that any of the resamplings chose: `term`, `inclusion` (the share of them), `in_best`.
    judgement
        What the data support, and what they do not tell apart, in a sentence.
    unfinished
        Why candidates are missing, or empty.
    n_terms
        How many terms the library has.
    unexplained
        State -> its residuals in multiples of the scatter about smooth curves, where the best candidate does not follow
        it: a state, an input or a term is missing.
    """

    candidates: tuple[Candidate, ...]
    criteria: tuple[float, ...]
    weights: tuple[float, ...]
    terms: tuple[Mapping[str, Any], ...]
    judgement: str
    unfinished: str
    n_terms: int
    unexplained: Mapping[str, float]
    prepared: Prepared

    @property
    def best(self) -> Run:
        """The fit of the candidate that the data support best."""
        return self.candidates[0].run

    @property
    def equations(self) -> dict[str, str]:
        """Its equations, with numbers."""
        return self.candidates[0].equations

    @property
    def deltas(self) -> tuple[float, ...]:
        """[C] how far above the lowest criterion each one's is."""
        return tuple(criterion - min(self.criteria) for criterion in self.criteria)

    @cached_property
    def table(self) -> Table:
        """A row for each candidate."""
        rows = []
        for one, *ranks in zip(self.candidates, self.criteria, self.deltas, self.weights, strict=True):
            o = one.run.result.objective
            numbers = (o.nll, o.aic, o.aicc, o.bic, *ranks)
            rows.append((one.name, one.draft.size, str(one.run.result.status), *numbers, one.system, one.text))
        return Table(HEADER, rows)

    @property
    def term_table(self) -> Table:
        """A row for each term."""
        return Table(TERMS, [tuple(row[key] for key in TERMS) for row in self.terms])

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table as a pandas frame, by candidate."""
        return frame_of(self.table.text.replace("candidate,", "name,", 1)).set_index("name")

    @cached_property
    def comparison(self) -> Comparison | None:
        """The candidates as `odefit compare` sees them; None where there is one only."""
        return compared([c.run for c in self.candidates]) if len(self.candidates) > 1 else None

    @property
    def config(self) -> str:
        """The best candidate as an ordinary config."""
        return config_text(self.prepared, self.candidates[0].draft, self.candidates[0].run, self.judgement, None)

    def figure(self) -> Figure:
        """The criterion and the error against the number of terms, and the candidates over the data."""
        found: Figure = import_module("odefit.discovery.picture").draw_discovery(self)
        return found

    def to_json(self) -> dict[str, Any]:
        """As plain values: the content of `discovery.json`."""
        rows = [dict(zip(HEADER, row, strict=True)) for row in self.table.rows]
        for row, one in zip(rows, self.candidates, strict=True):
            row["equations"] = one.equations
        return {
            "candidates": rows,
            "terms": [dict(row) for row in self.terms],
            "library": self.n_terms,
            "judgement": self.judgement,
            "unexplained": {state: round(ratio, 2) for state, ratio in self.unexplained.items()},
            "unfinished": self.unfinished,
        }

    def __repr__(self) -> str:
        return f"<Discovery: {self.candidates[0].text}; {len(self.candidates)} candidates>"


def judged(
    ready: Prepared, found: Sequence[Candidate], terms: Sequence[Mapping[str, Any]], gamma: float, unfinished: str
) -> Discovery:
    """The candidates in order. Raises FitError where there is none."""
    solved = [one for one in found if one.is_solved]
    if not solved:
        if unfinished.startswith(INTERRUPTED):
            raise KeyboardInterrupt
        raise FitError("none of the candidates could be fitted; try a lower `degree`, or name `known` parts")
    q = ready.library.n_choices
    values = np.array([_criterion(one, q, gamma) for one in solved])
    certified = np.array([one.run.result.status == Status.CONVERGED for one in solved])
    length = np.array([len(one.text) for one in solved])
    near = values <= values.min() + EQUAL
    terms_if_near = np.where(certified & near, [one.draft.size for one in solved], np.inf)
    order = np.lexsort((values, length, np.round(values, ALIKE), terms_if_near, ~certified & ~near))
    values = values[order]
    weights = np.exp(-(values - values.min()) / 2)
    weights /= weights.sum()
    ranked = tuple(solved[k] for k in order)
    lacking = unexplained(ready.series, ranked[0].run)
    inside = {ready.library.terms[j].name for j in ranked[0].draft.columns}
    marked = (dict(row) | {"in_best": row["term"] in inside} for row in terms)
    return Discovery(
        ranked, tuple(map(float, values)), tuple(map(float, weights)),
        tuple(row for row in marked if row["inclusion"] or row["in_best"]),
        _judgement(ready, ranked, values, weights, lacking), unfinished, q, lacking, ready,
    )  # fmt: skip


def _criterion(one: Candidate, q: int, gamma: float) -> float:
    """-2 log likelihood, and what parameters and the choice of so many terms out of q cost."""
    o, k = one.run.result.objective, one.draft.size
    assert o.nll is not None, "without it there is no candidate"
    return 2 * o.nll + complexity(o.n_observations, k, q, gamma, o.n_estimated - k)


def _judgement(
    ready: Prepared, ranked: Sequence[Candidate], values: Any, weights: Any, lacking: Mapping[str, float]
) -> str:
    best, others = ranked[0], list(zip(ranked[1:], values[1:] - values.min(), weights[1:], strict=True))
    near = [f"{one.called} {weight:.2f}" for one, d, weight in others if d <= EQUAL]
    some = [f"{one.called} {weight:.2g}" for one, d, weight in others if EQUAL < d <= SURE]
    said = f"{best.called} has the weight {weights[0]:.2f} among these"
    if near:
        said += f"; the data do not tell it from {', '.join(near)} (criterion within {EQUAL:g})"
    if some:
        said += f"; less supported: {', '.join(some)}"
    if not near and not some and len(ranked) > 1:
        said += ": all others are hardly supported"
    if best.run.result.status != Status.CONVERGED:
        said += "; its fit has no certificate"
    named = []
    for kind, inside in of_populations(ready.series, ready.library).items():
        first = next((one for one in ranked if set(inside).issuperset(one.draft.columns)), best)
        if first is not best and first.called not in named:
            said += f". Of {kind}, {first.called} is the best here"
            named.append(first.called)
    if lacking:
        far = ", ".join(f"{state} {ratio:.2g}" for state, ratio in lacking.items())
        said += f". The residuals are a multiple of the scatter of the data about smooth curves ({far}): {MISSING}"
    return f"{said}. This ranks sets of terms of this library; what the library lacks cannot be found."
