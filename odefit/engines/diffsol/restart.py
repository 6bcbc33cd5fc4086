"""A solution in pieces, where diffsol gives up because Newton's method has failed too often in all.

Each piece begins at the last state of the one before, as a new problem with its initial values as inputs. The
derivatives follow by the chain rule, dy/dq = (dy/dq with y1 fixed) + (dy/dy1) (dy1/dq).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.diffsol.diffsl import N_TIMES
from odefit.engines.diffsol.program import Program, Solution
from odefit.engines.diffsol.request import Request
from odefit.engines.failure import Failure, FailureReason

MAX_PIECES = 100
"""Each has 50 failures of Newton's method to its credit. Relaxation oscillations over 400 periods take two or three."""
_SHARE = 0.9
_LEAST_PROGRESS = 1e-6


def solve_in_pieces(
    program: Program, restart: Program, p: FloatArray, request: Request, columns: IntArray, found: Solution
) -> Solution:
    """The whole way, after the first attempt gave `found`; as far as each attempt comes, less a tenth.

    Parameters
    ----------
    program, restart
        The system from its own initial values, and the same with initial values as further inputs.
    columns
        The inputs that derivatives are taken to.
    found
        An attempt that is `exhausted`.
    """
    more = np.concatenate([columns, len(p) + N_TIMES + np.arange(restart.n_states)])
    pieces: list[Solution] = []
    state: FloatArray | None = None
    slope: FloatArray | None = None
    start = request.start
    for _ in range(MAX_PIECES):
        if found.failure is None:
            last = _chained(found, slope)
            return last if last.failure else _joined([*pieces, last])
        end = start + _SHARE * ((found.ended or start) - start)
        if not found.exhausted or end - start < _LEAST_PROGRESS * request.span:
            return found
        inside = request.times[(request.times > start) & (request.times <= end)]
        if state is None:
            inside = request.times[request.times <= end]
        part = replace(request, start=start, times=np.append(inside, end))
        solver, wanted = (program, columns) if state is None else (restart, more)
        piece = _chained(solver.solve(solver.inputs(p, part, state), part, wanted), slope)
        if piece.y is None:
            return piece
        pieces.append(Solution(piece.y[:-1], None if piece.dy is None else piece.dy[:-1]))
        state, slope, start = piece.y[-1], None if piece.dy is None else piece.dy[-1], end
        rest = replace(request, start=start, times=request.times[request.times > start])
        found = restart.solve(restart.inputs(p, rest, state), rest, more)
    what = f"{request.method} would have to begin anew more than {MAX_PIECES} times"
    return Solution(failure=Failure(FailureReason.TOO_MANY_STEPS, subject=what), ended=start)


def _chained(piece: Solution, slope: FloatArray | None) -> Solution:
    """A piece whose last derivatives are to its initial values, as a function of the other inputs alone."""
    if piece.dy is None or slope is None:
        return piece
    n = slope.shape[1]
    with np.errstate(all="ignore"):
        dy = piece.dy[:, :, :n] + piece.dy[:, :, n:] @ slope
    if not np.isfinite(dy).all():
        return Solution(failure=Failure(FailureReason.SENSITIVITIES_NOT_FINITE), ended=piece.ended)
    return replace(piece, dy=dy)


def _joined(pieces: Sequence[Solution]) -> Solution:
    ys = [piece.y for piece in pieces if piece.y is not None]
    dys = [piece.dy for piece in pieces if piece.dy is not None]
    return Solution(np.concatenate(ys), np.concatenate(dys) if dys else None)
