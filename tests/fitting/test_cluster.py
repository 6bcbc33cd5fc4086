"""Starts on a cluster of Dask: the same numbers as without, whatever becomes of workers and scheduler."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import commands
import dask_clusters
import odefit
from creeping_starts import DATA, creeping
from odefit.config.cluster_section import ClusterSection, JobqueueSection
from odefit.errors import ConfigError
from odefit.fitting import cluster as of_fit
from odefit.fitting import cluster_versions
from odefit.optimizers import cluster_pool, cluster_worker
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.cluster_pool import Cluster
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs.progress import Silent
from odefit.status import Ending, Reason

distributed = pytest.importorskip("distributed", reason="needs odefit[dask]")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def fitted(**changes: Any) -> dict[str, Any]:
    return creeping(**{"starts": 12, "seed": 0, "match": False, "screen": "values"} | changes)


CONFIG = fitted()


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """A cluster of two processes on loopback."""
    with dask_clusters.of_processes(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def whole() -> odefit.Run:
    return odefit.fit(CONFIG, data=DATA)


def assert_same(run: odefit.Run, whole: odefit.Run) -> None:
    starts = [one.starts.drop(columns="seconds") for one in (run, whole)]
    pd.testing.assert_frame_equal(*starts, check_exact=True)
    assert run.result.estimates == whole.result.estimates
    assert run.result.message == whole.result.message


class Noting(Silent):
    def __init__(self, at_first: Callable[[], object] = lambda: None) -> None:
        self.notes: list[str] = []
        self.at_first: Callable[[], object] | None = at_first

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def start(self, *_: Any) -> None:
        if self.at_first is not None:
            at_first, self.at_first = self.at_first, None
            at_first()


def test_the_numbers_are_those_of_one_process(local: Any, whole: odefit.Run) -> None:
    told = Noting()
    run = odefit.fit(fitted(cluster={"address": local.scheduler_address, "batch": 2}), data=DATA, progress=told)
    assert_same(run, whole)
    assert told.notes[0] == f"a cluster of 2 workers at {local.scheduler_address}"


def test_folds_are_those_of_one_process(local: Any) -> None:
    data = pd.concat([DATA.assign(experiment=name, x=DATA["x"] + 0.01 * k) for k, name in enumerate("abcd")])
    whole = odefit.fit(fitted(starts=3, folds=4), data=data)
    assert whole.result.cross_validation is not None
    told, cluster = Noting(), {"address": local.scheduler_address}
    run = odefit.fit(fitted(starts=3, folds=4, cluster=cluster), data=data, progress=told)
    assert_same(run, whole)
    assert run.result.cross_validation == whole.result.cross_validation
    pd.testing.assert_frame_equal(run.frame("folds"), whole.frame("folds"), check_exact=True)
    assert [note for note in told.notes if note.startswith("a cluster")] == told.notes[:1]  # opened once


def test_training_is_done_here_and_it_is_said() -> None:
    told, nowhere = Noting(), "tcp://127.0.0.1:9"
    odefit.fit(fitted(method="adam", epochs=2, starts=1, cluster=nowhere), data=DATA, progress=told)
    assert "Training is done on this machine: fit.cluster is not used." in told.notes


def test_a_worker_that_is_killed_costs_nothing(local: Any, whole: odefit.Run) -> None:
    def kill() -> None:
        with distributed.Client(local, set_as_default=False) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    config = fitted(cluster={"address": local.scheduler_address, "batch": 1})
    assert_same(odefit.fit(config, data=DATA, progress=Noting(kill)), whole)


def test_a_scheduler_that_is_lost_leaves_what_was_finished(
    whole: odefit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_pool, "BACK_SECONDS", 0.2)
    cluster = dask_clusters.of_a_thread()
    told = Noting(cluster.close)
    config = fitted(cluster={"address": cluster.scheduler_address, "batch": 1})
    run = odefit.fit(config, data=DATA, out=tmp_path / "r", progress=told)
    assert run.result.status == "interrupted"
    assert 1 <= run.result.starts.finished < 12
    assert any("the scheduler of the cluster is lost" in note for note in told.notes)
    assert_same(odefit.fit(CONFIG, data=DATA, out=tmp_path / "r", resume=True), whole)


def test_a_cluster_whose_workers_have_all_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_pool, "NO_WORKERS_SECONDS", 0.2)
    monkeypatch.setattr(cluster_pool, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(cluster_pool, "COUNT_SECONDS", 0.1)
    with dask_clusters.of_a_thread() as cluster:
        told = Noting(lambda: cluster.scale(0))
        config = fitted(cluster={"address": cluster.scheduler_address, "batch": 1}, starts=200)
        run = odefit.fit(config, data=DATA, progress=told)
    assert run.result.status == "interrupted"
    assert any("has lost all its workers" in note for note in told.notes)


def test_ctrl_c_cancels_what_runs_elsewhere(local: Any, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    config = fitted(cluster={"address": local.scheduler_address, "batch": 1})
    run = odefit.fit(config, data=DATA, progress=Noting(interrupt))
    assert run.result.status == "interrupted"
    with distributed.Client(local, set_as_default=False) as client:
        assert not any(key for keys in client.processing().values() for key in keys)


def test_the_pool_of_the_config_is_on_loopback_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def remembered(*args: Any, genuine: Any = distributed.LocalCluster, **kwargs: Any) -> Any:
        made.append(genuine(*args, **kwargs))
        return made[0]

    def listen() -> None:
        here = psutil.Process()
        for process in (here, *here.children(recursive=True)):
            listening.extend(c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN)

    listening: list[str] = []
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr(distributed, "LocalCluster", remembered)
    told = Noting(listen)
    run = odefit.fit(fitted(cluster={"dask": {"workers": 2}}, starts=3), data=DATA, progress=told)
    assert run.result.starts.finished == 3
    assert told.notes[0].startswith("a cluster of 2 workers at ")
    assert made[0].status.name == "closed"
    assert threading.active_count() < 40
    assert len(listening) >= 3  # the scheduler and two workers
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_cluster_with_tls(whole: odefit.Run, tmp_path: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, capture_output=True, check=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl("req", "-x509", *key, "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", *key, "me.key", "-out", "me.csr", "-subj", "/CN=me")
    openssl("x509", "-req", "-in", "me.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "me.pem")
    ca, cert, own = (str(tmp_path / name) for name in ("ca.pem", "me.pem", "me.key"))
    files = {
        f"tls_{who}_{what}": file for who in ("scheduler", "worker") for what, file in (("cert", cert), ("key", own))
    }
    security = distributed.Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=own, **files)
    with dask_clusters.of_a_thread(protocol="tls://", security=security) as cluster:
        section = {"address": cluster.scheduler_address, "tls_ca": ca, "tls_cert": cert, "tls_key": own}
        assert section["address"].startswith("tls://127.0.0.1:")
        assert_same(odefit.fit(fitted(cluster=section), data=DATA), whole)
        with pytest.raises(ConfigError, match=r"no scheduler answers at tls://.*certificate does not match"):
            odefit.fit(fitted(cluster=section | {"tls_ca": cert}), data=DATA)


def test_ctrl_c_while_the_cluster_starts_leaves_no_process(tmp_path: Path) -> None:
    words = ("fit", str(Path("configs/lynx_hare.yaml").resolve()), "--out", str(tmp_path / "r"), "--no-plots")
    process = commands.start(*words, "--set", "fit.cluster={dask: {workers: 1}}")
    while len(listed(process.pid)) < 2:  # until the first process of the cluster is there
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    while listed(process.pid):  # what multiprocessing has beside ends when the pipe to it does
        time.sleep(0.05)


def listed(group: int) -> list[str]:
    """The processes of a group that run."""
    found = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    states = [line.split()[1] for line in found.splitlines() if line.split()[0] == str(group)]
    return [state for state in states if not state.startswith("Z")]


def test_workers_with_other_versions_are_refused(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_versions, "versions", lambda: {"odefit": "0.0.1"})
    with pytest.raises(ConfigError, match=r"cluster: tcp://.* and tcp://.*: odefit .* \(0\.0\.1 here\); install"):
        odefit.fit(fitted(cluster=local.scheduler_address), data=DATA)


def test_no_scheduler_and_no_workers_are_one_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_fit, "WAIT_SECONDS", 0.5)
    with pytest.raises(ConfigError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        odefit.fit(fitted(cluster="tcp://127.0.0.1:9"), data=DATA)
    with (
        dask_clusters.of_processes(0) as empty,
        pytest.raises(ConfigError, match=r"has no workers; start some with `dask worker --nthreads 1`"),
    ):
        odefit.fit(fitted(cluster=empty.scheduler_address), data=DATA)


class ByValue:
    """Pickled elsewhere, where this module is not."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> Any:
        return pickle.loads, (self.content,)


