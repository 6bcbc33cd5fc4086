"""`odefit.bootstrap`: fits to data sets drawn anew, until there are enough of them, and what they say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from odefit.arguments import checked
from odefit.arrays import FloatArray
from odefit.data.replicates import replicate_of
from odefit.errors import InputError, RunError
from odefit.fitting.askable import equations_of
from odefit.fitting.report import bounds_met
from odefit.fitting.run import Run, check_solvable
from odefit.fitting.search_work import together
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.records import dataclass
from odefit.resampling.data_sets import Kind, Resampling, case_units, resampling
from odefit.resampling.intervals import KINDS, IntervalKind
from odefit.resampling.quantities import Quantities
from odefit.resampling.refits import refit
from odefit.resampling.storage import Sample, read_samples, read_summary, table_of, write_samples
from odefit.resampling.summary import Summary, summarised
from odefit.runs.asked import figure_with
from odefit.runs.lock import locked
from odefit.runs.log import Logged
from odefit.runs.pace import Pace
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.runs.tables import frame_of
from odefit.status import Status
from odefit.text import clip, suggest
from odefit.uncertainty.estimation import estimate_uncertainty
from odefit.uncertainty.intervals import check_level
from odefit.uncertainty.noise_levels import NoiseLevels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIRST_CHUNK = 32
"""Samples that are fitted together at first; later as many as take CHUNK_SECONDS."""
CHUNK_SECONDS = 2.0
"""What an interruption may lose."""
WRITE_SECONDS = 10.0
"""Between one writing of the files and the next."""
FEW_CASES = 8
"""Cases of which a bootstrap of cases is rough."""


@dataclass(frozen=True)
class Bootstrap:
    """Fits to data sets drawn anew: what `odefit.bootstrap` returns.

    Attributes
    ----------
    summary
        The content of `bootstrap.json`: how many samples there are, and per parameter its standard error, bias and
        intervals.
    names
        The parameters, computed ones last, as in the table.
    rows
        The samples.
    path
        The run folder that holds the files; None where the run is in memory.
    interrupted
        Whether it was ended by Ctrl-C.
    run
        What was refitted.
    """

    summary: Summary
    names: tuple[str, ...]
    rows: tuple[Sample, ...]
    path: Path | None
    interrupted: bool = False
    run: Run | None = field(default=None, repr=False, compare=False)

    @property
    def samples(self) -> pd.DataFrame:
        """One row for each sample: sample, status, nll and the parameters; and se(...), their standard errors by the
        expected information, each on the search scale of its parameter."""
        return frame_of(table_of(self.names, self.rows).text)

    @property
    def estimates(self) -> pd.DataFrame:
        """One row for each parameter, by name: value, standard_error, bias, low, high, interval_kind, samples."""
        import pandas as pd

        rows = [
            {"name": name, **{k: v for k, v in one.items() if k not in ("interval", "intervals")}}
            | dict(zip(("low", "high"), one["interval"] or (None, None), strict=True))
            for name, one in self.summary.estimates.items()
        ]
        return pd.DataFrame(rows).set_index("name")

    def figure(self) -> Figure:
        """A histogram for each parameter: the picture `bootstrap` of `odefit.plot`."""
        made: Figure = figure_with(self.run, "bootstrap", self._write)
        return made

    def _write(self, folder: Path) -> None:
        write_samples(folder, self.names, self.rows, self.summary.to_json())

    def __repr__(self) -> str:
        counts = self.summary.samples
        place = "in memory" if self.path is None else str(self.path)
        converged = f"{counts['converged']} of {counts['finished']} {self.summary.kind} samples converged"
        return f"<Bootstrap {place}: {converged}>"


@checked()
def bootstrap(
    run: Run | Path | str,
    samples: int = 1000,
    *,
    kind: Kind = "parametric",
    intervals: IntervalKind = "studentized",
    level: float = 0.95,
    seed: int = 0,
    seconds: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Bootstrap:
    """How the estimates of a run scatter when its data are drawn anew and fitted again.

    All fits of many samples go on together, and begin at the estimates. Those that do not converge are counted, and
    left out. A run with a folder keeps what is done there, in `bootstrap.csv` and `bootstrap.json`, and another call
    goes on with it, to the same samples to the last bit.

    Parameters
    ----------
    run : Run or path
        A fit of equations, or its folder.
    samples : int
        How many data sets there shall be, with those that are there already.
    kind : {"parametric", "residuals", "cases"}
        Draw measurements from the fitted model with its noise, freed of the bias of maximum likelihood; or put
        residuals to other predictions; or draw experiments (replicates together). Where there is one experiment,
        cases are residuals.
    intervals : {"studentized", "bca", "basic", "percentile"}
        Which intervals are shown; all are in `bootstrap.json`. Where one is not to be had another stands in, the first
        of this list that is.
    level : float
        The coverage of the intervals.
    seed : int
        Of the samples.
    seconds : float, optional
        When to end in any case, about.
    overwrite : bool
        Begin anew, also where the folder has another bootstrap.
    progress : Progress, optional
        Hears how far it is.

    Returns
    -------
    Bootstrap
        `estimates` and `samples` are pandas frames, `summary` the content of `bootstrap.json`. Ctrl-C ends it early,
        with what is done.

    Raises
    ------
    RunError
        The run has no estimates, or a network; or its folder has a bootstrap of another kind or seed.
    InputError
        An argument has a value that it cannot have.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993).

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> found = odefit.bootstrap(run, 200)
    >>> found
    <Bootstrap in memory: 200 of 200 parametric samples converged>
    >>> found.estimates.loc["k", ["low", "high"]].astype(float).round(2).tolist()
    [0.49, 0.51]
    """
    progress = Logged(progress or Silent())
    run = checked_run(run, samples, kind, intervals, level)
    work = Work(run, kind, seed, intervals, level)
    for note in work.notes:
        progress.note(note)
    with work.held(overwrite) as done:
        begun = time.monotonic()
        interrupted = False
        progress.begin("samples", samples)
        try:
            until = None if seconds is None else begun + seconds
            work.go_on(done, range(samples), until, progress, lambda: work.write(done, samples))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            progress.end()
        summary = work.write(done, samples)
    return Bootstrap(summary, work.quantities.names, tuple(done), run.path, interrupted, run)


def checked_run(run: StoredRun | Path | str, samples: int, kind: str, intervals: str, level: float) -> Run:
    """The run, from its folder where that is given. Raises RunError or InputError."""
    run = equations_of(run, "its decoder has no parameters that could be refitted to new data")
    check_solvable(run)
    if run.assembly.networks is not None:
        what = "has a network, whose weights no bootstrap of parameters could refit; fit with several seeds instead"
        raise RunError(run.place, what)
    if not len(run.assembly.problem.table.estimated):
        raise RunError(run.place, "has no estimated parameters, so there is nothing that could scatter")
    if kind not in get_args(Kind):
        raise InputError("kind", f"'{clip(str(kind))}' is none; {suggest(str(kind), get_args(Kind))}")
    if intervals not in KINDS:
        raise InputError("intervals", f"'{clip(str(intervals))}' is none; {suggest(str(intervals), KINDS)}")
    if samples < 1:
        raise InputError("samples", f"must be at least 1 (got {samples})")
    check_level(level)
    return run


class Work:
    """The parts of one bootstrap."""

    def __init__(self, run: Run, kind: Kind, seed: int, intervals: IntervalKind, level: float) -> None:
        problem = run.assembly.problem
        self.run, self.seed, self.intervals, self.level = run, seed, intervals, level
        self.likelihood = Likelihood(problem)
        self.profile = ProfileLikelihood(self.likelihood)
        self.u = problem.table.to_search(run.theta)
        self.quantities = Quantities.of(run.assembly, self.u)
        self.notes: list[str] = []
        if run.result.status != Status.CONVERGED:
            self.notes.append(f"the fit did not converge ({run.result.status}); its end may scatter for that alone")
        n_cases = int(case_units(problem).max(initial=-1)) + 1
        if kind == "cases" and n_cases < 2:
            self.notes.append("there is one experiment only, so its residuals are drawn in place of cases")
            kind = "residuals"
        elif kind == "cases" and n_cases < FEW_CASES:
            what = "replicates" if len({replicate_of(e.name) for e in problem.experiments}) < 2 else "experiments"
            self.notes.append(f"{n_cases} {what} are few to draw from: such intervals are rough, and mostly too short")
        self.kind: Kind = kind
        self.drawn_with = self.u if kind == "cases" else self._without_bias()

    def _without_bias(self) -> FloatArray:
        """The estimates with noise levels free of the bias of maximum likelihood, [P]."""
        problem, u = self.run.assembly.problem, self.u
        bound = bounds_met(problem, self.run.theta)
        known = estimate_uncertainty(self.likelihood, u, bound)
        if known is None:
            return u
        errors, tolerance = known.full.standard_errors, self.quantities.tolerance
        return NoiseLevels(self.likelihood, u, errors, bound == 0, tolerance).unbiased

    @cached_property
    def resampling(self) -> Resampling:
        """Raises RunError where the model cannot be solved."""
        try:
            return resampling(self.likelihood, self.u, self.drawn_with, self.kind, self.seed)
        except ValueError as error:
            raise RunError(self.run.place, f"cannot be solved at its estimates: {error}") from None

    @property
    def identity(self) -> dict[str, Any]:
        """What samples belong to: others cannot be gone on with."""
        return {"kind": self.kind, "seed": self.seed, "of": [float(x) for x in self.run.theta]}

    @contextmanager
    def held(self, overwrite: bool) -> Iterator[list[Sample]]:
        """The samples that are there already, with the folder locked. Raises RunError."""
        if self.run.path is None:
            yield []
            return
        with locked(self.run.path):
            yield [] if overwrite else self._restored()

    def _restored(self) -> list[Sample]:
        found = read_summary(self.run)
        if found is None:
            return []
        other = [key for key, value in self.identity.items() if found.get(key) != value]
        if other:
            earlier = f"a bootstrap ({found.get('kind')}, seed {found.get('seed')})"
            earlier += " of other estimates" if "of" in other else ""
            raise RunError(self.run.place, f"holds {earlier}; say --overwrite to put this one in its place")
        return read_samples(self.run, self.quantities.names)

    def go_on(
        self,
        done: list[Sample],
        numbers: range,
        until: float | None,
        progress: Progress,
        keep: Callable[[], object],
    ) -> None:
        """Add to the samples until all of these numbers are there, or the time is over. keep: called now and then."""
        pace, most = Pace(FIRST_CHUNK, CHUNK_SECONDS, WRITE_SECONDS, until), together(self.profile)
        while len(done) < len(numbers) and not pace.is_over:
            pace.begin()
            chosen = np.array(numbers[len(done) : len(done) + min(pace.amount, most)], dtype=np.intp)
            for one in refit(self.profile, self.resampling, self.u, chosen):
                values = self.quantities.values(one.u)
                done.append(Sample(one.number, str(one.status), one.nll, values, self.quantities.errors(one)))
            is_due = pace.end(len(chosen))
            lost = sum(one.status != Status.CONVERGED for one in done)
            progress.part(len(done), f"{lost} not converged" if lost else "")
            if is_due:
                keep()

    def write(self, done: list[Sample], samples: int) -> Summary:
        """The summary of what is done, and the files where there is a folder. Raises StorageError."""
        summary = summarised(
            self.run,
            self.likelihood,
            self.quantities,
            done,
            (self.u, self.drawn_with),
            kind=self.kind,
            interval_kind=self.intervals,
            level=self.level,
        )
        summary = replace(summary, requested=samples, seed=self.seed, of=self.identity["of"], notes=tuple(self.notes))
        if self.run.path is not None:
            write_samples(self.run.path, self.quantities.names, done, summary.to_json())
        return summary
