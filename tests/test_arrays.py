"""Machine code and the arrays that it is called with: they live until it is back, and it writes nowhere else."""

from __future__ import annotations

import ctypes
import weakref

import numpy as np
import pytest

from guarded_calls import call_between_guards
from odefit.arrays import FloatArray, call_code


def test_arrays_live_until_machine_code_is_back() -> None:
    made = list[weakref.ref[FloatArray]]()

    def room() -> FloatArray:
        array = np.zeros(3)
        made.append(weakref.ref(array))
        return array

    def fill(n: int, place: int) -> None:
        assert made[0]() is not None
        (ctypes.c_double * n).from_address(place)[:] = [4.0] * n

    kept = np.zeros(2)
    call_code(lambda place, n, there: (fill(n, place), fill(2, there)), room(), 3, kept)
    assert made[0]() is None
    np.testing.assert_array_equal(kept, 4.0)


@pytest.mark.parametrize("beside", [-1, 24])
def test_a_byte_beside_an_array_is_seen_between_guards(beside: int) -> None:
    def stray(place: int) -> None:
        ctypes.c_byte.from_address(place + beside).value = 0

    with pytest.raises(AssertionError):
        call_between_guards(stray, np.zeros(3))


def test_what_is_written_between_guards_arrives() -> None:
    both = np.zeros(6)
    front, back = both[:3], both[3:]

    def fill(n: int, there: int, here: int) -> None:
        (ctypes.c_double * n).from_address(here)[:] = [1.0] * n
        (ctypes.c_double * n).from_address(there)[:] = [2.0] * n

    call_between_guards(fill, 3, back, front)
    np.testing.assert_array_equal(both, [1, 1, 1, 2, 2, 2])
    given = np.zeros(3)
    given.flags.writeable = False
    with pytest.raises(AssertionError):
        call_between_guards(fill, 3, given, np.zeros(3))