class Builds:
    """What a worker builds searches by: some starts kill it, some raise, all others end where they begin."""

    def __call__(self) -> Any:
        def built(request: str) -> Any:
            def search(points: np.ndarray) -> list[SearchOutcome]:
                if request == "kill" and (points[:, 0] == 3).any():
                    os._exit(1)
                if (points[:, 0] == 5).any():
                    raise ValueError("five")
                return [
                    SearchOutcome(u, float(u[0]), Ending(Reason.NOTHING_LEFT), 1, 0, (float(u[0]),), np.zeros(1))
                    for u in points
                ]

            return search

        return built


@pytest.fixture
def client(local: Any) -> Iterator[Any]:
    import cloudpickle

    cloudpickle.register_pickle_by_value(__import__(__name__))
    with distributed.Client(local, set_as_default=False) as client:
        yield client


POINTS = np.arange(8.0)[:, None]


def begun(client: Any, request: str, chunk: int) -> tuple[Cluster, Iterator[StartOutcome]]:
    """Searches from POINTS on a cluster."""
    import cloudpickle

    cluster = Cluster(client)
    key = cluster.send(POINTS, lambda: ByValue(cloudpickle.dumps(Builds())))
    return cluster, cluster.search_all(key, request, POINTS, range(8), chunk)


