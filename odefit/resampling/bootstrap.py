"""`odefit.bootstrap`: fits to data sets drawn anew, until there are enough of them, and what they say."""

from __future__ import annotations

import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from odefit.arguments import checked
from odefit.errors import InputError, RunError
from odefit.fitting.askable import equations_of
from odefit.fitting.cluster import ASKED_AGAIN, Named, cluster_of, with_cluster
from odefit.fitting.run import Run, check_solvable
from odefit.records import dataclass
from odefit.resampling.data_sets import Kind
from odefit.resampling.intervals import KINDS, IntervalKind
from odefit.resampling.storage import Sample, table_of, write_samples
from odefit.resampling.summary import Summary
from odefit.resampling.work import Work
from odefit.runs.asked import figure_with
from odefit.runs.log import Logged
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.runs.tables import frame_of
from odefit.text import clip, suggest
from odefit.uncertainty.intervals import check_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


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
    cluster: Named = None,
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
    cluster : str or mapping, optional
        As `fit.cluster`, or `"none"`; default what the config of the run says.
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
    with (
        cluster_of(with_cluster(run.loaded, cluster), progress.note, ASKED_AGAIN),
        work.held(overwrite) as done,
    ):
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
