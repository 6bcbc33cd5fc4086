"""What all tests share. torch is not imported here: some tests prove that odefit does without it."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import settings

# Read when torch and BLAS are first imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Random tests are the same every time; benchmarks and fuzzing look further.
settings.register_profile("seeded", derandomize=True)
settings.load_profile("seeded")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from a second thread, and tests run side by side."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
