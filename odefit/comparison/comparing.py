"""Criteria, weights, likelihood-ratio tests and scores of several fits of the same measurements.

With nll the negative log-likelihood at the optimum, k estimated parameters and n measurements,

    AIC = 2 nll + 2 k,   AICc = AIC + 2 k (k + 1) / (n - k - 1),   BIC = 2 nll + k ln n,

Akaike weights are exp(-Delta/2) over their sum, Delta the difference to the least AICc (Burnham & Anderson 2002). Twice
the difference of nll of a model and a special case of it is about chi-square distributed with as many degrees of
freedom as parameters are saved, if the special case is true (Wilks 1938); where it lies on a bound, such as a rate that
is 0, half of that probability for one parameter, and less than that for more of them (Self & Liang 1987).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from odefit.comparison.nesting import Nesting, nesting
from odefit.comparison.same_data import check_comparable
from odefit.data.experiments import Experiment
from odefit.distributions import chi_square_tails
from odefit.errors import RunError
from odefit.fitting.run import Run
from odefit.records import dataclass
from odefit.runs.fingerprint import identity_of
from odefit.runs.tables import Table, frame_of
from odefit.status import Status
from odefit.text import clip, one_line

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEADER = (
    *("run", "status", "parameters", "measurements", "nll", "aic", "aicc", "bic", "delta", "weight"),
    *("hold_out", "cross_validation"),
)
CONDITIONS = ("the table of experiments", "the doses", "the inputs")
"""Kinds of data (runs/fingerprint.py) that may differ between models of the same measurements."""
WORSE = 0.01
"""By this much of the negative log-likelihood a larger model may be worse than a special case of it: rounding."""
EQUAL, WEAK, STRONG = 2.0, 4.0, 10.0
"""Differences of AICc up to which models are about equally good, a little worse, and hardly supported beyond."""


@dataclass(frozen=True)
class RatioTest:
    """A likelihood-ratio test of two models, one a special case of the other.

    Parameters
    ----------
    small, large
        The names of the runs.
    nesting
        How the first is a special case of the second.
    statistic
        Twice the difference of the negative log-likelihoods.
    p
        The probability of that or more, if the special case is true.
    note
        What to know of it, or empty.
    """

    small: str
    large: str
    nesting: Nesting
    statistic: float
    p: float
    note: str = ""

    @property
    def sentence(self) -> str:
        """The test in words."""
        what = (
            f"{self.small} is {self.large} with {self.nesting.text}"
            if self.nesting.text
            else (f"{self.small} is a special case of {self.large}")
        )
        found = f"likelihood ratio {self.statistic:.4g}, degrees of freedom {self.nesting.degrees}, p = {self.p:.3g}"
        return f"{what}: {found}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Comparison:
    """Several fits of the same measurements, the best one first.

    Attributes
    ----------
    table
        A row for each run: k, n, nll, criteria, `delta` (of AICc, to the least) and Akaike weight; the negative
        log-likelihood per measurement of what was held out, and of cross-validation, where the runs have them.
    tests
        Likelihood-ratio tests of nested models.
    judgement
        One sentence, and its limits.
    notes
        What to know of the numbers, a sentence each.
    """

    table: Table
    tests: tuple[RatioTest, ...]
    judgement: str
    notes: tuple[str, ...]
    runs: Mapping[str, Run]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table as a pandas frame, by run."""
        return frame_of(self.table.text.replace("run,", "name,", 1)).set_index("name")

    def figure(self, dates: bool = False) -> Figure:
        """The curves of all runs over the measurements; dates: on the axes, where the times of the data were dates."""
        found: Figure = import_module("odefit.plots.comparison_picture").draw_comparison(self, dates)
        return found

    def __repr__(self) -> str:
        return f"<Comparison: {one_line(self.judgement)}>"

    def _repr_html_(self) -> str:
        return f"{self.frame.to_html()}<p>{one_line(self.judgement)}</p>"


