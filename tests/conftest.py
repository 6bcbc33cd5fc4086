"""What all tests share. torch is not imported here: some tests prove that odefit does without it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# Read when torch and BLAS are first imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Random tests are the same every time; benchmarks and fuzzing look further.
settings.register_profile("seeded", derandomize=True)
settings.load_profile("seeded")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Neighbours stay in one process unless another has nothing to do, so that what they share is made once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from a second thread, and tests run side by side."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def forked_workers() -> Iterator[None]:
    """Workers of fits begin in milliseconds, whichever test has imported torch before: none of them has threads of it.

    What odefit itself chooses, and that spawned workers find the same, is in optimizers/test_start_pool.py.
    """
    if sys.platform != "linux":
        yield
        return
    from odefit.diagnostics import worker as bench
    from odefit.fitting import multistart as searching
    from odefit.optimizers import start_pool as multistart

    fork = multiprocessing.get_context("fork")
    with pytest.MonkeyPatch.context() as patch:
        for module in (multistart, searching, bench):
            patch.setattr(module, "worker_context", lambda: fork)
        yield
