"""Machine code between guards: what it writes beside the arrays that it was given is seen."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from odefit.arrays import address

MODULES = (
    "odefit.linalg.quick_minima",
    "odefit.engines.kernel.program",
    "odefit.engines.kernel.way_program",
    "odefit.engines.networks.program",
)
"""All that call machine code."""
WIDTH = 64
"""Bytes of a guard, on either side."""
GUARD = 0xA5


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code gets copies, each with guards around it, of the arrays that it is called with."""
    for name in MODULES:
        monkeypatch.setattr(importlib.import_module(name), "call_code", call_between_guards)


def call_between_guards(function: Callable[..., object], *given: Any) -> None:
    """As `call_code`. Raises AssertionError where a guard has changed, or what is read-only."""
    arrays = [one for one in given if isinstance(one, np.ndarray)]
    assert all(one.flags.c_contiguous for one in arrays)
    regions = _regions([(address(one), address(one) + one.nbytes) for one in arrays])
    copies = [_between_guards(first, end) for first, end in regions]
    moved = {}
    for one in arrays:
        k = next(k for k, (first, end) in enumerate(regions) if first <= address(one) <= end)
        moved[id(one)] = address(copies[k]) + WIDTH + address(one) - regions[k][0]
    function(*[moved[id(one)] if isinstance(one, np.ndarray) else one for one in given])
    for (first, end), copy in zip(regions, copies, strict=True):
        assert (copy[:WIDTH] == GUARD).all()
        assert (copy[WIDTH + end - first :] == GUARD).all()
        before, after = _bytes(first, end), copy[WIDTH : WIDTH + end - first]
        if all(one.flags.writeable for one in arrays if first <= address(one) <= end):
            before[:] = after
        else:
            assert (before == after).all()


def _regions(extents: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of memory: arrays may be parts of others, or neighbours in one."""
    found: list[tuple[int, int]] = []
    for first, end in sorted(extents):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((first, end))
    return found


def _bytes(first: int, end: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """What is in memory between two addresses."""
    return np.frombuffer((ctypes.c_char * (end - first)).from_address(first), dtype=np.uint8)


def _between_guards(first: int, end: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    guard = np.full(WIDTH, GUARD, dtype=np.uint8)
    return np.concatenate([guard, _bytes(first, end), guard])
