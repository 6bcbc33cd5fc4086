"""The cluster of a fit: opened when the fit begins, compared with this machine, and closed at its end."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from odefit.config.load import LoadedConfig, validate
from odefit.config.source import apply_overrides
from odefit.errors import ConfigError, Fault

if TYPE_CHECKING:
    from odefit.config.cluster_section import ClusterSection, JobqueueSection
    from odefit.optimizers.cluster_pool import Cluster

WAIT_SECONDS = 60.0
"""For the scheduler to answer, and for the first worker; for a job in a queue as long as it takes."""
LOSSES = 3
"""Of its worker, after which a batch is not tried again: where odefit starts the scheduler."""
NOT_STARTED = (
    'its processes did not start: a script that fits on them needs `if __name__ == "__main__":` around what it does, '
    "since they import it"
)
OWN = {
    # Else a worker that a busy machine takes long to start again is given up, and then the next.
    "distributed.deploy.lost-worker-timeout": "1h",
    # What is watched for a dashboard that there is not, and memory that is looked at ten times a second, cost some
    # percent of a processor.
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "10s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.client.scheduler-info-interval": "1h",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    # One thread of linear algebra each. By default workers also give memory back at every chance (it is the
    # MALLOC_TRIM_THRESHOLD_ of Dask): fetching it again is a fifth of the time of a search.
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), 1
    ),
}
"""Settings of the cluster on this machine."""

Named = str | Mapping[str, Any] | None
"""A cluster that is asked for in place of the config's."""
NONE = "none"
RESUMED = "--resume goes on, with the cluster or without (--set fit.cluster=null)"
ASKED_AGAIN = "the same command goes on, with the cluster or without (--cluster none)"
OPTION, SET = "--cluster", "--set fit.cluster"

log = logging.getLogger(__name__)
_current: ContextVar[Cluster | None] = ContextVar("cluster", default=None)


def with_cluster(loaded: LoadedConfig, named: Named) -> LoadedConfig:
    """A config with another cluster.

    named: as `fit.cluster`, in YAML or as a mapping, or `none`; None: the config's own. Raises ConfigError.
    """
    if named is None:
        return loaded
    text = named if isinstance(named, str) else json.dumps(named, default=str)
    # The budget of a fit is no concern of what it is asked afterwards.
    overrides = ["fit.budget=null", f"fit.cluster={'null' if text == NONE else text}"]
    try:
        section = validate(apply_overrides(loaded.source, overrides)).fit.cluster
    except ConfigError as error:
        raise ConfigError(
            faults=[Fault(fault.where.replace(SET, OPTION), fault.what) for fault in error.faults]
        ) from None
    fit = loaded.config.fit.model_copy(update={"cluster": section})
    return replace(loaded, config=loaded.config.model_copy(update={"fit": fit}))


def current_cluster() -> Cluster | None:
    """That of the fit which is going on here; None where it has none."""
    return _current.get()


@contextmanager
def cluster_of(loaded: LoadedConfig, note: Callable[[str], None], goes_on: str = RESUMED) -> Iterator[None]:
    """Around a fit, or what is asked of one: with the cluster that its config names, if it names one.

    note: is told what the user should know; goes_on: what does when the cluster is lost. Raises ConfigError where there
    is no such cluster, or it is of no use.
    """
    section = loaded.config.fit.cluster
    if section is None or current_cluster() is not None:
        yield
        return
    with ExitStack() as held:
        found = _opened(section, loaded.where("fit.cluster"), held, note)
        note(f"a cluster of {found.n_workers} workers at {found.client.scheduler.address}")
        before = _current.set(found)
        held.callback(_current.reset, before)
        try:
            yield
        finally:
            if found.lost:
                note(f"{found.lost}; what was finished is kept, and {goes_on}")


