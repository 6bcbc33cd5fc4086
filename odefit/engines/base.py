"""What every engine promises: y(t; p) of many members at once, their sensitivities, or the reason why not.

A *member* is one row of parameters p [M, L] together with one experiment: its start, its times, its doses and inputs.
Members refer to experiments by their position, so that a thousand parameter vectors for one experiment, or one vector
for each of a thousand experiments, or any mixture, are one call. Times are ragged: what comes back is one array of
all rows, in which each member has its own part. Nothing in a call is an object per member, so that a compiled batch may
stand behind it; the engines of today loop inside.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from odefit.arrays import FloatArray, IntArray, true_at
from odefit.data.experiments import Experiment
from odefit.engines.failure import Failure, FailureReason
from odefit.model.system import System
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor

    from odefit.data.dataset import Batch


@dataclass(frozen=True)
class SolverOptions:
    """How to integrate. `step` is for fixed-step methods; `rtol` and `atol` are for the others.

    atol: one number for all states, or one for each in their order.
    sensitivity_rtol, sensitivity_atol: of the compiled engine's sensitivities, where not those of the states.
    typical: sizes of parameters by name, 1 where there is none; tolerances hold for size * dy/dp.
    max_steps: of each method of the kernel; a member that takes more is given up.
    begins_stiff: of the kernel's `auto`, whether members begin with the stiff method (first_method.py).
    """

    method: str = "auto"
    rtol: float = 1e-6
    atol: float | tuple[float, ...] = 1e-8
    step: float | None = None
    adjoint: bool = False
    dtype: str = "float64"
    device: str = "cpu"
    sensitivity_rtol: float | None = None
    sensitivity_atol: float | None = None
    typical: tuple[tuple[str, float], ...] = ()
    max_steps: int = 100_000
    begins_stiff: bool = False


@dataclass(frozen=True)
class Trajectory:
    """The solution of one member at the times of its experiment.

    Attributes
    ----------
    y
        States [T, S].
    dy
        Derivatives [T, S, K] with respect to the engine's `sensitive` parameters, when asked.
    failure
        None, or why the integration failed; y and dy are NaN then, never a number that looks like a solution.
    """

    y: FloatArray
    dy: FloatArray | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Solutions(Sequence[Trajectory]):
    """The solutions of M members; as a sequence, one `Trajectory` for each of them.

    Attributes
    ----------
    y
        States [R, S] at the times of all members, one member after the other.
    dy
        Derivatives [R, S, K] with respect to the engine's `sensitive` parameters; None where not asked for.
    offsets
        [M + 1]; member m has the rows from offsets[m] to offsets[m + 1].
    failures
        [M] None, or why the member's integration failed; its rows are NaN then.
    """

    y: FloatArray
    dy: FloatArray | None
    offsets: IntArray
    failures: tuple[Failure | None, ...]

    @classmethod
    def joined(cls, trajectories: Sequence[Trajectory]) -> Solutions:
        """From one trajectory per member, at least one."""
        slopes = [t.dy for t in trajectories if t.dy is not None]
        return cls(
            np.concatenate([t.y for t in trajectories]),
            np.concatenate(slopes) if slopes else None,
            offsets_of([len(t.y) for t in trajectories]),
            tuple(t.failure for t in trajectories),
        )

    def with_members(self, which: IntArray, theirs: Solutions) -> Solutions:
        """The same with the solutions of some members [n] replaced, in place."""
        failures = list(self.failures)
        for k, m in enumerate(which.tolist()):
            rows, other = slice(*self.offsets[m : m + 2]), slice(*theirs.offsets[k : k + 2])
            self.y[rows], failures[m] = theirs.y[other], theirs.failures[k]
            if self.dy is not None and theirs.dy is not None:
                self.dy[rows] = theirs.dy[other]
        return Solutions(self.y, self.dy, self.offsets, tuple(failures))

    @property
    def failed(self) -> int | None:
        """The first member that failed; None where none did."""
        return next((m for m, _ in failed_members(self.failures)), None)

    def __len__(self) -> int:
        return len(self.failures)

    @overload
    def __getitem__(self, m: int) -> Trajectory: ...

    @overload
    def __getitem__(self, m: slice) -> list[Trajectory]: ...

    def __getitem__(self, m: int | slice) -> Trajectory | list[Trajectory]:
        if isinstance(m, slice):
            return [self[i] for i in range(*m.indices(len(self)))]
        failure = self.failures[m]  # IndexError where there is no such member
        first, last = self.offsets[m % len(self)], self.offsets[m % len(self) + 1]
        return Trajectory(self.y[first:last], None if self.dy is None else self.dy[first:last], failure)


class Engine(Protocol):
    """Integrates one system.

    Attributes
    ----------
    system, options, sensitive
        What it integrates and how; the parameters that derivatives are taken to, K of them.
    notes
        Sentences about choices that the engine made by itself, each once.
    """

    system: System
    options: SolverOptions
    sensitive: tuple[str, ...]
    notes: list[str]

    @property
    @abstractmethod
    def is_compiled(self) -> bool:
        """Whether formulas were compiled: a solution costs next to nothing, and steps are the method's own."""
        ...

    @property
    def remembers(self) -> bool:
        """Whether what it solved before, or what it solves in the same call, may change what comes next (which method
        suits, ...): then each of many searches gets a `reset_copy`, and else one call serves all of them."""
        return True

    @property
    def takes_tangents(self) -> bool:
        """Whether it has `solve_along`."""
        return False

    @property
    def is_found_stiff(self) -> bool:
        """Whether `auto` went from the kernel's explicit method to its stiff one in a solution so far."""
        return False

    def solve_along(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        tangents: FloatArray,
        members: IntArray | None = None,
    ) -> Solutions:
        """`solve` with sensitivities that begin as `tangents` [M, S, K], whatever the initial values depend on."""
        what = f"{self.method_in_use} takes no sensitivities at the start"
        raise NotImplementedError(what)

    @property
    def can_pull(self) -> bool:
        """Whether `pull` goes back through the solution, however much it takes."""
        return False

    @property
    def pulls(self) -> bool:
        """Whether the gradient of a function of all states takes less by `pull` than by sensitivities."""
        return False

    def pull(
        self, p: FloatArray, experiments: Sequence[Experiment], worth: FloatArray, members: IntArray | None = None
    ) -> FloatArray:
        """The gradient of a function of all states to the `sensitive` parameters, [M, K]; NaN where members fail.

        worth: [R, S] the derivatives of the function to the states, in the rows of `solve`; the others as there.
        """
        found = self.solve(p, experiments, True, members)
        assert found.dy is not None
        gradients = np.zeros((len(found), found.dy.shape[-1]))
        there = true_at(np.diff(found.offsets))
        if len(there):
            products = np.einsum("rs,rsk->rk", worth, found.dy)
            gradients[there] = np.add.reduceat(products, found.offsets[there], axis=0)
        return gradients

    @property
    @abstractmethod
    def method_in_use(self) -> str:
        """The method of the next solution: what `auto` has come to so far."""
        ...

    @abstractmethod
    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment.

        Parameters
        ----------
        p
            [M, L] one row per member, in the order of `system.parameters`.
        experiments
            What members refer to; the same objects from call to call, so that an engine may prepare them once.
        sensitivities
            Whether total derivatives to the `sensitive` parameters (through y0 as well) are asked for.
        members
            [M] the position of each member's experiment; None where member m is experiment m.

        Raises
        ------
        ValueError
            The shapes do not fit. A bad point is no error: it comes back as a failure of its member.
        SolveError
            The system has no sensitivities.
        """
        ...

    @abstractmethod
    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States at the batch's times, [E, T, S], differentiable with respect to p [E, L].

        Raises SolveError, which names the experiment, when the integration fails.
        """
        ...

    @abstractmethod
    def reset_copy(self) -> Engine:
        """The same engine before its first solve: what it learnt on the way must not change a new search."""
        ...

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What the engine has learnt on its way (which method suits, ...), as plain values for a checkpoint.

        A search that goes on in another process gives the same numbers only with an engine in the same state.
        """
        ...

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`, for an engine of the same system and options."""
        ...

    def jumps(self, p: FloatArray, experiment: Experiment) -> FloatArray:
        """The times at which states jump, by an event or a dose, at parameters p [L]."""
        del p, experiment
        return np.empty(0)

    def watch(self, callback: Callable[[], None] | None) -> None:
        """Call back at each evaluation of the right-hand side, where the engine sees them; None ends it.

        What the callback raises ends the solution. It is for measuring: how much work a solution is, or its end after
        a time that somebody is willing to wait.
        """
        del callback

    def count_steps(self, p: FloatArray, experiments: Sequence[Experiment]) -> int | None:
        """How many steps the states alone take, for p [E, L]; None where the engine cannot say."""
        del p, experiments
        return None