def assert_all_but_five(found: list[StartOutcome]) -> None:
    assert sorted(result.number for result in found) == list(range(8))
    assert [(result.number, result.failure) for result in found if result.failure] == [(5, "ValueError: five")]


def test_what_kills_its_workers_fails_alone_and_says_why(client: Any) -> None:
    found = sorted(begun(client, "kill", 4)[1], key=lambda result: result.number)
    assert [result.number for result in found] == list(range(8))
    assert {result.number: result.failure for result in found if result.failure} == {
        3: "its worker was lost, 3 times one after the other",
        5: "ValueError: five",
    }
    assert [result.lost for result in found] == [number == 3 for number in range(8)]


def wait_until(client: Any, status: str) -> None:
    """Until all futures of a client have that status."""
    while [future.status for future in list(client.futures.values())] != [status]:
        time.sleep(0.005)


def test_results_that_a_lost_worker_held_are_computed_anew() -> None:
    with dask_clusters.of_processes(1) as one, distributed.Client(one, set_as_default=False) as client:
        _, results = begun(client, "spare", 1)
        found = [next(results)]
        wait_until(client, "finished")  # the one that follows
        os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)
        wait_until(client, "lost")
        assert_all_but_five([*found, *results])


class Raised:
    """What has become of a batch that was lost when it was fetched, and has raised when it was computed anew."""

    status = "error"

    def __init__(self, fetching: Exception) -> None:
        self.fetching = fetching

    def result(self, timeout: float) -> Any:
        raise self.fetching

    def exception(self, timeout: float) -> Exception:
        return ValueError("five")

    def release(self) -> None:
        pass


@pytest.mark.parametrize("fetching", [TimeoutError("one second"), OSError("closed"), ValueError("five")])
def test_what_the_fetching_of_a_result_raises_is_not_what_the_member_has_raised(fetching: Exception) -> None:
    client = SimpleNamespace(status="running", id="client", submit=lambda *_, **__: Raised(fetching))
    answers = list(Cluster(client).answers("key", None, list, range(2), 2))
    assert [(answer.number, str(answer.error)) for answer in answers] == [(0, "five"), (1, "five")]


class Unfetched(Raised):
    """What has become of a batch that was computed, but whose results cannot be fetched."""

    status = "finished"


def test_results_that_can_never_be_fetched_end_as_errors() -> None:
    asked = list[int]()

    def submit(*_: Any, **__: Any) -> Unfetched:
        asked.append(1)
        return Unfetched(OSError("closed"))

    client = SimpleNamespace(status="running", id="client", submit=submit)
    answers = list(Cluster(client).answers("key", None, list, range(1), 1))
    assert [(answer.number, str(answer.error)) for answer in answers] == [(0, "closed")]
    assert len(asked) == cluster_pool.TRIES


def test_a_connection_that_breaks_is_made_again(client: Any) -> None:
    _, results = begun(client, "spare", 1)
    found = [next(results)]
    client.loop.add_callback(client.scheduler_comm.comm.abort)
    assert_all_but_five([*found, *results])


def test_a_cluster_that_others_restart_is_asked_again(client: Any, local: Any) -> None:
    _, results = begun(client, "spare", 1)
    found = [next(results)]
    with distributed.Client(local, set_as_default=False) as other:
        other.restart()
    assert_all_but_five([*found, *results])


def test_who_does_the_same_on_a_cluster_may_be_done_earlier(client: Any, local: Any) -> None:
    _, results = begun(client, "spare", 1)
    found = [next(results)]
    with distributed.Client(local, set_as_default=False) as other:
        same, earlier = begun(other, "spare", 1)
        assert_all_but_five(list(earlier))
        same.take_back()
    assert_all_but_five([*found, *results])


def test_what_workers_were_sent_is_sent_again_where_it_is_missing(client: Any) -> None:
    cluster, results = begun(client, "spare", 1)
    found = [next(results)]
    cluster.take_back()
    assert_all_but_five([*found, *results])


