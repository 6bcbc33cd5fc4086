"""The states at the nodes before anything is fitted.

States that are measured themselves begin on smooth curves through their data; the others follow from the equations,
driven by them, at the drawn parameters (implicit Euler steps, which no stiff equation blows up).
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.collocation.normal_equations import NodesObjective
from odefit.model.system import symbol

NEWTON_STEPS = 2
"""Newton steps of each implicit Euler step."""

LARGEST = 100.0
"""How many times its size a state may become; it stays where it is instead."""

POSITIVE_SHARE = 1e-3
"""The least share of its largest value at which a state begins that must stay positive."""


def known_states(objective: NodesObjective) -> FloatArray:
    """[E, K, S], smooth curves through the measurements of states; NaN of those that are not measured themselves."""
    observables = list(objective.problem.observation.system.predicted.values())
    known = np.full((*objective.measured.curves.shape[:2], len(objective.problem.engine.system.states)), np.nan)
    for s, state in enumerate(objective.problem.engine.system.states):
        for column, g in enumerate(observables):
            if g == symbol(state):
                known[:, :, s] = objective.measured.curves[:, :, column]
    return known


def first_states(objective: NodesObjective, known: FloatArray, u: FloatArray) -> FloatArray:
    """[N, E, K, S], driven by the known ones [E, K, S], at the search vectors u [N, P]."""
    grid, equations = objective.grid, objective.equations
    local = equations.local(objective.theta(u))
    y = np.empty((len(u), *known.shape))
    with np.errstate(all="ignore"):
        begin = np.nan_to_num(equations.starts(local).value, posinf=0.0, neginf=0.0)
        most = LARGEST * sizes_of(known, begin)[:, None]
        y[:, :, 0] = np.where(np.isnan(known[:, 0]), begin, known[:, 0])
        arrives = equations.fractions(local)
        given = grid.doses + grid.feeds * grid.steps[..., None]
        for k in range(known.shape[1] - 1):
            now = y[:, :, k] + (given[:, k] if arrives is None else given[:, k] * arrives.value)
            there = _driven(objective, local, now, known[:, k + 1], k)
            y[:, :, k + 1] = np.where(np.abs(there) <= most, there, y[:, :, k])
    return y


def _driven(objective: NodesObjective, local: FloatArray, now: FloatArray, known: FloatArray, k: int) -> FloatArray:
    """States [N, E, S] at node k + 1, with the known ones [E, S] there, from those at node k."""
    free = np.isnan(known)
    there = np.where(free, now, known)
    if not free.any():
        return there
    h, eye = objective.grid.steps[:, k, None], np.eye(known.shape[-1])
    at = [each[:, k + 1 : k + 2] for each in objective.equations.at_nodes]
    for _ in range(NEWTON_STEPS):
        f = objective.equations.rates(there[:, :, None], local, at)
        jacobian = eye - h[..., None] * f.by_state[:, :, 0]
        moves = free[..., None] & free[..., None, :] & np.isfinite(jacobian)
        rest = np.where(free, there - now - h * f.value[:, :, 0], 0.0)
        try:
            there = there - np.linalg.solve(np.where(moves, jacobian, eye), rest[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
    return there


def positive_states(objective: NodesObjective, known: FloatArray, u: FloatArray) -> Mask:
    """[S], states without a formula for negative values: roots, powers and logarithms of them are not finite.

    Parameters
    ----------
    known
        [E, K, S], from which sizes are taken, or NaN.
    u
        [N, P], the search vectors at which formulas are asked.
    """
    equations, grid, theta = objective.equations, objective.grid, objective.theta(u)
    local = equations.local(theta)
    up = np.broadcast_to(np.where(np.isnan(known) | (known == 0), 1.0, np.abs(known)), (len(u), *known.shape))

    def finite(states: FloatArray) -> Mask:
        rates = equations.rates(states, local, equations.at_nodes).value
        seen = equations.observables(states[:, grid.experiment, grid.node], theta).value
        values = np.concatenate([rates.reshape(len(u), -1), seen.reshape(len(u), -1)], axis=1)
        known_to_be: Mask = np.isfinite(values).all(axis=1)
        return known_to_be

    found = np.zeros(known.shape[-1], dtype=bool)
    with np.errstate(all="ignore"):
        good = finite(up)
        for s in range(known.shape[-1]):
            down = up.copy()
            down[..., s] *= -1
            found[s] = (good & ~finite(down)).any()
    return found


def lifted(y: FloatArray, positive: Mask) -> FloatArray:
    """States [..., E, K, S], those above zero that must be; positive: [S]."""
    least = POSITIVE_SHARE * np.nan_to_num(np.abs(y)).max(axis=(-3, -2), keepdims=True)
    return np.where(positive, np.maximum(y, least + np.finfo(np.float64).tiny), y)


def sizes_of(known: FloatArray, start: FloatArray) -> FloatArray:
    """How large each state may be [N, S], before anything else is known of it.

    As large as its initial value or as what is known of it; where that is nothing, as the largest of the others.

    Parameters
    ----------
    known
        [E, K, S], NaN of what is not known.
    start
        [N, E, S].
    """
    sizes = np.maximum(np.nan_to_num(np.abs(start)).max(axis=1), np.nan_to_num(np.abs(known)).max(axis=(0, 1)))
    largest = sizes.max(axis=1, keepdims=True)
    return np.where(sizes > 0, sizes, np.where(largest > 0, largest, 1.0))


def ranges_of(y: FloatArray, least: FloatArray) -> FloatArray:
    """How far each state moves [N, E, S]: in any of the experiments, at least `least` [N, S] or a tenth of its size."""
    spread = np.ptp(y, axis=2).max(axis=1)
    found = np.maximum(np.maximum(spread, 0.1 * np.abs(y).max(axis=(1, 2))), least)
    return np.broadcast_to(np.where(found > 0, found, 1.0)[:, None], (*y.shape[:2], y.shape[3]))
