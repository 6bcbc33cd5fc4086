"""What the other parameters do while one of them goes along its profile, and whether a formula says it.

Where a parameter can go far and the likelihood does not mind, others must make up for it. A formula of it and of them
that keeps its value all along, such as a*b, is what the data determine in its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.profiles.lanes import Lane
from odefit.profiles.sites import Site
from odefit.uncertainty.combinations import Form, simple_forms

FLAT = 0.01
"""Log-likelihood units by which a profile may rise where it says nothing."""

MOVES = 0.05
"""How much a parameter moves, in typical changes, for each typical change of the one whose profile it is."""

KEPT = 0.02
"""The relative change of a formula that keeps its value along the way."""

MOST_PARTNERS = 4


def flat_sites(lanes: Sequence[Lane]) -> list[Site]:
    """The sites next to the best optimum on both ways where nothing is lost, ordered by their positions."""
    found: dict[float, Site] = {}
    for lane in (lane for lane in lanes if lane.branch == 0):
        for site in lane.sites:
            if site.value - lane.base > FLAT:
                break
            found[site.position] = site
    return [found[position] for position in sorted(found)]


def open_sites(lane: Lane) -> list[Site]:
    """The sites of the outer half of a way that the data leave open."""
    sites = [site for site in lane.sites if site.value - lane.base < lane.zeta**2 / 2]
    if len(sites) < 3:
        return sites
    middle = (sites[0].position + sites[-1].position) / 2
    return [site for site in sites if lane.way * (site.position - middle) >= 0]


def partners(u: FloatArray, own: int, size: FloatArray) -> list[int]:
    """Which free parameters move along a path u [n, P'] of parameter `own`, the most first."""
    moved = np.ptp(u, axis=0) / size
    if not moved[own] > 0:
        return []
    order = [int(k) for k in np.argsort(-moved) if k != own and moved[k] > MOVES * moved[own]]
    return order[:MOST_PARTNERS]


def kept_formulas(names: Sequence[str], values: FloatArray, must_have: str) -> list[Form]:
    """The simplest formulas of parameters that keep their value along a path.

    Parameters
    ----------
    names
        The m parameters that move.
    values
        [n, m], natural scale.
    must_have
        The one whose profile it is: the formula names it.

    Returns
    -------
    list of Form
        The simplest ones, until every parameter that moves is in one; at most two.
    """
    found, covered = list[Form](), set[str]()
    for form in simple_forms(names):
        used = [name for name, a, b in zip(names, form.powers, form.weights, strict=True) if a or b]
        if must_have not in used or set(used) <= covered:
            continue
        with np.errstate(all="ignore"):
            kept = np.array([form.of(row) for row in values])
            terms = np.abs(np.array([np.dot(np.abs(form.weights), np.abs(row)) for row in values]))
        # A difference of large numbers keeps its value to their rounding only, which says nothing.
        size = np.abs(kept).max(initial=0.0)
        if not np.isfinite(kept).all() or size == 0 or np.ptp(kept) > KEPT * size:
            continue
        if any(form.weights) and size < 1e-6 * terms.max(initial=0.0):
            continue
        found.append(form)
        covered |= set(used)
        if covered == set(names) or len(found) == 2:
            break
    return found
