"""From the lanes of one quantity to its profile: the ends of the interval, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.profiles.following import Place
from odefit.profiles.lanes import Lane
from odefit.profiles.records import Profile
from odefit.profiles.request import Request
from odefit.profiles.verdicts import sentence, verdict_of
from odefit.uncertainty.quantities import ParameterQuantity, Quantity


def concluded(asked: Request, place: Place, quantity: Quantity, lanes: Sequence[Lane]) -> Profile:
    """The profile that lanes from all optima, up and down, make together."""
    table = place.profile.full.problem.table
    low_lane, high_lane = (_outermost(lanes, way) for way in (-1, 1))
    low, high = (_end_value(place, quantity, lane) for lane in (low_lane, high_lane))
    branch = np.array([lane.branch for lane in lanes for _ in lane.sites[lane.way > 0 :]])
    sites = [site for lane in lanes for site in lane.sites[lane.way > 0 :]]
    order = np.lexsort((np.array([site.position for site in sites]), branch))
    u = place.profile.lift_many(np.stack([sites[k].u for k in order]))
    theta = table.to_natural(u)
    value = natural_values(place, quantity, np.array([sites[k].position for k in order]))
    verdict = verdict_of(low_lane, high_lane)
    farthest = np.array([lane.sites[-1].position for lane in (low_lane, high_lane)])
    reached = natural_values(place, quantity, farthest).tolist()
    estimate = float(quantity.evaluations(table.to_search(asked.run.theta)[None]).values[0])
    return Profile(
        quantity.name,
        quantity.unit,
        estimate,
        low,
        high,
        str(low_lane.end),
        str(high_lane.end),
        asked.level,
        low_lane.zeta**2 / 2,
        verdict,
        sentence(verdict, low, high, reached, (str(low_lane.end), str(high_lane.end))),
        is_log=quantity.is_log,
        branch=branch[order].astype(float),
        value=value,
        nll=np.array([sites[k].value for k in order]),
        u=theta[:, table.estimated],
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


def _outermost(lanes: Sequence[Lane], way: int) -> Lane:
    """The lane that goes farthest in a direction."""
    own = [lane for lane in lanes if lane.way == way]
    return max(own, key=lambda lane: way * (lane.sites[-1].position if lane.at is None else lane.at))


def _end_value(place: Place, quantity: Quantity, lane: Lane) -> float | None:
    """Where the interval ends on the natural scale; None where it is open."""
    if lane.at is not None:
        return float(natural_values(place, quantity, np.array([lane.at]))[0])
    return None
