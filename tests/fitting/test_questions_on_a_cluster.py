"""Profiles, bootstrap and posterior on a cluster of Dask: the same numbers as without, whatever becomes of workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dask_clusters
import odefit
from creeping_starts import DATA, creeping
from odefit.cli import app
from odefit.errors import ConfigError, InputError
from odefit.runs.progress import Silent

distributed = pytest.importorskip("distributed", reason="needs odefit[dask]")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

QUESTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]] = {
    "profile": (odefit.profile, {}, ("profiles.csv", "profiles.json")),
    "bootstrap": (odefit.bootstrap, {"samples": 30}, ("bootstrap.csv", "bootstrap.json")),
    "sample": (
        odefit.sample,
        {"draws": 12, "chains": 4, "warm_up": 20},
        ("posterior.csv", "posterior.json", "posterior.arviz.json"),
    ),
}


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """A cluster of two processes on loopback."""
    with dask_clusters.of_processes(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def fitted() -> odefit.Run:
    config = creeping(starts=4, seed=0, match=False, screen="values") | {"noise": {"model": "gaussian"}}
    return odefit.fit(config, data=DATA)


class At(Silent):
    """Does something once, when the first part is done."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def part(self, done: int, text: str) -> None:
        if self.action is not None:
            action, self.action = self.action, None
            action()


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_those_of_one_process_also_when_a_worker_is_killed(
    question: str, local: Any, fitted: odefit.Run, tmp_path: Path
) -> None:
    def kill() -> None:
        with distributed.Client(local, set_as_default=False) as client:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    ask, settings, files = QUESTIONS[question]
    here, there = fitted.save(tmp_path / "here"), fitted.save(tmp_path / "there")
    ask(here, **settings)
    told = At(kill)
    ask(there, **settings, cluster={"address": local.scheduler_address, "batch": 1}, progress=told)
    assert told.action is None, "no worker was killed"
    for name in files:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name


def test_a_bootstrap_whose_scheduler_is_lost_goes_on_without(
    fitted: odefit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odefit.optimizers.cluster_pool.BACK_SECONDS", 0.2)
    cluster = dask_clusters.of_a_thread()
    run, told = fitted.save(tmp_path / "r"), At(cluster.close)
    found = odefit.bootstrap(run, 40, cluster={"address": cluster.scheduler_address, "batch": 2}, progress=told)
    assert found.interrupted
    assert 2 <= len(found.rows) < 40
    assert any("lost; what was finished is kept, and the same command goes on" in note for note in told.notes)
    whole, resumed = odefit.bootstrap(fitted, 40), odefit.bootstrap(run, 40)
    assert resumed.samples.equals(whole.samples)


def test_a_profile_that_was_interrupted_is_resumed_bit_for_bit(local: Any, fitted: odefit.Run, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    cluster = {"address": local.scheduler_address, "batch": 1}
    here, there = fitted.save(tmp_path / "here"), fitted.save(tmp_path / "there")
    odefit.profile(here)
    with pytest.raises(KeyboardInterrupt):
        odefit.profile(there, cluster=cluster, progress=At(interrupt))
    odefit.profile(odefit.load_run(tmp_path / "there"), cluster=cluster)
    for name in ("profiles.csv", "profiles.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name


def test_ctrl_c_cancels_what_was_asked_elsewhere(local: Any, fitted: odefit.Run) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    cluster = {"address": local.scheduler_address, "batch": 1}
    assert odefit.bootstrap(fitted, 40, cluster=cluster, progress=At(interrupt)).interrupted
    with pytest.raises(KeyboardInterrupt):  # in the warm-up, of which nothing is kept
        odefit.sample(fitted, 40, warm_up=10, chains=2, cluster=cluster, progress=At(interrupt))
    with pytest.raises(KeyboardInterrupt):
        odefit.profile(fitted, cluster=cluster, progress=At(interrupt))
    with distributed.Client(local, set_as_default=False) as client:
        assert not any(key for keys in client.processing().values() for key in keys)


def test_the_cluster_of_the_run_is_taken_unless_another_is_named(
    fitted: odefit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odefit.fitting.cluster.WAIT_SECONDS", 0.5)
    fitted.save(tmp_path / "r")
    config = tmp_path / "r" / "config.yaml"
    config.write_text(config.read_text().replace("fit:\n", "fit:\n  cluster: tcp://127.0.0.1:9\n"))
    words = ["bootstrap", str(tmp_path / "r"), "--samples", "5"]
    with pytest.raises(ConfigError, match=r"cluster: no scheduler answers at tcp://127\.0\.0\.1:9"):
        app(words, standalone_mode=False)
    assert not app([*words, "--cluster", "none"], standalone_mode=False)
    for named, what in (
        ("{dask: {workers: 0}}", r"--cluster\.?.*workers: must be at least 1"),
        ("nowhere", r"--cluster"),
    ):
        with pytest.raises(ConfigError, match=what):
            app([*words, "--cluster", named], standalone_mode=False)
    with pytest.raises(InputError, match="--cluster: is for whole answers"):
        app([*words[:2], "--part", "1/2", "--cluster", "none"], standalone_mode=False)
    with pytest.raises(InputError, match=r"cluster: must be an address, a mapping"):
        odefit.bootstrap(fitted, 5, cluster=8)  # type: ignore[arg-type]
