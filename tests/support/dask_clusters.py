"""Clusters of Dask for tests, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SETTINGS: dict[str, Any] = {
    "threads_per_worker": 1,
    "host": "127.0.0.1",
    "dashboard_address": None,
    "silence_logs": 50,
}
ANY_PORT = {"dashboard_address": "127.0.0.1:0"}


@contextmanager
def of_processes(n: int, **more: Any) -> Iterator[Any]:
    """Of n processes; a worker that a busy machine takes long to start again is waited for."""
    import dask
    from distributed import LocalCluster

    settings = {**SETTINGS, "scheduler_kwargs": {"allowed_failures": 2, **ANY_PORT}, **more}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}),
        LocalCluster(n_workers=n, **settings) as cluster,
    ):
        yield cluster


def of_a_thread(**more: Any) -> Any:
    """Of one worker in this process, to be closed while it is in use."""
    from distributed import LocalCluster

    settings = {"protocol": "tcp://", "scheduler_kwargs": ANY_PORT, **SETTINGS, **more}
    return LocalCluster(n_workers=1, processes=False, **settings)
