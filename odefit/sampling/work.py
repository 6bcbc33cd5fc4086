"""The chains of one posterior: what they draw from, where they advance, and their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.fitting.cluster import current_cluster
from odefit.fitting.run import Run
from odefit.fitting.run_elsewhere import send_run
from odefit.objective.likelihood import Likelihood
from odefit.optimizers.cluster_pool import Cluster, in_order
from odefit.optimizers.cluster_worker import Compute
from odefit.problem.quantities import quantities_of
from odefit.runs.lock import locked
from odefit.runs.pace import Pace
from odefit.runs.progress import Progress
from odefit.sampling import storage
from odefit.sampling.chains import Advance, Draws, OutOfTime, Request, Tuned, advance, begin, warmed_up
from odefit.sampling.density import LogDensity, Posterior
from odefit.sampling.modes import modes_of
from odefit.sampling.nuts import State
from odefit.sampling.posterior import SCHEMA_VERSION, parameter_summary, verdict_of
from odefit.sampling.prior_words import improper, prior_sentence, prior_words
from odefit.status import Status

ROUND_SECONDS = 2.0
"""Of draws between two looks at the time: what an interruption may lose."""
FIRST_ROUND = 10
WRITE_SECONDS = 15.0
"""Between one writing of the files and the next."""


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

    def warm_up(self, progress: Progress, until: float | None = None) -> None:
        """Raises RunError where the posterior cannot be computed at the estimates, or the time is over before the end.

        until: when that is, by `time.monotonic`.
        """
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
        going = warmed_up(
            self.posterior, mixture, points, self.seed, self.acceptance, self.warm_up_draws, self._advance(until)
        )
        done = 0
        while True:
            try:
                progress.part(done := next(going), "")
            except OutOfTime:
                what = (
                    f"the time was over after {done} of {self.warm_up_draws} draws of the warm-up, so there is nothing"
                )
                remedy = "give it more time (--seconds), or fewer draws to warm up by (--warm-up)"
                raise RunError(self.run.place, f"{what} to show or to keep; {remedy}") from None
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
        pace, go = Pace(FIRST_ROUND, ROUND_SECONDS, WRITE_SECONDS, until), self._advance(until)
        while (done := self.table.values.shape[1]) < draws and not pace.is_over:
            pace.begin()
            n = min(pace.amount, draws - done)
            try:
                found = go(self.posterior, Request(self.tuned, self.states, n, (self.seed, 2, done), chains=self.own))
            except OutOfTime:
                break
            self.table, self.states = self.table.joined(self._rows(found)), found.states
            is_due = pace.end(n)
            diverged = int(self.table.stats["diverging"].sum())
            progress.part(done + found.v.shape[1], f"{diverged} diverged" if diverged else "")
            if is_due:
                keep()

    def _advance(self, until: float | None) -> Advance:
        """What chains go on by: here, or on the workers of a cluster, which end their rounds whatever the time is."""
        cluster = current_cluster()
        return partial(advance, until=until) if cluster is None else partial(self._elsewhere, cluster)

    def _elsewhere(self, cluster: Cluster, density: LogDensity, request: Request) -> Draws:
        """As `advance`. Raises RunError where a chain has lost its worker too often."""
        del density  # workers have their own
        n_chains = len(request.states)
        key = send_run(cluster, self, self.run, _built)
        chunk, all_of_them = cluster.batch or -(-n_chains // cluster.n_workers), range(n_chains)
        found: list[Draws] = []
        for some in in_order(cluster.answers(key, self.chains, request.only, all_of_them, chunk), all_of_them):
            for one in some:
                if one.lost:
                    chain = request.known[one.number] + 1
                    raise RunError(self.run.place, f"chain {chain} has no draws: {one.error}")
                found.append(one.result)
        return Draws.joined(found)

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


def _built(run: Run, chains: int) -> Compute:
    """What a worker of a cluster advances chains by."""
    posterior = Posterior(Likelihood(run.assembly.problem), chains)

    def advanced(request: Request) -> list[Draws]:
        return advance(posterior, request).split()

    return advanced
