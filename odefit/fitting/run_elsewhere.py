"""A run as it is sent to the workers of a cluster, which compute members of what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from odefit.arrays import FloatArray
from odefit.compilation.program_cache import WithPrograms
from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.fitting.run import Run
from odefit.fitting.tightening import tightened
from odefit.optimizers.cluster_pool import Cluster
from odefit.optimizers.cluster_worker import Compute
from odefit.problem.assembly import assemble
from odefit.problem.systems import describe_system
from odefit.records import dataclass
from odefit.runs.results import Result

Build = Callable[[Run, Any], Compute]
"""On a worker: what computes members, of a run and a request."""


@dataclass(frozen=True)
class SentRun:
    """What a run can be built of elsewhere."""

    loaded: LoadedConfig
    measured: Sequence[Experiment]
    constants: TableColumns
    result: Result
    theta: FloatArray

    @classmethod
    def of(cls, run: Run) -> SentRun:
        """Of a run."""
        constants = run.assembly.described.constants
        return cls(run.loaded, run.assembly.measured, constants, run.result, run.theta)

    def built(self) -> Run:
        """The run, in memory."""
        described = describe_system(self.loaded, self.constants, self.measured)
        assembly = assemble(self.loaded, described, self.measured, for_fit=False)
        return Run(None, self.result, tightened(assembly, self.result.tolerances_divided_by), self.theta)


def send_run(cluster: Cluster, what: object, run: Run, build: Build) -> str:
    """Send a run to all workers; the name by which members are asked for. what, build: as for `Cluster.send`."""
    return cluster.send(what, lambda: WithPrograms(partial(_builder, SentRun.of(run), build)))


def _builder(sent: SentRun, build: Build) -> Callable[[Any], Compute]:
    return partial(build, sent.built())
