"""`odefit.sample`: draws from the posterior of a fit under its priors."""

from __future__ import annotations

import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.arguments import checked
from odefit.errors import InputError, RunError
from odefit.fitting.askable import equations_of
from odefit.fitting.cluster import ASKED_AGAIN, Named, cluster_of, with_cluster
from odefit.fitting.run import Run, check_solvable
from odefit.records import dataclass
from odefit.runs.asked import figure_with
from odefit.runs.log import Logged
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.runs.tables import frame_of
from odefit.sampling import storage
from odefit.sampling.chains import ACCEPTANCE, WARM_UP
from odefit.sampling.work import Work
from odefit.uncertainty.intervals import check_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sampled:
    """Draws from a posterior: what `odefit.sample` returns.

    Attributes
    ----------
    summary
        The content of `posterior.json`.
    table
        The draws, [chains, draws] of every parameter.
    path
        The run folder that holds the files; None where the run is in memory.
    interrupted
        Whether it was ended by Ctrl-C.
    run
        What was sampled.
    """

    summary: dict[str, Any]
    table: storage.Table
    path: Path | None
    interrupted: bool = False
    run: Run | None = field(default=None, repr=False, compare=False)

    @property
    def draws(self) -> pd.DataFrame:
        """One row for each draw: chain, draw, log_posterior and the parameters."""
        return frame_of(self.table.csv)

    @property
    def parameters(self) -> pd.DataFrame:
        """One row for each parameter, by name: mean, sd, median, low, high, mcse_mean, r_hat, ess_bulk, ess_tail."""
        import pandas as pd

        rows = []
        for name, one in self.summary["parameters"].items():
            low, high = one["interval"]
            rows.append({"name": name, **{k: v for k, v in one.items() if k != "interval"}, "low": low, "high": high})
        return pd.DataFrame(rows).set_index("name")

    @property
    def verdict(self) -> str:
        """Whether the draws can be used, in a sentence."""
        return str(self.summary["verdict"]["sentence"])

    def figure(self, kind: str = "corner") -> Figure:
        """The picture `corner`, or `trace`: see `odefit.plot`."""
        made: Figure = figure_with(self.run, kind, lambda folder: storage.write(folder, self.table, self.summary))
        return made

    def __repr__(self) -> str:
        place = "in memory" if self.path is None else str(self.path)
        s = self.summary
        return f"<Sampled {place}: {s['chains']} chains of {s['draws']} draws; {s['verdict']['kind']}>"


@checked()
def sample(
    run: Run | Path | str,
    draws: int = 250,
    *,
    chains: int = 16,
    warm_up: int = WARM_UP,
    acceptance: float = ACCEPTANCE,
    level: float = 0.95,
    seed: int = 0,
    seconds: float | None = None,
    overwrite: bool = False,
    cluster: Named = None,
    progress: Progress | None = None,
) -> Sampled:
    """Draw from the posterior of a run under its priors.

    The chains begin around the optimum, and at the other optima that its starts have found. They move by the no-U-turn
    sampler, with exact gradients, and jump to independent points where that pays. All chains go on together: what they
    ask for next is one call of the compiled equations. A run with a folder keeps the draws there, in `posterior.csv`,
    `posterior.json` and `posterior.arviz.json` (which `arviz.from_json` reads), and another call goes on with them, to
    the same draws to the last bit.

    A parameter without a prior has a flat one within its bounds: of its value where its scale is linear or logit, of
    its logarithm where that is log. Without bounds such a prior is no density, and a note says so.

    Parameters
    ----------
    run : Run or path
        A fit of equations, or its folder.
    draws : int
        Of each chain, with those that are there already, and without those of the warm-up.
    chains : int
        How many chains; many short ones cost less than few long ones.
    warm_up : int
        Draws of each chain at the beginning, by which the sampler learns scales and steps; they are not kept.
    acceptance : float
        The mean acceptance that steps are made for; nearer to 1 for posteriors on which transitions diverge.
    level : float
        Of the intervals.
    seed : int
        Of the draws.
    seconds : float, optional
        When to end, about; where the warm-up is not over by then, there is nothing to keep, which is an error.
    overwrite : bool
        Begin anew, also where the folder has other draws.
    cluster : str or mapping, optional
        As `fit.cluster`, or `"none"`; default what the config of the run says.
    progress : Progress, optional
        Hears how far it is.

    Returns
    -------
    Sampled
        `parameters` and `draws` are pandas frames, `verdict` a sentence. Ctrl-C ends it early, with what is there.

    Raises
    ------
    RunError
        The run has no estimates, or a network; its folder has draws of another seed or number of chains; or the time
        was over before the warm-up was.
    InputError
        An argument has a value that it cannot have.

    References
    ----------
    M. D. Hoffman and A. Gelman, "The No-U-Turn Sampler", JMLR 15 (2014).
    A. Vehtari et al., "Rank-normalization, folding, and localization: an improved R-hat for assessing convergence of
    MCMC", Bayesian Analysis 16 (2021).

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {
    ...         "model": {"equations": {"x": "-k*x"}},
    ...         "parameters": {"k": {"value": 0.5, "bounds": [0.01, 5], "scale": "log"}},
    ...         "noise": {"x": {"sigma": 0.02}},
    ...     },
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> found = odefit.sample(run, 200)
    >>> found
    <Sampled in memory: 16 chains of 200 draws; converged>
    >>> found.parameters.loc["k", ["mean", "sd"]].astype(float).round(2).tolist()
    [0.5, 0.01]
    """
    progress = Logged(progress or Silent())
    run = checked_run(run, draws, chains, warm_up)
    check_settings(level, acceptance)
    work = Work(run, chains, seed, warm_up, acceptance, level)
    for note in work.notes:
        progress.note(note)
    until = None if seconds is None else time.monotonic() + seconds
    with cluster_of(with_cluster(run.loaded, cluster), progress.note, ASKED_AGAIN), work.held(overwrite):
        interrupted = False
        try:
            work.warm_up(progress, until)
            progress.begin("draws", draws)
            work.go_on(draws, until, progress, work.write)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            progress.end()
        if work.table is None:
            raise KeyboardInterrupt
        summary = work.write()
    return Sampled(summary, work.table, run.path, interrupted, run)


def check_settings(level: float, acceptance: float) -> None:
    """Raises InputError."""
    check_level(level)
    if not 0 < acceptance < 1:
        raise InputError("acceptance", f"must lie between 0 and 1 (got {acceptance:g})")


def checked_run(run: StoredRun | Path | str, draws: int, chains: int, warm_up: int) -> Run:
    """The run, from its folder where that is given. Raises RunError or InputError."""
    run = equations_of(run, "its decoder has no posterior of parameters")
    check_solvable(run)
    if run.assembly.networks is not None:
        raise RunError(run.place, "has a network, whose weights no sampler of parameters could explore")
    if not len(run.assembly.problem.table.estimated):
        raise RunError(run.place, "has no estimated parameters, so there is no posterior")
    for name, number, least in (("draws", draws, 1), ("chains", chains, 2), ("warm_up", warm_up, 10)):
        if number < least:
            raise InputError(name, f"must be at least {least} (got {number})")
    return run
