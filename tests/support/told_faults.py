"""What the readers of tables are asked in tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from odefit.errors import DataError


def told(folder: Path, call: Callable[[], object]) -> list[str]:
    """The faults of a call, a line each, without the folder's name."""
    with pytest.raises(DataError) as caught:
        call()
    assert caught.value.exit_code == 2
    lines = [str(fault) for fault in caught.value.faults]
    assert all("\n" not in line for line in lines)
    return [line.replace(f"{folder}{os.sep}", "") for line in lines]