def test_a_cluster_that_forgets_again_and_again_is_lost(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "register_plugin", lambda plugin: None)
    cluster, results = begun(client, "spare", 1)
    with pytest.raises(cluster_pool.ClusterLost):
        next(results)
    assert cluster.lost == "the cluster forgets what it is asked, again and again"


ODD = """
import asyncio, importlib.metadata, resource, signal, sys
from distributed import Worker
address, kind = sys.argv[1:]
genuine = importlib.metadata.version

def version(name):
    if name == "odefit" and kind == "missing":
        raise importlib.metadata.PackageNotFoundError(name)
    return "0.0.1" if name == "odefit" and kind == "old" else genuine(name)

async def work():
    async with Worker(address, nthreads=1, name=kind) as worker:
        if kind == "full":  # no file may grow from now on
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        await worker.finished()

importlib.metadata.version = version
if kind == "missing":
    sys.modules["odefit"] = None
asyncio.run(work())
"""


def test_workers_that_join_later_are_compared_then(local: Any) -> None:
    """Of another version, without odefit, and on a full disk, which needs none."""
    odd: dict[str, subprocess.Popen[bytes]] = {}

    def join() -> None:
        for kind in ("old", "missing", "full"):
            odd[kind] = subprocess.Popen([sys.executable, "-c", ODD, local.scheduler_address, kind])
        with distributed.Client(local, set_as_default=False) as client:
            client.wait_for_workers(2 + len(odd), timeout=60)

    told = Noting(join)
    config = fitted(starts=60, cluster={"address": local.scheduler_address, "batch": 1})  # enough for each to get some
    try:
        assert_same(odefit.fit(config, data=DATA, progress=told), odefit.fit(fitted(starts=60), data=DATA))
    finally:
        for process in odd.values():
            process.kill()
            process.wait()
    unused = sorted(note.split(" is not used: ")[1] for note in told.notes if " is not used: " in note)
    here = cluster_versions.versions()["odefit"]
    assert unused == [f"odefit {there} ({here} here); install the same there" for there in ("0.0.1", "is missing")]


def test_another_kind_of_processor_is_said(local: Any, whole: odefit.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_versions, "processor", lambda: "another")
    told = Noting()
    run = odefit.fit(fitted(cluster={"address": local.scheduler_address, "batch": 1}), data=DATA, progress=told)
    assert_same(run, whole)
    said = [note for note in told.notes if "has another kind of processor: its numbers may differ" in note]
    assert 1 <= len(said) <= 2


def test_what_arrives_must_be_what_was_sent() -> None:
    with pytest.raises(ValueError, match="is not what was sent"):
        cluster_worker.run_batch("0" * 64, b"something else", b"", b"")


@pytest.mark.parametrize(
    "section, what",
    [
        ({}, "give one of `address`, `dask` and `jobqueue`"),
        ({"address": "tcp://a:1", "dask": {"workers": 1}}, "give one of"),
        ({"address": "http://a:1"}, "address"),
        ({"address": "tls://a:1"}, "`tls://` needs tls_ca, tls_cert and tls_key"),
        ({"dask": {"workers": 2}, "tls_ca": "f"}, "tls_ca: is for an address with `tls://`"),
        ({"dask": {"workers": 0}}, "workers"),
        ({"jobqueue": {"system": "cron", "memory": "1GB"}}, "system"),
    ],
)
def test_sections_that_name_no_cluster(section: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        odefit.check(fitted(cluster=section), data=DATA)
    assert ClusterSection.model_validate("tcp://a:1").address == "tcp://a:1"


def test_the_script_of_a_job() -> None:
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("dask_jobqueue", reason="needs odefit[dask]")
    section = JobqueueSection(
        system="slurm",
        jobs=4,
        cores=2,
        memory="4GB",
        walltime="01:00:00",
        queue="short",
        account="me",
        directives=["--exclusive"],
        prologue=["module load python"],
    )
    with of_fit.queue_of(section) as cluster:
        lines = cluster.job_script().splitlines()
        port = int(cluster.scheduler_address.rsplit(":", 1)[1])
        heard = [c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
    # Jobs come from other machines to the scheduler, and to nothing else.
    assert {one.ip for one in heard if one.port != port} <= {"127.0.0.1"}
    head = [line for line in lines if line.startswith("#SBATCH")]
    wanted = ("-p short", "-A me", "--cpus-per-task=2", "--mem=4G", "-t 01:00:00", "--exclusive")
    assert [f"#SBATCH {word}" for word in wanted] == [line for line in head if line.split(maxsplit=1)[1] in wanted]
    assert "module load python" in lines
    assert "--nthreads 1 " in lines[-1]
    assert "--nworkers 2 " in lines[-1]