def compared(runs: Sequence[Run]) -> Comparison:
    """Compare; see `odefit.compare`."""
    names = _names(runs)
    if len(runs) < 2:
        raise RunError("compare", "needs two runs or more")
    check_comparable(runs, names)
    _check_likelihoods(runs, names)
    criterion = "aicc" if all(run.result.objective.aicc is not None for run in runs) else "aic"
    values = np.array([getattr(run.result.objective, criterion) for run in runs])
    order = np.argsort(values, kind="stable")
    delta = values - values.min()
    weights = np.exp(-delta / 2) / np.exp(-delta / 2).sum()
    rows = [_row(runs[k], names[k], float(delta[k]), float(weights[k])) for k in order]
    named = {names[k]: runs[k] for k in order}
    tests, unknown = _tests(named)
    notes = [*_status_notes(runs, names), *_conditions_notes(runs, names), *_notes(runs, names, criterion), *unknown]
    judgement = _judgement([names[k] for k in order], delta[order], weights[order], tests, criterion)
    return Comparison(Table(HEADER, rows), tests, judgement, tuple(notes), named)


def _names(runs: Sequence[Run]) -> list[str]:
    """The folders of the runs, or as much of their paths as tells them apart; `run 1` for one in memory."""
    found = [f"run {k + 1}" if run.path is None else run.path.resolve().name for k, run in enumerate(runs)]
    if len(set(found)) == len(found):
        return found
    longer = [f"run {k + 1}" if run.path is None else str(run.path) for k, run in enumerate(runs)]
    return longer if len(set(longer)) == len(longer) else [f"{name} ({k + 1})" for k, name in enumerate(longer)]


def _check_likelihoods(runs: Sequence[Run], names: Sequence[str]) -> None:
    for run, name in zip(runs, names, strict=True):
        if run.result.objective.aic is None:
            raise RunError(name, f"has no likelihood to compare: {run.result.message}")


def _row(run: Run, name: str, delta: float, weight: float) -> list[object]:
    o, r = run.result.objective, run.result
    scores = [None if score is None else score.nll_per_observation for score in (r.hold_out, r.cross_validation)]
    return [name, str(r.status), o.n_estimated, o.n_observations, o.nll, o.aic, o.aicc, o.bic, delta, weight, *scores]


def _tests(runs: Mapping[str, Run]) -> tuple[tuple[RatioTest, ...], list[str]]:
    """The tests of all pairs that are nested, and what is said of the others."""
    found, unknown = [], []
    for one, other in itertools.combinations(runs, 2):
        small, large = sorted((one, other), key=lambda name: len(runs[name].assembly.problem.table.estimated))
        how = nesting(runs[small], runs[large])
        if how is None:
            unknown.append(f"{small} and {large}")
        else:
            found.append(_test(small, large, runs, how))
    if not unknown:
        return tuple(found), []
    pairs = "; ".join(unknown[:3]) + (f" and {len(unknown) - 3} more pairs" if len(unknown) > 3 else "")
    return tuple(found), [f"no likelihood-ratio test, since the formulas do not show one in the other: {pairs}"]


def _test(small: str, large: str, runs: Mapping[str, Run], how: Nesting) -> RatioTest:
    gain = 2 * (_nll(runs[small]) - _nll(runs[large]))
    if gain < -2 * WORSE:
        what = f"{large} fits worse than its special case, so it is not at its best optimum: more starts"
        return RatioTest(small, large, how, gain, 1.0, what)
    gain = max(gain, 0.0)
    p, note = chi_square_tails(gain, how.degrees)[1], ""
    if how.on_bound:
        where = ", ".join(how.on_bound)
        if how.degrees == 1:
            p, note = p / 2 if gain > 0 else 1.0, f"half of chi-square's, since {where} lies on its bound there"
        else:
            note = f"too large, since {where} lies on a bound there: chi-square's would hold for a point inside"
    if any(p.prior is not None for p in runs[large].assembly.problem.table if p.estimate):
        note += ("; " if note else "") + "priors have moved the estimates, so it is no more than a hint"
    return RatioTest(small, large, how, gain, p, note)


