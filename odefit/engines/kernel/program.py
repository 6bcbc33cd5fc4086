"""The compiled kernel of one system: flat arrays in, flat arrays and a status per member out."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np

from odefit.arrays import FloatArray, IntArray, address, call_code, true_at
from odefit.compilation.machine_code import MachineCode, code_of
from odefit.engines.base import SolverOptions
from odefit.engines.diffsol.diffsl import TooLarge
from odefit.engines.kernel import machine
from odefit.engines.kernel.batch import Times
from odefit.engines.kernel.model_ir import (
    MAX_SIZE,
    ModelText,
    adjoint_text,
    columns_of,
    model_text,
    stiff_adjoint_text,
    stiff_text,
)
from odefit.engines.kernel.sparsity import Pattern
from odefit.engines.kernel.stepping import DONE, NO_ROOM, padded
from odefit.engines.tolerances import absolute_tolerances, parameter_sizes
from odefit.model.system import System
from odefit.records import dataclass

VECTORS, STIFF_VECTORS = 14, 16
"""Vectors of z that the explicit and the stiff stepper work with."""
AT_ROOM, AT_SENSITIVE = 7, 8
"""Where among the sizes that `solve_members` takes there is what the way back alone has: see `pull_members`."""
FIRST_ROOM = 128
"""Steps of a member that are kept for the way back, until one has more."""
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

    @classmethod
    def of(cls, system: System, options: SolverOptions, sensitive: Sequence[str]) -> Tolerances:
        """Those of an engine."""
        atol = np.array(absolute_tolerances(options, len(system.states)), dtype=np.float64)
        whole = float(atol.max())
        theirs = whole if options.sensitivity_atol is None else options.sensitivity_atol
        columns = [system.parameters.index(name) for name in sensitive]
        return cls(
            rtol=options.rtol,
            sensitivity_rtol=options.rtol if options.sensitivity_rtol is None else options.sensitivity_rtol,
            atol=atol,
            sensitivity_atol=theirs * (atol / whole),
            sizes=np.ascontiguousarray(parameter_sizes(system, options)[columns]),
        )


@dataclass(frozen=True)
class Ends:
    """How members ended, [M] each: a status of tsitouras.py, the time that was reached, and the steps."""

    status: IntArray
    reached: FloatArray
    steps: IntArray


Asked: TypeAlias = tuple[int, int, int, bool, bool]
"""How many sensitivities; then `max_steps`, `stiff_steps`, `is_stiff` and `is_along` of `KernelProgram.solve`."""


@dataclass(frozen=True)
class Plan:
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
        self._solve = entry("solve_members", 20)
        self._plans: dict[Asked, Plan] = {}

    @cached_property
    def _stiff(self) -> tuple[MachineCode, Pattern | None]:
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
        plan = self.plan(tolerances, (slopes, max_steps, stiff_steps, is_stiff, is_along))
        # One array for all that comes back: status, time and steps, 8 bytes each.
        ends, work = np.empty((3, count)), np.empty(plan.room)
        given = (count, *plan.heads, p, members, *times.addresses, rows, work, y, y if dy is None else dy)
        call_code(self._solve, *given, *ends)
        return Ends(ends[0].view(np.int64), ends[1], ends[2].view(np.int64))

    def steps(
        self, p: FloatArray, times: FloatArray, rtol: float, atol: FloatArray, max_steps: int
    ) -> tuple[bool, FloatArray, FloatArray]:
        """The way of one member by the explicit method, whose errors of states alone count, as far as it comes.

        Parameters
        ----------
        p
            [L].
        times
            [T] increasing ones, of which the first is the start.
        rtol, atol
            Tolerances, the absolute one of each state, [S].

        Returns
        -------
        whole, times, states
            Whether it is at its end; the times at which its steps end and, where it is whole, those that were asked
            for, [n] in order; and the states there, [n, S].
        """
        n, one, ends, steps = self.states, np.array([0, len(times)]), np.zeros((2, 1)), np.zeros(1, dtype=np.int64)
        plan = self._plan(Tolerances(rtol, rtol, atol, atol, np.zeros(1)), (0, max_steps, 0, False, False))
        plan.arrays[0][AT_ROOM] = max_steps
        work, y = np.zeros(plan.room + 1 + (max_steps + 1) * (n + 2)), np.empty((len(times), n))
        given = (np.ascontiguousarray(p), one[:1], times[:1].copy(), one, times, one[:1], work, y, y)
        call_code(self._solve, 1, *plan.heads, *given, *ends, steps)
        kept = work[plan.room :]
        taken = kept[1 : 1 + (int(kept[0]) + 1) * (n + 2)].reshape(-1, n + 2)
        t, states = np.append(taken[:-1, 0], ends[1]), taken[:, 2:]
        if ends[0].view(np.int64)[0] != DONE:
            return False, t, states
        every = np.concatenate([times, t])
        order = np.argsort(every, kind="stable")
        return True, every[order], np.concatenate([y, states])[order]

    @cached_property
    def _adjoint(self) -> MachineCode:
        return _compiled(adjoint_text(self._system, self._sensitive))

    @cached_property
    def _stiff_adjoint(self) -> MachineCode:
        return _compiled(stiff_adjoint_text(self._system, self._sensitive))

    @cached_property
    def can_pull(self) -> bool:
        """Whether there is a way back through the steps of the explicit method: small enough, and compiled."""
        try:
            return self._adjoint is not None
        except TooLarge:
            return False

    @cached_property
    def can_pull_stiff(self) -> bool:
        """The same of the stiff method."""
        try:
            return self.can_pull and self.can_be_stiff and self._stiff_adjoint is not None
        except TooLarge:
            return False

    def pull(
        self,
        p: FloatArray,
        times: Times,
        members: IntArray,
        rows: IntArray,
        worth: FloatArray,
        gradients: FloatArray,
        tolerances: Tolerances,
        max_steps: int,
        stiff_steps: int = 0,
        is_stiff: bool = False,
        room: int | None = None,
    ) -> IntArray:
        """Put what the parameters of M members are worth into `gradients` [M, K]; their status, [M].

        worth: [R, S] the same of states, in the rows of `solve`. room: for the steps of a member, at first; the others
        are as in `solve`.
        """
        from odefit.engines.kernel.tableaus import RODAS5P, TSITOURAS  # of the steppers, which are not imported else

        room = room or FIRST_ROOM
        n, slopes = self.states, len(self._columns)
        plan = self.plan(tolerances, (0, max_steps, stiff_steps, is_stiff, False))
        numbers = plan.arrays[0].copy()
        numbers[AT_ROOM], numbers[AT_SENSITIVE] = room, slopes
        back = map(self._adjoint.address, ("pull", "pull_start"))
        curve = self._stiff_adjoint.address("pull_curve") if is_stiff else 0
        scratch = 28 * n + slopes + 8 if is_stiff else 21 * n + slopes + 7
        work = np.empty(plan.room + 1 + (room + 1) * (n + 2) + scratch)
        y, reached = np.empty_like(worth), np.empty(len(members))
        status, steps = np.empty((2, len(members)), dtype=np.int64)
        heads = (numbers, plan.heads[1], RODAS5P if is_stiff else TSITOURAS, *plan.heads[4:], *back, curve)
        behind = (rows, work, y, worth, gradients, status, reached, steps)
        call_code(entry("pull_members", 23), len(members), *heads, p, members, *times.addresses, *behind)
        left = true_at(status == NO_ROOM)
        if len(left):
            own, more = np.empty((len(left), slopes)), min(8 * room, max_steps)
            given = (p[left], times, members[left], rows[left], worth, own, tolerances, max_steps, stiff_steps)
            status[left] = self.pull(*given, is_stiff, more)
            gradients[left] = own
        return status

    def plan(self, tolerances: Tolerances, asked: Asked) -> Plan:
        """What calls that ask for the same have in common."""
        plan = self._plans.get(asked)
        if plan is None or plan.tolerances is not tolerances:
            plan = self._plans[asked] = self._plan(tolerances, asked)
        return plan

    def _plan(self, tolerances: Tolerances, asked: Asked) -> Plan:
        slopes, max_steps, stiff_steps, is_stiff, is_along = asked
        n, wide = self.states, columns_of(slopes)
        size = padded(n * wide)
        pattern: IntArray = np.zeros(1, dtype=np.int64)
        allowed = [tolerances.rtol, tolerances.sensitivity_rtol, *tolerances.atol, *tolerances.sensitivity_atol]
        functions = [*self._functions[slopes > 0], 0, 0]
        room, stride = VECTORS * size, self.parameters
        if is_along:
            functions[0], stride = self._code.address("along"), stride + n * wide
        if is_stiff:
            code, sparse = self._stiff
            functions[2:] = [code.address(f"{name}{'_full' if slopes else ''}") for name in ("matrix", "curve")]
            if sparse is not None:
                pattern = sparse.numbers
            room = STIFF_VECTORS * size + 2 * n + 1 + 2 * (int(pattern[0]) or n**2)
        numbers = [stride, n, wide, slopes, max_steps, stiff_steps, int(is_stiff), 0, 0, *pattern]
        arrays = (np.array(numbers, dtype=np.int64), np.array(allowed), self._columns, tolerances.sizes)
        return Plan(tolerances, arrays, (*map(address, arrays), *functions), room)


def with_tangents(p: FloatArray, tangents: FloatArray) -> FloatArray:
    """Parameters [M, L] and tangents [M, S, K] as the program takes them: [M, L + S C], in rows of z."""
    m, states, slopes = tangents.shape
    z = np.zeros((m, states, columns_of(slopes)))
    z[:, :, 1 : 1 + slopes] = tangents
    return np.concatenate([p, z.reshape(m, -1)], axis=1)


def _compiled(text: ModelText) -> MachineCode:
    if text.size > MAX_SIZE:
        raise TooLarge("model", f"about {text.size:,} operations are too many to compile (at most {MAX_SIZE:,})")
    return code_of(text.text)


@lru_cache(maxsize=3)
def entry(name: str, pointers: int) -> Any:
    """An entry point of the steppers as a function that is called without Python's lock."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * pointers)
    return kind(machine.stepper(name).address(name))


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
