"""From the lanes of one quantity to its profile: the ends of the interval, its parts, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.profiles.following import Place
from odefit.profiles.lanes import End, Lane
from odefit.profiles.pinned import on_scale
from odefit.profiles.records import Profile
from odefit.profiles.request import Request
from odefit.profiles.sites import Site
from odefit.profiles.verdicts import Story, told
from odefit.uncertainty.quantities import ParameterQuantity, Quantity


def concluded(asked: Request, place: Place, quantity: Quantity, lanes: Sequence[Lane]) -> Profile:
    """The profile that lanes from all optima, up and down, make together."""
    table = place.profile.full.problem.table
    parts = _parts(lanes)
    ends = [_end(lanes, way, parts) for way in (-1, 1)]
    natural = [_natural_part(place, quantity, part) for part in parts]
    low, high = natural[0][0], natural[-1][1]
    branch = np.array([lane.branch for lane in lanes for _ in lane.sites])
    sites = [site for lane in lanes for site in lane.sites]
    order = np.lexsort((np.array([site.position for site in sites]), branch))
    # Both ways begin at the same site.
    order = np.array([k for n, k in enumerate(order) if n == 0 or not _alike(sites, branch, order[n - 1], k)])
    u = place.profile.lift_many(np.stack([sites[k].u for k in order]))
    estimate = float(quantity.evaluations(asked.u[None]).values[0])
    verdict, moves_with, sentence = told(Story(asked, place, quantity, lanes, ends, low, high, natural))
    wald, error = _wald(asked, place, quantity)
    return Profile(
        quantity.name,
        quantity.unit,
        estimate,
        low,
        high,
        str(ends[0]),
        str(ends[1]),
        asked.level,
        lanes[0].zeta ** 2 / 2,
        verdict,
        sentence,
        wald,
        error,
        lanes[0].is_log and quantity.is_log,
        tuple(natural) if len(natural) > 1 else (),
        moves_with,
        branch[order].astype(float),
        natural_values(place, quantity, np.array([sites[k].position for k in order])),
        np.array([sites[k].nll for k in order]),
        np.array([sites[k].value - lanes[0].base for k in order]),
        table.to_natural(u)[:, table.estimated],
    )


def natural_values(place: Place, quantity: Quantity, positions: FloatArray) -> FloatArray:
    """Positions [n] on the natural scale."""
    table = place.profile.full.problem.table
    if not isinstance(quantity, ParameterQuantity):
        return np.exp(positions) if quantity.is_log else positions
    k = table.estimated_names.index(quantity.name)
    u = np.tile(table.to_search(table.values), (len(positions), 1))
    u[:, k] = positions
    return table.to_natural(u)[:, table.estimated[k]]


def _alike(sites: Sequence[Site], branch: FloatArray, one: int, other: int) -> bool:
    return bool(branch[one] == branch[other] and sites[one].position == sites[other].position)


def _parts(lanes: Sequence[Lane]) -> list[tuple[float, float]]:
    """The intervals that the lanes leave, joined where they overlap, in their order; infinite where open."""
    pieces = []
    for lane in lanes:
        first = lane.sites[0]
        if first.root(lane.base) >= lane.zeta:
            continue
        end = lane.way * math.inf if lane.at is None else lane.at
        pieces.append((min(first.position, end), max(first.position, end)))
    joined: list[tuple[float, float]] = []
    for low, high in sorted(pieces):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return joined


def _end(lanes: Sequence[Lane], way: int, parts: Sequence[tuple[float, float]]) -> End:
    """Why the whole ends where it does in a direction."""
    own = [lane for lane in lanes if lane.way == way]
    if any(lane.end == End.UNFINISHED for lane in own):
        return End.UNFINISHED
    outer = parts[0][0] if way < 0 else parts[-1][1]
    if math.isfinite(outer):
        return End.CROSSED
    is_open = [lane for lane in own if lane.at is None and lane.end is not None]
    farthest = max(is_open, key=lambda lane: way * lane.sites[-1].position)
    return farthest.end or End.UNFINISHED


def _natural_part(place: Place, quantity: Quantity, part: tuple[float, float]) -> tuple[float | None, float | None]:
    low, high = natural_values(place, quantity, np.array(part)).tolist()
    return (low if math.isfinite(part[0]) else None, high if math.isfinite(part[1]) else None)


def _wald(asked: Request, place: Place, quantity: Quantity) -> tuple[tuple[float, float] | None, float | None]:
    """The interval by the curvature; and half its length on the scale of the profile, where it is symmetric there."""
    known, table = asked.uncertainty, place.profile.full.problem.table
    if known is None:
        return None, None
    if asked.is_level(quantity):
        estimate = asked.run.result.estimates[quantity.name]
        return (estimate.interval if asked.level == 0.95 else None), None
    position, slope = on_scale(quantity, asked.u[None], np.arange(len(asked.u)))
    if isinstance(quantity, ParameterQuantity):
        slope = np.eye(len(asked.u))[[table.estimated_names.index(quantity.name)]]
        position = asked.u[slope[0] > 0]
    used = np.flatnonzero(slope[0])
    variance = float(known.with_held.variance(slope[:, used], used)[0])
    if not variance > 0:
        return None, None
    half = asked.reach * math.sqrt(variance)
    is_plain = not isinstance(quantity, ParameterQuantity) or table[quantity.name].scale != "logit"
    low, high = natural_values(place, quantity, np.array([position[0] - half, position[0] + half])).tolist()
    wald = (low, high) if math.isfinite(low) and math.isfinite(high) else None
    return wald, half if is_plain else None