def _nll(run: Run) -> float:
    value = run.result.objective.nll
    return math.inf if value is None else value


def _status_notes(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    open_ = [f"{clip(n)} is `{r.result.status}`" for r, n in zip(runs, names, strict=True)
             if r.result.status != Status.CONVERGED]  # fmt: skip
    if not open_:
        return []
    return [f"without a certificate a likelihood is no maximum, and its criteria are too large: {', '.join(open_)}"]


def _notes(runs: Sequence[Run], names: Sequence[str], criterion: str) -> list[str]:
    notes = []
    if criterion == "aic":
        notes.append("weights by AIC: with as few measurements as one of the fits has there is no AICc")
    if any(p.prior is not None for run in runs for p in run.assembly.problem.table if p.estimate):
        notes.append("a fit with priors is not at the maximum of its likelihood; the criteria leave the priors out")
    networks = [name for run, name in zip(runs, names, strict=True) if run.assembly.networks is not None]
    if networks:
        notes.append(f"each weight of a network counts as a parameter ({', '.join(networks)}): prefer held-out scores")
    for what, scores in (
        ("held-out scores", [run.result.hold_out for run in runs]),
        ("cross-validation", [run.result.cross_validation for run in runs]),
    ):
        known = [s for s in scores if s is not None]
        if known and (len(known) < len(runs) or len({s.n_observations for s in known}) > 1):
            notes.append(f"{what}: not all runs have them of the same measurements, so they do not compare")
    return notes


def _conditions_notes(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """A note where the same measurements were made under other conditions: that may be meant, or a mistake."""
    known = [{n for e in run.measured for n in (*e.constants, *e.formulas)} for run in runs]
    common = set.intersection(*known)
    kinds = [identity_of(run.loaded, [_conditions_of(e, common) for e in run.measured])["data"] for run in runs]
    different = [
        f"{name} in {', '.join(kind for kind in CONDITIONS if own.get(kind) != kinds[0].get(kind))}"
        for own, name in zip(kinds[1:], names[1:], strict=True)
        if any(own.get(kind) != kinds[0].get(kind) for kind in CONDITIONS)
    ]
    return [f"the experiments are not under the same conditions as in {names[0]}: {'; '.join(different)}"] * bool(
        different
    )


def _conditions_of(experiment: Experiment, names: Collection[str]) -> Experiment:
    """Without labels, by which parameters are grouped, and without constants that another model does not name."""
    constants = {name: value for name, value in experiment.constants.items() if name in names}
    formulas = {name: text for name, text in experiment.formulas.items() if name in names}
    return replace(experiment, labels={}, constants=constants, formulas=formulas)


def _judgement(
    names: Sequence[str],
    delta: Sequence[float],
    weights: Sequence[float],
    tests: Sequence[RatioTest],
    criterion: str,
) -> str:
    word = "AICc" if criterion == "aicc" else "AIC"
    near = [name for name, d in zip(names[1:], delta[1:], strict=True) if d <= EQUAL]
    if near:
        told = f"the data do not tell {names[0]} and {', '.join(near)} apart ({word} within {EQUAL:g})"
        simpler = [
            t.small for t in tests if t.small in (names[0], *near) and t.large in (names[0], *near) and t.p > 0.05
        ]
        told += f"; {simpler[0]} is the simpler one, and the test does not refute it" if simpler else ""
    else:
        support = "a little" if delta[1] <= WEAK else "clearly" if delta[1] <= STRONG else "by far"
        told = (
            f"{names[0]} is {support} the best of these: its {word} is {delta[1]:.3g} lower than that of {names[1]}, "
            f"its weight {weights[0]:.2f}"
        )
    return f"{told}. This ranks these models by these data; whether the best is right, residuals and new data tell."
