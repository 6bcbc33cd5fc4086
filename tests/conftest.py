"""What all tests share. torch is not imported here: some tests prove that odefit does without it.

Where torch is not installed, the files that import it are skipped, and so are the tests marked `torch`. Every other
test runs there, and fails if odefit reaches for torch.
"""

from __future__ import annotations

import gc
import importlib.util
import multiprocessing
import os
import re
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

# Read when torch and BLAS are first imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell lets what it starts in the background ignore Ctrl-C, and so would the fits that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing is kept beyond the session, and nothing is found from before it; its processes share what they compile.
if "ODEFIT_TEST_CACHE" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="odefit-cache-")
    os.environ["ODEFIT_TEST_CACHE"] = os.environ["ODEFIT_CACHE"] = _cache.name

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


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector of garbage need not look through it so often."""
    gc.set_threshold(100_000, 20, 50)


HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A file that cannot be imported without torch is skipped where there is none."""
    report = yield
    if not HAS_TORCH and report.failed and re.search("No module named 'torch", str(report.longrepr)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 1, "Skipped: torch is not installed")
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    if not HAS_TORCH and item.get_closest_marker("torch"):
        pytest.skip("torch is not installed")


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
    from odefit.optimizers import start_pool

    fork = multiprocessing.get_context("fork")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_pool, "worker_context", lambda: fork)
        yield
