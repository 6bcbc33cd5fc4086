"""Many chains at once: what their transitions ask for next is one call of the density.

Every draw of a chain is a transition of the no-U-turn sampler and, where that pays, a jump (mixture.py). All is done in
coordinates w, v = centre + root w, in which the posterior is near a unit normal: at first by the curvature at the
modes, then by what all chains have drawn in the rounds of the warm-up, together. The length of steps follows from the
acceptance (M. D. Hoffman and A. Gelman 2014, dual averaging), of each chain during a round and of all at its end. After
the warm-up nothing is adapted any more.

Each draw has random numbers of its own, by seed, chain and draw. So a chain can be gone on with from its last state,
and does not depend on the others, nor on where it was interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass
from odefit.sampling.density import LogDensity
from odefit.sampling.mixture import Mixture
from odefit.sampling.nuts import Answer, State, transition

WARM_UP = 200
"""Draws of the warm-up."""
ROUNDS = (0.1, 0.25, 0.5, 1.0)
"""The shares of the warm-up after which a round of it ends; the last round adapts the steps alone."""
ACCEPTANCE = 0.8
"""The mean acceptance that steps are made for."""
LEAST_JUMPS = 0.05
"""The acceptance of jumps below which a posterior with one mode does without."""
TRIES = 30
"""Points that are looked at for a chain to begin at."""
FIRST_STEP = 0.5
ARRAYS = ("v", "logp", "acceptance", "steps", "diverged", "jumped", "step")
"""Of draws, by chain."""


class OutOfTime(Exception):
    """The time was over before there was anything to keep: within the warm-up, or before each chain had a draw."""


@dataclass(frozen=True)
class Tuned:
    """What the warm-up has found.

    Parameters
    ----------
    centre, root
        v = centre + root w, [P] and [P, P].
    step
        The length of a step in w.
    mixture
        What jumps propose, in v.
    jumps
        Whether there are any.
    """

    centre: FloatArray
    root: FloatArray
    step: float
    mixture: Mixture
    jumps: bool = True


@dataclass(frozen=True)
class Draws:
    """n draws of C chains.

    Attributes
    ----------
    v
        [C, n, P].
    logp
        [C, n].
    acceptance, steps, diverged, jumped
        [C, n]: of each transition, and whether a jump was taken.
    step
        [C], the length of a step that each chain would have by its own acceptance.
    states
        Where the chains are at the end.
    """

    v: FloatArray
    logp: FloatArray
    acceptance: FloatArray
    steps: FloatArray
    diverged: FloatArray
    jumped: FloatArray
    step: FloatArray
    states: list[State]

    def split(self) -> list[Draws]:
        """Those of each chain."""
        return [
            Draws(**{name: getattr(self, name)[k : k + 1] for name in ARRAYS}, states=[state])
            for k, state in enumerate(self.states)
        ]

    @classmethod
    def joined(cls, parts: Sequence[Draws]) -> Draws:
        """The chains of several, one after the other."""
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
        return cls(**arrays, states=[state for part in parts for state in part.states])


@dataclass(frozen=True)
class Request:
    """Draws that are asked for.

    Parameters
    ----------
    tuned
        By the warm-up, or on its way.
    states
        Where the chains are.
    n
        How many draws of each.
    numbers
        The seed, the kind of draws and the number of the first one: of these follow the random numbers.
    adapt
        The acceptance for which each chain learns the length of its steps; None where none does.
    chains
        The numbers of the chains, where these are some of them; default all, in their order.
    """

    tuned: Tuned
    states: Sequence[State]
    n: int
    numbers: tuple[int, int, int]
    adapt: float | None = None
    chains: Sequence[int] | None = None

    @property
    def known(self) -> Sequence[int]:
        """The numbers of the chains."""
        return range(len(self.states)) if self.chains is None else self.chains

    def only(self, some: Sequence[int]) -> Request:
        """The same of the chains at these places."""
        return replace(self, states=[self.states[k] for k in some], chains=[self.known[k] for k in some])


Advance = Callable[[LogDensity, Request], Draws]
"""What chains go on by: see `advance`."""


@dataclass(frozen=True)
class _Drawn:
    """One draw of one chain."""

    v: FloatArray
    logp: float
    acceptance: float
    steps: int
    diverged: bool
    jumped: bool
    state: State


class _Steps:
    """Dual averaging of the logarithm of the step's length."""

    def __init__(self, step: float, wanted: float) -> None:
        self.wanted, self.centre, self.n, self.gap = wanted, math.log(10 * step), 0, 0.0
        self.now, self.mean = math.log(step), 0.0

    def learn(self, acceptance: float) -> None:
        self.n += 1
        share = 1 / (self.n + 10)
        self.gap = (1 - share) * self.gap + share * (self.wanted - acceptance)
        self.now = self.centre - math.sqrt(self.n) / 0.05 * self.gap
        weight = self.n**-0.75
        self.mean = weight * self.now + (1 - weight) * self.mean


