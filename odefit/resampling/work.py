"""The samples of one bootstrap: what they are drawn of, where they are computed, and their files."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.replicates import replicate_of
from odefit.errors import RunError
from odefit.fitting.cluster import current_cluster
from odefit.fitting.report import bounds_met
from odefit.fitting.run import Run
from odefit.fitting.run_elsewhere import send_run
from odefit.fitting.search_work import chunk_for_workers, seconds_of_start, together
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.cluster_pool import Answer, Cluster, in_order
from odefit.optimizers.cluster_worker import Compute
from odefit.resampling.data_sets import Kind, Resampling, case_units, resampling
from odefit.resampling.intervals import IntervalKind
from odefit.resampling.quantities import Quantities
from odefit.resampling.refits import refit
from odefit.resampling.storage import Sample, read_samples, read_summary, write_samples
from odefit.resampling.summary import Summary, summarised
from odefit.runs.lock import locked
from odefit.runs.pace import Pace
from odefit.runs.progress import Progress
from odefit.status import Status
from odefit.uncertainty.estimation import estimate_uncertainty
from odefit.uncertainty.noise_levels import NoiseLevels

FIRST_CHUNK = 32
"""Samples that are fitted together at first; later as many as take CHUNK_SECONDS."""
CHUNK_SECONDS = 2.0
"""What an interruption may lose."""
WRITE_SECONDS = 10.0
"""Between one writing of the files and the next."""
FEW_CASES = 8
"""Cases of which a bootstrap of cases is rough."""


class Work:
    """The parts of one bootstrap."""

    def __init__(self, run: Run, kind: Kind, seed: int, intervals: IntervalKind, level: float) -> None:
        problem = run.assembly.problem
        self.run, self.seed, self.intervals, self.level = run, seed, intervals, level
        self.request = kind, seed, intervals, level
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
        pace, cluster = Pace(FIRST_CHUNK, CHUNK_SECONDS, WRITE_SECONDS, until), current_cluster()
        left = numbers[len(done) :]
        with closing(self._here(left, pace) if cluster is None else self._elsewhere(left, cluster)) as rounds:
            while not pace.is_over:
                pace.begin()
                if (more := next(rounds, None)) is None:
                    break
                done += more
                is_due = pace.end(len(more))
                lost = sum(one.status != Status.CONVERGED for one in done)
                progress.part(len(done), f"{lost} not converged" if lost else "")
                if is_due:
                    keep()

    def _here(self, numbers: range, pace: Pace) -> Generator[list[Sample]]:
        most = together(self.profile)
        while numbers:
            n = min(pace.amount, most)
            yield self.samples(numbers[:n])
            numbers = numbers[n:]

    def _elsewhere(self, numbers: range, cluster: Cluster) -> Generator[list[Sample]]:
        """On the workers of a cluster; those of which the worker was lost too often are `failed`."""
        key = send_run(cluster, self, self.run, _built)
        point = self.u[self.profile.free][None]
        seconds, most = seconds_of_start(self.profile, point), together(self.profile)
        chunk = cluster.batch or chunk_for_workers(len(numbers), cluster.n_workers, seconds, most)
        for some in in_order(cluster.answers(key, self.request, lambda own: own, numbers, chunk), numbers):
            yield [self._failed(one) if one.lost else one.result for one in some]

    def _failed(self, lost: Answer) -> Sample:
        none = np.full(len(self.quantities.names), np.nan)
        return Sample(lost.number, str(Status.FAILED), math.inf, none, none)

    def samples(self, numbers: Sequence[int]) -> list[Sample]:
        """Those with these numbers. What becomes of one does not depend on the others."""
        found = refit(self.profile, self.resampling, self.u, np.array(numbers, dtype=np.intp))
        return [
            Sample(one.number, str(one.status), one.nll, self.quantities.values(one.u), self.quantities.errors(one))
            for one in found
        ]

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


def _built(run: Run, request: Any) -> Compute:
    """What a worker of a cluster computes samples by."""
    return Work(run, *request).samples
