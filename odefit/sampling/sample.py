"""`odefit.sample`: draws from the posterior of a fit under its priors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arguments import checked
from odefit.arrays import FloatArray
from odefit.errors import InputError, RunError
from odefit.fitting.askable import equations_of
from odefit.fitting.run import Run, check_solvable
from odefit.objective.likelihood import Likelihood
from odefit.problem.quantities import quantities_of
from odefit.records import dataclass
from odefit.runs.asked import figure_with
from odefit.runs.lock import locked
from odefit.runs.log import Logged
from odefit.runs.pace import Pace
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.runs.tables import frame_of
from odefit.sampling import storage
from odefit.sampling.chains import ACCEPTANCE, WARM_UP, Draws, Tuned, advance, begin, warmed_up
from odefit.sampling.density import Posterior
from odefit.sampling.modes import modes_of
from odefit.sampling.nuts import State
from odefit.sampling.posterior import SCHEMA_VERSION, parameter_summary, verdict_of
from odefit.sampling.prior_words import improper, prior_sentence, prior_words
from odefit.status import Status
from odefit.uncertainty.intervals import check_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROUND_SECONDS = 2.0
"""Of draws between two looks at the time: what an interruption may lose."""
FIRST_ROUND = 10
WRITE_SECONDS = 15.0
"""Between one writing of the files and the next."""


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
        When to end in any case, about.
    overwrite : bool
        Begin anew, also where the folder has other draws.
    progress : Progress, optional
        Hears how far it is.

    Returns
    -------
    Sampled
        `parameters` and `draws` are pandas frames, `verdict` a sentence. Ctrl-C ends it early, with what is there.

    Raises
    ------
    RunError
        The run has no estimates, or a network; or its folder has draws of another seed or number of chains.
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
    with work.held(overwrite):
        interrupted = False
        try:
            work.warm_up(progress)
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


class Work:
    """The parts of one posterior. table: None until the warm-up is over. own: the chains that go on, all at first."""

    def __init__(self, run: Run, chains: int, seed: int, warm_up: int, acceptance: float, level: float) -> None:
        self.run, self.chains, self.seed, self.level = run, chains, seed, level
        self.warm_up_draws, self.acceptance = warm_up, acceptance
        problem = run.assembly.problem
        self.posterior = Posterior(Likelihood(problem), chains)
        self.quantities = quantities_of(run.assembly)
        self.names = tuple(q.name for q in self.quantities)
        self.improper = improper(problem.table)
        self.priors = prior_words(problem.table)
        self.notes = [prior_sentence(self.priors)]
        if run.result.status != Status.CONVERGED:
            self.notes.append(f"the fit did not converge ({run.result.status}), so the chains may begin far off")
        self.own: list[int] = list(range(chains))
        self.table: storage.Table | None = None
        self.tuned: Tuned | None = None
        self.states: list[State] = []

    @contextmanager
    def held(self, overwrite: bool) -> Iterator[None]:
        """With the folder locked, and what is there already taken up. Raises RunError."""
        if self.run.path is None:
            yield
            return
        with locked(self.run.path):
            if not overwrite:
                self.restore()
            yield

    def restore(self) -> None:
        """Take up the draws that the run folder has. Raises RunError where they are others."""
        found = storage.read_summary(self.run)
        if found is None:
            return
        other = [key for key, value in self.identity().items() if found.get(key) != value]
        if other:
            what = f"holds draws of {found.get('chains')} chains, seed {found.get('seed')}"
            what += ", of other estimates" if "of" in other else ""
            raise RunError(self.run.place, f"{what}; say --overwrite to put these in their place")
        try:
            self.tuned, self.states = storage.state_from_plain(found["state"], self.chains, len(self.run.theta))
        except (KeyError, TypeError, ValueError):
            raise RunError(self.run.place, f"has a damaged posterior.json; {storage.AGAIN}") from None
        self.table = storage.read_table(self.run, found)
        if self.table.names != self.names:
            raise RunError(self.run.place, f"has a posterior.csv that does not fit its parameters; {storage.AGAIN}")

    def identity(self) -> dict[str, Any]:
        """What draws belong to: others cannot be gone on with."""
        of = [float(x) for x in self.run.theta]
        settings = {"chains": self.chains, "seed": self.seed, "warm_up": self.warm_up_draws}
        return {**settings, "acceptance": self.acceptance, "of": of}

    def warm_up(self, progress: Progress) -> None:
        """Raises RunError where the posterior cannot be computed at the estimates."""
        if self.table is not None:
            return
        progress.now("looking for the modes of the posterior")
        try:
            mixture = modes_of(self.run, self.posterior)
            points = begin(self.posterior, mixture, self.chains, self.seed)
        except ValueError as error:
            raise RunError(self.run.place, f"has a posterior that cannot be computed: {error}") from None
        if len(mixture.weights) > 1:
            progress.note(
                f"{len(mixture.weights)} modes are known by the starts of the fit; chains begin at all of them"
            )
        progress.begin("warm-up draws", self.warm_up_draws)
        going = warmed_up(self.posterior, mixture, points, self.seed, self.acceptance, self.warm_up_draws)
        while True:
            try:
                progress.part(next(going), "")
            except StopIteration as ended:
                self.tuned, self.states = ended.value
                break
        progress.end()
        none = np.empty((self.chains, 0))
        empty = np.empty((self.chains, 0, len(self.names)))
        self.table = storage.Table(self.names, empty, none, dict.fromkeys(storage.STATS, none))

    def only(self, own: Sequence[int]) -> None:
        """From now on these chains alone go on."""
        assert self.table is not None
        places = [self.own.index(chain) for chain in own]
        self.table, self.states = self.table.of_chains(places), [self.states[k] for k in places]
        self.own = list(own)

    def go_on(self, draws: int, until: float | None, progress: Progress, keep: Callable[[], object]) -> None:
        """Add draws until there are enough, or the time is over. keep: called now and then."""
        assert self.tuned is not None
        assert self.table is not None
        pace = Pace(FIRST_ROUND, ROUND_SECONDS, WRITE_SECONDS, until)
        while (done := self.table.values.shape[1]) < draws and not pace.is_over:
            pace.begin()
            n = min(pace.amount, draws - done)
            found = advance(self.posterior, self.tuned, self.states, n, (self.seed, 2, done), chains=self.own)
            self.table, self.states = self.table.joined(self._rows(found)), found.states
            is_due = pace.end(n)
            diverged = int(self.table.stats["diverging"].sum())
            progress.part(done + found.v.shape[1], f"{diverged} diverged" if diverged else "")
            if is_due:
                keep()

    def _rows(self, found: Draws) -> storage.Table:
        chains, n, p = found.v.shape
        u, _, log_slope = self.posterior.box.inside(found.v.reshape(-1, p))
        values = np.stack([q.evaluations(u).values for q in self.quantities], axis=-1).reshape(chains, n, -1)
        logs = found.logp - log_slope.sum(axis=1).reshape(chains, n)
        parts = (found.acceptance, found.steps, found.diverged, found.jumped)
        return storage.Table(self.names, values, logs, dict(zip(storage.STATS, parts, strict=True)))

    def write(self) -> dict[str, Any]:
        """posterior.json; and all files where there is a folder. Raises StorageError."""
        assert self.tuned is not None
        assert self.table is not None
        summary = self._summary(self.table) | {"state": storage.state_to_plain(self.tuned, self.states)}
        if self.run.path is not None:
            storage.write(self.run.path, self.table, summary)
        return summary

    def _summary(self, table: storage.Table) -> dict[str, Any]:
        n = table.values.shape[1]
        parameters: dict[str, Any] = {}
        if n:
            for k, q in enumerate(self.quantities):
                parameters[q.name] = parameter_summary(table.values[:, :, k], self.level, q.unit)
        diverged = int(table.stats["diverging"].sum())
        verdict = verdict_of(parameters, n * self.chains, diverged, self.improper)
        return {
            "schema_version": SCHEMA_VERSION,
            **self.identity(),
            "draws": n,
            "level": self.level,
            "priors": self.priors,
            "parameters": parameters,
            "verdict": {"kind": verdict.kind, "sentence": verdict.sentence},
            "diverged": diverged,
            "jumps_taken": _mean(table.stats["jumped"]),
            "steps_per_draw": _mean(table.stats["n_steps"]),
        }


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if values.size else None
