"""The compiled kernel of one system: flat arrays in, flat arrays and a status per member out."""

from __future__ import annotations

import ctypes
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.diffsol.diffsl import TooLarge
from odefit.engines.kernel import machine
from odefit.engines.kernel.batch import Times, address
from odefit.engines.kernel.model_ir import MAX_SIZE, ModelText, columns_of, model_text, stiff_text
from odefit.engines.kernel.sparsity import Pattern
from odefit.engines.kernel.stepping import padded
from odefit.model.system import System
from odefit.records import dataclass

VECTORS, STIFF_VECTORS = 14, 16
"""Vectors of z that the explicit and the stiff stepper work with."""
MAX_DENSE = 100
"""States of a system that the stiff method solves where its matrices are dense."""


@dataclass(frozen=True)
class Tolerances:
    """What errors are allowed.

    Attributes
    ----------
    rtol, sensitivity_rtol
        Of states, and of sensitivities.
    atol, sensitivity_atol
        [S] of each state, and of its sensitivities times `sizes`.
    sizes
        [K] what is a large parameter.
    """

    rtol: float
    sensitivity_rtol: float
    atol: FloatArray
    sensitivity_atol: FloatArray
    sizes: FloatArray


@dataclass(frozen=True)
class Ends:
    """How members ended, [M] each: a status of tsitouras.py, the time that was reached, and the steps."""

    status: IntArray
    reached: FloatArray
    steps: IntArray


@dataclass(frozen=True)
class _Plan:
    """What calls with the same tolerances have in common: arrays that are kept here, their addresses, room to work."""

    tolerances: Tolerances
    arrays: tuple[FloatArray | IntArray, ...]
    heads: tuple[int, ...]
    room: int


class KernelProgram:
    """The machine code of a system, with sensitivities to some parameters. Raises ModelError, TooLarge."""

    def __init__(self, system: System, sensitive: tuple[str, ...]) -> None:
        self._system, self._sensitive = system, sensitive
        self.states, self.parameters = len(system.states), len(system.parameters)
        self._columns = np.array([system.parameters.index(name) for name in sensitive], dtype=np.int64)
        self._code = _compiled(model_text(system, sensitive))
        self._functions = {
            False: (self._code.address("initial"), self._code.address("rates")),
            True: (self._code.address("begin"), self._code.address("full")),
        }
        self._solve = _entry()
        self._plans: dict[tuple[int, int, int, bool, bool], _Plan] = {}

    @cached_property
    def _stiff(self) -> tuple[machine.MachineCode, Pattern | None]:
        text = stiff_text(self._system, self._sensitive)
        return _compiled(text), text.pattern

    def compile_stiff(self) -> None:
        """Compile what the stiff method needs, which is done with its first use otherwise. Raises TooLarge."""
        if self._stiff[1] is None and self.states > MAX_DENSE:
            raise TooLarge("model", f"{self.states} states with a dense Jacobian are too many (at most {MAX_DENSE})")

    @property
    def can_be_stiff(self) -> bool:
        """Whether the stiff method can solve the system: small or sparse enough, and compiled."""
        return self._is_compiled_stiff and (self.states <= MAX_DENSE or self._stiff[1] is not None)

    @cached_property
    def _is_compiled_stiff(self) -> bool:
        try:
            _ = self._stiff
        except TooLarge:
            return False
        return True

    def solve(
        self,
        p: FloatArray,
        times: Times,
        members: IntArray,
        rows: IntArray,
        y: FloatArray,
        dy: FloatArray | None,
        tolerances: Tolerances,
        max_steps: int,
        stiff_steps: int = 0,
        is_stiff: bool = False,
        is_along: bool = False,
    ) -> Ends:
        """Put the solutions of M members where their rows begin.

        Parameters
        ----------
        p
            [M, L], contiguous.
        members, rows
            [M] the experiment of each member in `times`, and its first row in y and dy.
        y, dy
            [R, S] and [R, S, K], contiguous; None without sensitivities.
        max_steps
            The most of one member.
        stiff_steps
            A stiff problem with more steps than these ahead is left; 0 for no such limit.
        is_stiff
            By the stiff method.
        is_along
            Whether initial sensitivities stand behind the parameters of each member, [S, C] as z has them.
        """
        count, slopes = len(members), 0 if dy is None else len(self._columns)
        key = (slopes, max_steps, stiff_steps, is_stiff, is_along)
        if key not in self._plans or self._plans[key].tolerances is not tolerances:
            self._plans[key] = self._plan(tolerances, *key)
        plan = self._plans[key]
        # One array for all that comes back: status, time and steps, 8 bytes each.
        ends, work = np.empty((3, count)), np.empty(plan.room)
        at = address(ends)
        self._solve(
            count,
            *plan.heads,
            address(p),
            address(members),
            *times.addresses,
            address(rows),
            address(work),
            address(y),
            address(y if dy is None else dy),
            *(at, at + 8 * count, at + 16 * count),
        )
        return Ends(ends[0].view(np.int64), ends[1], ends[2].view(np.int64))

    def _plan(
        self, tolerances: Tolerances, slopes: int, max_steps: int, stiff_steps: int, is_stiff: bool, is_along: bool
    ) -> _Plan:
        wide = columns_of(slopes)
        size = padded(self.states * wide)
        pattern: IntArray = np.zeros(1, dtype=np.int64)
        allowed = [tolerances.rtol, tolerances.sensitivity_rtol, *tolerances.atol, *tolerances.sensitivity_atol]
        functions = [*self._functions[slopes > 0], 0, 0]
        room, stride = VECTORS * size, self.parameters
        if is_along:
            functions[0], stride = self._code.address("along"), stride + self.states * wide
        if is_stiff:
            code, sparse = self._stiff
            functions[2:] = [code.address(f"{name}{'_full' if slopes else ''}") for name in ("matrix", "curve")]
            if sparse is not None:
                pattern = sparse.numbers
            room = STIFF_VECTORS * size + 2 * self.states + 1 + 2 * (int(pattern[0]) or self.states**2)
        numbers = [stride, self.states, wide, slopes, max_steps, stiff_steps, int(is_stiff), *pattern]
        arrays = (np.array(numbers, dtype=np.int64), np.array(allowed), self._columns, tolerances.sizes)
        return _Plan(tolerances, arrays, (*map(address, arrays), *functions), room)


def _compiled(text: ModelText) -> machine.MachineCode:
    if text.size > MAX_SIZE:
        raise TooLarge("model", f"about {text.size:,} operations are too many to compile (at most {MAX_SIZE:,})")
    return machine.model(text.text)


@lru_cache(maxsize=1)
def _entry() -> Any:
    """The stepper as a function that is called without Python's lock."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 20)
    return kind(machine.stepper().address("solve_members"))


@lru_cache(maxsize=64)
def _program(key: _Key) -> KernelProgram:
    return KernelProgram(key.system, key.sensitive)


class _Key:
    """A system and its sensitive parameters; two with the same formulas are the same program."""

    def __init__(self, system: System, sensitive: tuple[str, ...]) -> None:
        self.system, self.sensitive = system, sensitive
        self.value = (system.states, system.parameters, system.rhs, system.start, sensitive)

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.value == other.value


def program_of(system: System, sensitive: tuple[str, ...]) -> KernelProgram:
    """The program of a system, compiled once per process."""
    return _program(_Key(system, sensitive))