def begin(density: LogDensity, mixture: Mixture, n_chains: int, seed: int) -> FloatArray:
    """Where the chains begin, [C, P]: points of the mixture at which the density is not 0, wider than it at first.

    Raises
    ------
    ValueError
        There is none.
    """
    points = np.empty((n_chains, mixture.means.shape[1]))
    left = list(range(n_chains))
    for attempt in range(TRIES):
        shrink = 1.5 * 0.8**attempt
        for c in left:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(c, 0, attempt)))
            drawn = mixture.draw(rng)
            near = mixture.means[mixture.nearest(drawn[None])[0]]
            points[c] = near + shrink * (drawn - near)
        logp, _ = density.evaluate(points[left], left)
        left = [c for c, value in zip(left, logp, strict=True) if not value > -math.inf]
        if not left:
            return points
    raise ValueError("no point near the estimates has a posterior density")


def warmed_up(
    density: LogDensity,
    mixture: Mixture,
    points: FloatArray,
    seed: int,
    acceptance: float = ACCEPTANCE,
    warm_up: int = WARM_UP,
    go: Advance | None = None,
) -> Generator[int, None, tuple[Tuned, list[State]]]:
    """Adapt; gives how many draws of the warm-up are done, after each round; returns what was found, and the chains.

    go: what chains advance by; default `advance`.
    """
    go = go or advance
    root = mixture.roots[int(np.argmax(mixture.weights))]
    tuned = Tuned(mixture.means[int(np.argmax(mixture.weights))], root, FIRST_STEP, mixture)
    done = 0
    for number, share in enumerate(ROUNDS):
        length = max(1, round(share * warm_up) - done)
        states = states_at(density, tuned, points)
        draws = go(density, Request(tuned, states, length, (seed, 1, done), acceptance))
        points, done = draws.v[:, -1], done + length
        step = float(np.exp(np.median(np.log(draws.step))))
        accepted = float(draws.jumped[:, length // 2 :].mean())
        if number < len(ROUNDS) - 1:
            kept = draws.v[:, length // 4 :].reshape(-1, points.shape[1])
            mixture = tuned.mixture.adapted(kept)
            within = _within(mixture, kept, tuned.root)
            tuned = Tuned(kept.mean(axis=0), within, step, mixture)
        else:
            jumps = len(mixture.weights) > 1 or accepted > LEAST_JUMPS
            tuned = Tuned(tuned.centre, tuned.root, step, mixture, jumps)
        yield done
    return tuned, states_at(density, tuned, points)


def states_at(density: LogDensity, tuned: Tuned, points: FloatArray) -> list[State]:
    """The states of chains at points [C, P]."""
    logp, gradients = density.evaluate(points, list(range(len(points))))
    w = np.linalg.solve(tuned.root, (points - tuned.centre).T).T
    return [State(*one) for one in zip(w, map(float, logp), gradients @ tuned.root, strict=True)]


def _within(mixture: Mixture, v: FloatArray, before: FloatArray) -> FloatArray:
    """The root of the scatter of draws [M, P] around the means of the modes that they are of, shrunk to `before`."""
    own, p = mixture.nearest(v), v.shape[1]
    gaps = v.copy()
    for c in range(len(mixture.weights)):
        gaps[own == c] -= v[own == c].mean(axis=0) if (own == c).any() else 0.0
    z = np.linalg.solve(before, gaps.T).T
    share = len(v) / (len(v) + 5.0 + p)
    scatter = share * (z.T @ z) / len(v) + (1 - share) * np.eye(p)
    return np.asarray(before @ np.linalg.cholesky(scatter))


def advance(density: LogDensity, request: Request, until: float | None = None) -> Draws:
    """The draws of every chain that are asked for.

    until: when the time is over, by `time.monotonic`, which is looked at between two calls of the density. Where that
    is before the last draw, as many of each chain come back as the slowest one has: chains are of one length, and none
    has more of the draws that cost little. Raises OutOfTime where that is none, or steps are learnt.
    """
    tuned, known = request.tuned, request.known
    walks = [_Walk(request, c, state) for c, state in zip(known, request.states, strict=True)]
    asked = {c: next(walk.going) for c, walk in enumerate(walks)}
    while asked:
        if until is not None and time.monotonic() >= until:
            done = min(len(walk.drawn) for walk in walks)
            if not done or request.adapt is not None:
                raise OutOfTime
            return _together(walks, done)
        active = list(asked)
        # Not as products of matrices, whose last digits depend on how many rows there are.
        v = tuned.centre + np.einsum("bj,ij->bi", np.stack([asked[c] for c in active]), tuned.root)
        logp, gradients = density.evaluate(v, [known[k] for k in active])
        slopes = np.einsum("bi,ij->bj", gradients, tuned.root)
        for k, c in enumerate(active):
            try:
                asked[c] = walks[c].going.send((float(logp[k]), slopes[k]))
            except StopIteration:
                del asked[c]
    return _together(walks, request.n)


class _Walk:
    """One chain on its way: `going` yields the w at which it needs the density."""

    def __init__(self, request: Request, chain: int, state: State) -> None:
        self.tuned, self.steps = request.tuned, _Steps(request.tuned.step, request.adapt or ACCEPTANCE)
        self.drawn: list[_Drawn] = []
        self.going = self._walk(request, chain, state)

    def _walk(self, request: Request, chain: int, state: State) -> Generator[FloatArray, Answer, None]:
        tuned, adapt = request.tuned, request.adapt
        seed, kind, first = request.numbers
        for number in range(first, first + request.n):
            rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(chain, kind, number))))
            step = tuned.step if adapt is None else math.exp(self.steps.now)
            moved = yield from transition(state, step, rng)
            state, jumped = moved.state, False
            if adapt is not None:
                self.steps.learn(moved.acceptance)
            v = tuned.centre + tuned.root @ state.w
            if tuned.jumps:
                proposed = tuned.mixture.draw(rng)
                w = np.asarray(np.linalg.solve(tuned.root, proposed - tuned.centre), dtype=np.float64)
                logp, gradient = yield w
                gain = logp - state.logp + tuned.mixture.log_density(v) - tuned.mixture.log_density(proposed)
                if rng.random() < math.exp(min(gain, 0.0)):
                    state, v, jumped = State(w, logp, gradient), proposed, True
            self.drawn.append(_Drawn(v, state.logp, moved.acceptance, moved.steps, moved.diverged, jumped, state))


def _together(walks: Sequence[_Walk], n: int) -> Draws:
    """The first n draws of each."""

    def of(name: str) -> FloatArray:
        return np.array([[getattr(one, name) for one in walk.drawn[:n]] for walk in walks], dtype=np.float64)

    step = np.array([math.exp(walk.steps.mean if walk.steps.n else math.log(walk.tuned.step)) for walk in walks])
    return Draws(
        of("v"),
        of("logp"),
        of("acceptance"),
        of("steps"),
        of("diverged"),
        of("jumped"),
        step,
        [walk.drawn[n - 1].state for walk in walks],
    )
