"""The no-U-turn sampler: a transition of one chain, in coordinates w [P] in which the posterior is near a unit normal.

The Hamiltonian is H = -ln p(w) + r'r/2 with momenta r drawn anew. Leapfrog steps of length h double a trajectory,
forwards or backwards at random, until it turns around: until the sum rho of its momenta points against the momentum at
one of its ends, or at one end of a half of it and the first state of the other half. The next state is drawn from the
states of the trajectory with weights exp(-H), in favour of the newer half.

A transition is a generator: it yields the w at which it needs ln p and its gradient, and is sent both. So the chains do
not wait for each other's trajectories: what all of them ask for next is one call of the density (`chains.py`).

References
----------
M. D. Hoffman and A. Gelman, "The No-U-Turn Sampler", JMLR 15 (2014).
M. Betancourt, "A Conceptual Introduction to Hamiltonian Monte Carlo" (2017), appendix A.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from odefit.arrays import FloatArray

MAX_DEPTH = 10
"""A trajectory has at most 2^MAX_DEPTH steps."""
MAX_ENERGY = 1000.0
"""The error of H from which on a trajectory is divergent: the steps do not follow the dynamics there."""

Answer = tuple[float, FloatArray]
"""ln p and its gradient [P]."""


class State(NamedTuple):
    """A point with what is known there: w and gradient [P], ln p."""

    w: FloatArray
    logp: float
    gradient: FloatArray


class Moved(NamedTuple):
    """What became of a transition: the acceptance is the mean over the trajectory of min(1, exp(H0 - H))."""

    state: State
    acceptance: float
    steps: int
    diverged: bool
    depth: int


class _Tree(NamedTuple):
    """A part of a trajectory, from its `first` end to its `last` one, as time goes in its direction.

    The ends are states with momenta; weight is ln of the sum of exp(H0 - H); `chosen` was drawn by these weights.
    """

    first: FloatArray
    last: tuple[State, FloatArray]
    rho: FloatArray
    chosen: State
    weight: float
    acceptance: float
    steps: int
    diverged: bool
    turned: bool


def transition(state: State, h: float, rng: np.random.Generator) -> Generator[FloatArray, Answer, Moved]:
    """One transition.

    Parameters
    ----------
    state
        Where it begins.
    h
        The length of a step.
    rng
        Its random numbers.
    """
    r = rng.standard_normal(len(state.w))
    h0 = -state.logp + 0.5 * float(r @ r)
    # Momenta of the two ends, and what a trajectory goes on from at each: backwards, time and momenta are turned.
    ends = {1: (state, r), -1: (state, -r)}
    rho, weight, chosen = r, 0.0, state
    acceptance, steps, depth = 0.0, 0, 0
    for depth in range(1, MAX_DEPTH + 1):
        side = 1 if rng.random() < 0.5 else -1
        tree = yield from _grown(ends[side], h, h0, depth - 1, rng)
        acceptance, steps = acceptance + tree.acceptance, steps + tree.steps
        if tree.diverged or tree.turned:
            return Moved(chosen, acceptance / steps, steps, tree.diverged, depth)
        if tree.weight > weight or rng.random() < math.exp(tree.weight - weight):
            chosen = tree.chosen
        weight = _log_sum(weight, tree.weight)
        # Seen in the direction of growth the old part begins at the far end, whose momentum is kept as it leads away.
        begin, joint = -ends[-side][1], ends[side][1]
        old, ends[side] = side * rho, tree.last
        rho = side * (old + tree.rho)
        if _turns(begin, joint, old, tree.first, tree.last[1], tree.rho):
            break
    return Moved(chosen, acceptance / steps, steps, False, depth)


def _grown(
    end: tuple[State, FloatArray], h: float, h0: float, depth: int, rng: np.random.Generator
) -> Generator[FloatArray, Answer, _Tree]:
    """A tree of 2^depth steps from an end."""
    if depth == 0:
        return (yield from _leapfrog(end, h, h0))
    one = yield from _grown(end, h, h0, depth - 1, rng)
    if one.diverged or one.turned:
        return one
    two = yield from _grown(one.last, h, h0, depth - 1, rng)
    acceptance, steps = one.acceptance + two.acceptance, one.steps + two.steps
    if two.diverged or two.turned:
        return two._replace(acceptance=acceptance, steps=steps)
    weight = _log_sum(one.weight, two.weight)
    chosen = two.chosen if rng.random() < math.exp(two.weight - weight) else one.chosen
    turned = _turns(one.first, one.last[1], one.rho, two.first, two.last[1], two.rho)
    return _Tree(one.first, two.last, one.rho + two.rho, chosen, weight, acceptance, steps, False, turned)


def _leapfrog(end: tuple[State, FloatArray], h: float, h0: float) -> Generator[FloatArray, Answer, _Tree]:
    state, r = end
    half = r + (0.5 * h) * state.gradient
    w = state.w + h * half
    logp, gradient = yield w
    if not logp > -math.inf:
        return _Tree(half, (state, half), half, state, -math.inf, 0.0, 1, True, False)
    with np.errstate(over="ignore", invalid="ignore"):  # a step that diverges may have an energy beyond all numbers
        r = half + (0.5 * h) * gradient
        gain = h0 + logp - 0.5 * float(r @ r)
    there, acceptance = State(w, logp, gradient), math.exp(min(gain, 0.0)) if gain > -math.inf else 0.0
    return _Tree(r, (there, r), r, there, gain, acceptance, 1, not gain > -MAX_ENERGY, False)


def _turns(a: FloatArray, b: FloatArray, rho: FloatArray, c: FloatArray, d: FloatArray, rho_next: FloatArray) -> bool:
    """Whether a trajectory of two parts, with momenta a … b and c … d at their ends and these sums, turns around."""
    whole, left, right = rho + rho_next, rho + c, rho_next + b
    return bool(whole @ a <= 0 or whole @ d <= 0 or left @ a <= 0 or left @ c <= 0 or right @ b <= 0 or right @ d <= 0)


def _log_sum(a: float, b: float) -> float:
    """ln(e^a + e^b)."""
    high, low = (a, b) if a > b else (b, a)
    return high + math.log1p(math.exp(low - high)) if low > -math.inf else high