def _opened(section: ClusterSection, where: str, held: ExitStack, note: Callable[[str], None]) -> Cluster:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(where, "needs Dask, which is not installed: pip install 'odefit[dask]'") from None
    from odefit.fitting.cluster_versions import compare, looking_around
    from odefit.optimizers.cluster_pool import Cluster

    held.enter_context(_silent())
    target, security = _target(section, where, held), None
    if section.tls_ca is not None:
        from distributed.security import Security

        security = Security(
            tls_ca_file=section.tls_ca,
            tls_client_cert=section.tls_cert,
            tls_client_key=section.tls_key,
            require_encryption=True,
        )
    try:
        client = Client(target, security=security, set_as_default=False, timeout=WAIT_SECONDS, name="odefit")
    except (OSError, ValueError, TimeoutError) as error:
        why = (str(error).splitlines() or ["no answer"])[0]
        what = f"no scheduler answers at {section.address} ({why}); start one with `dask scheduler`, or leave this out"
        raise ConfigError(where, what) from None
    held.callback(_closed, client)
    try:
        client.wait_for_workers(1, timeout=None if section.jobqueue else WAIT_SECONDS)
    except TimeoutError:
        what = f"the scheduler at {client.scheduler.address} has no workers; start some with `dask worker --nthreads 1`"
        raise ConfigError(where, what) from None
    look = looking_around()
    compare(client, where, look)
    cluster = Cluster(client, section.batch, look, note)
    if section.address is not None:
        held.callback(cluster.take_back)
    return cluster


@contextmanager
def _silent() -> Iterator[None]:
    """Dask's log says by tracebacks what is said here in a line; each of its loggers has a level of its own."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _closed(client: Any) -> None:
    client.close(timeout=5)


def _target(section: ClusterSection, where: str, held: ExitStack) -> Any:
    """What a client connects to: an address, or a cluster that is started here."""
    if section.dask is not None:
        import dask
        from distributed import LocalCluster

        held.enter_context(dask.config.set(OWN))
        with _blocking_signals():
            cluster = LocalCluster(
                n_workers=0,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                heartbeat_interval="10s",
                scheduler_kwargs={"allowed_failures": LOSSES - 1, "dashboard_address": "127.0.0.1:0"},
            )
            held.callback(cluster.close, timeout=10)
        # Only now, so that whatever interrupts the start of the processes ends them, too.
        cluster.scale(section.dask.workers)
        cluster.sync(_started, cluster)
        if not all(worker.status.name == "running" for worker in cluster.workers.values()):
            raise ConfigError(where, NOT_STARTED)
        return cluster
    if section.jobqueue is not None:
        cluster = queue_of(section.jobqueue, where)
        held.callback(cluster.close, timeout=10)
        cluster.scale(jobs=section.jobqueue.jobs)
        return cluster
    return section.address


async def _started(cluster: Any) -> None:
    """Ctrl-C ends the waiting, not the start: Dask cannot close a cluster of which the start was cancelled."""
    import asyncio

    async def start() -> None:
        await cluster

    await asyncio.shield(start())


def queue_of(section: JobqueueSection, where: str = "fit.cluster") -> Any:
    """The cluster of dask-jobqueue that a section describes; nothing is submitted yet. Raises ConfigError."""
    try:
        import dask_jobqueue
    except ImportError:
        what = "needs dask-jobqueue, which is not installed: pip install 'odefit[dask]'"
        raise ConfigError(where, what) from None
    classes = {
        "slurm": "SLURMCluster",
        "pbs": "PBSCluster",
        "sge": "SGECluster",
        "lsf": "LSFCluster",
        "htcondor": "HTCondorCluster",
        "moab": "MoabCluster",
        "oar": "OARCluster",
    }
    settings: dict[str, Any] = {
        "cores": section.cores,
        "processes": section.cores,
        "memory": section.memory,
        "interface": section.interface,
        "job_extra_directives": section.directives,
        "job_script_prologue": section.prologue,
        "scheduler_options": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    for key, value in (("walltime", section.walltime), ("queue", section.queue), ("account", section.account)):
        if value is not None:
            settings[key] = value
    return getattr(dask_jobqueue, classes[section.system])(**settings)


@contextmanager
def _blocking_signals() -> Iterator[None]:
    """Threads that are started meanwhile, and their processes, leave Ctrl-C and what batch systems send to this one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which else would take the block away when the first process is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