def failed_members(failures: Sequence[Failure | None]) -> list[tuple[int, Failure]]:
    """The members that failed, and why."""
    return [(m, failure) for m, failure in enumerate(failures) if failure is not None] if any(failures) else []


def offsets_of(lengths: Sequence[int] | IntArray) -> IntArray:
    """[M + 1] where the rows of each member begin, and the end."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.intp)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def members_of(
    system: System, p: FloatArray, experiments: Sequence[Experiment], members: IntArray | None
) -> tuple[FloatArray, Sequence[Experiment]]:
    """The parameters [M, L], and the experiment of each member. Raises ValueError where the shapes do not fit."""
    chosen = experiments if members is None else [experiments[e] for e in members]
    return rows_of(system, p, len(chosen)), chosen


def rows_of(system: System, p: FloatArray, n: int) -> FloatArray:
    """The parameters [M, L] of n members. Raises ValueError where the shape does not fit."""
    p = np.asarray(p, dtype=np.float64)
    if p.shape != (n, len(system.parameters)):
        raise ValueError(f"p has shape {p.shape}, not ({n}, {len(system.parameters)})")
    return p


def times_fault(times: FloatArray, start: float) -> Failure | None:
    """Why nothing can be integrated over these times; None where it can."""
    if not (np.isfinite(times).all() and math.isfinite(start)):
        return Failure(FailureReason.TIME_NOT_FINITE)
    if len(times) and not (start <= times[0] and (times[1:] >= times[:-1]).all()):
        return Failure(FailureReason.TIMES_NOT_INCREASING)
    return None


def times_faults(times: FloatArray, starts: FloatArray, first: IntArray) -> dict[int, Failure]:
    """The same of E experiments, of those that have a fault: times[first[e]:first[e + 1]] begin at starts[e]."""
    filled = true_at(np.diff(first))
    goes_on = np.ones(len(times), dtype=bool)
    goes_on[1:] = times[1:] >= times[:-1]
    goes_on[first[filled]] = starts[filled] <= times[first[filled]]
    if goes_on.all() and np.isfinite(starts).all() and np.isfinite(times).all():
        return {}
    found = {e: times_fault(times[first[e] : first[e + 1]], float(starts[e])) for e in range(len(starts))}
    return {e: fault for e, fault in found.items() if fault is not None}
