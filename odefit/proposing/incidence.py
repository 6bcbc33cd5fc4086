"""New cases per interval: what is counted anew each day or week is the growth of a sum, not how many are ill.

A state C adds up all who fell ill, dC/dt = what flows into I, and its `increase` was measured (docs/increments.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.time_names import is_called
from odefit.proposing.look import Look
from odefit.proposing.naming import identifier
from odefit.proposing.proposal import Proposal, Unknown
from odefit.proposing.scatter import are_counts

NEW = r"(new|daily|weekly|monthly|reported|confirmed|notified|incident)"
CASES = r"(cases|infections|positives|notifications|diagnoses|admissions|onsets)"
INCIDENCE = (
    rf"({NEW}[ _.-]*)*{CASES}([ _.-]*(per|each|by)[ _.-]*(day|week|month))?|.*incidence|{NEW}[ _.-]*(infected|cases?)"
)
"""Names of what is counted anew in each interval; `infected`, `active cases` and `prevalence` are none."""
WIDTH = 100.0
"""How far bounds are from the start, as a factor."""


def counted_anew(look: Look, proposal: Proposal) -> Proposal:
    """The proposal with counts per interval, where an epidemic is proposed for data that are called so.

    Sums since the beginning are left as they are: they never fall.
    """
    column = str(proposal.columns.get("I", "I"))
    equation = proposal.equations.get("I", "")
    if list(proposal.observables) != ["I"] or " - " not in equation or not is_called(column, INCIDENCE):
        return proposal
    series = look.series.get(column)
    if series is None or not are_counts(series[:, 1], np.inf) or not _falls(series):  # by their name, of any size
        return proposal
    called = identifier(column, (*proposal.equations, *(one.name for one in proposal.unknowns), "C"))
    total = max(float(series[series[:, 2] == code, 1].sum()) for code in np.unique(series[:, 2]))
    return replace(
        proposal,
        equations={**proposal.equations, "C": equation.partition(" - ")[0]},
        initial={**proposal.initial, "C": 0.0},
        observables={called: "C"},
        columns={} if called == column else {called: column},
        unknowns=[_sized(one, total, look.first[column]) for one in proposal.unknowns],
        noise={called: "negative_binomial"},
        start=_start(series),
        anew=called,
    )


def _falls(series: FloatArray) -> bool:
    """Whether the counts of any experiment fall again."""
    return any(bool((np.diff(series[series[:, 2] == code, 1]) < 0).any()) for code in np.unique(series[:, 2]))


def _sized(one: Unknown, total: float, first: FloatArray) -> Unknown:
    """The susceptible are more than all who fell ill; those ill at first are about as many as the first counts."""
    if one.name == "S_0":
        return _within(one, 1.5 * total, 0.5 * total, "not measured: more than all cases")
    if one.name == "I_0":
        value = max(float(np.median(first)), 1.0)
        return _within(one, value, value / WIDTH, "not measured: about the first counts")
    return one


def _within(one: Unknown, value: float, lower: float, remark: str) -> Unknown:
    value, lower, upper = (float(f"{x:.2g}") for x in (value, lower, value * WIDTH))
    return replace(one, value=value, lower=lower, upper=upper, scale="log", remark=remark)


def _start(series: FloatArray) -> float:
    """Where the first interval begins: as long before the first count as the next one is after it, mostly."""
    gaps = [np.diff(np.unique(series[series[:, 2] == code, 0])) for code in np.unique(series[:, 2])]
    step = float(np.median(np.concatenate(gaps)))
    return float(f"{series[:, 0].min() - step:.6g}")
