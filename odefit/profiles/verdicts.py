"""What a profile means, in words: what is determined, what is not, what moves with it, and what would tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.profiles.closing import telling_measurement
from odefit.profiles.following import Place
from odefit.profiles.lanes import End, Lane
from odefit.profiles.paths import flat_sites, kept_formulas, open_sites, partners
from odefit.profiles.records import Verdict
from odefit.profiles.request import Request
from odefit.profiles.sites import Site
from odefit.records import dataclass
from odefit.text import abridged
from odefit.uncertainty.degrees_of_freedom import noise_levels
from odefit.uncertainty.quantities import ParameterQuantity, Quantity

WIDE = 0.1
"""Typical changes over which a profile must be flat for its quantity not to be determined at all."""

MOST_NAMED = 3


@dataclass(frozen=True)
class Story:
    """What a verdict is made from.

    Parameters
    ----------
    asked, place, quantity, lanes
        The profile.
    ends
        Why it ends below and above.
    low, high
        Natural scale; None where open.
    parts
        The intervals, more than one where the data leave several.
    """

    asked: Request
    place: Place
    quantity: Quantity
    lanes: Sequence[Lane]
    ends: Sequence[End]
    low: float | None
    high: float | None
    parts: Sequence[tuple[float | None, float | None]]

    @property
    def is_open(self) -> list[bool]:
        """Below and above."""
        return [end != End.CROSSED for end in self.ends]


def told(story: Story) -> tuple[Verdict, str | None, str]:
    """The verdict, what moves with the quantity, and the sentence."""
    if End.UNFINISHED in story.ends:
        return Verdict.UNFINISHED, None, "not followed to its end yet: the same command goes on"
    flat = flat_sites(story.lanes)
    if _is_free(story, flat):
        return _not_at_all(story, flat)
    if not any(story.is_open):
        return Verdict.DETERMINED, None, f"{Verdict.DETERMINED}{_in_parts(story.parts)}"
    return _practically_not(story)


def _is_free(story: Story, flat: Sequence[Site]) -> bool:
    """Whether nothing in the data resists: the profile is flat as far as bounds let it, both ways."""
    unit = story.lanes[0].unit
    if len(flat) < 2 or flat[-1].position - flat[0].position < WIDE * unit:
        return False
    for way in (-1, 1):
        edge = flat[-1] if way > 0 else flat[0]
        ahead = [
            site
            for lane in story.lanes
            if lane.way == way and lane.branch == 0
            for site in lane.sites
            if way * (site.position - edge.position) > 0
        ]
        if not ahead:
            continue  # open on this side
        following = min(ahead, key=lambda site: abs(site.position - edge.position))
        if not _more_at_bounds(story.place, edge, following):
            return False
    return True


def _more_at_bounds(place: Place, before: Site, after: Site) -> bool:
    """Whether a parameter has met its bound between two sites."""
    met = [(site.u <= place.lower) | (site.u >= place.upper) for site in (before, after)]
    return bool((met[1] & ~met[0]).any())


def _not_at_all(story: Story, flat: Sequence[Site]) -> tuple[Verdict, str | None, str]:
    moves, names = _moves(story, flat)
    # What the fit has found at the optimum holds in all directions, and a path goes in one.
    certain = [text for text in story.asked.run.result.combinations if story.quantity.name in _words(text)]
    moves = " and ".join(certain[:2]) or moves
    what = f"{Verdict.NOT_AT_ALL}"
    if moves:
        what += f": only {moves} is"
        known = story.asked.run.result.combinations.get(moves)
        what += f" ({known.value:.4g})" if known is not None and known.value is not None else ""
    elif names:
        what += f": {_make_up(names)}"
    elif isinstance(story.quantity, ParameterQuantity):
        what += ": the data do not depend on it"
    if not all(story.is_open):
        what += "; where it ends, another parameter meets its bound"
    telling = telling_measurement(story.asked.run, _full(story, _far(flat)), measured=False)
    remedy = f"; {telling.sentence}" if telling is not None else "; fix one of them" if names else ""
    return Verdict.NOT_AT_ALL, moves or (", ".join(names) or None), what + remedy


def _practically_not(story: Story) -> tuple[Verdict, str | None, str]:
    sides, moving, names, remedy = [], None, list[str](), ""
    for is_open, end, way, side in zip(story.is_open, story.ends, (-1, 1), ("below", "above"), strict=True):
        if not is_open:
            continue
        lane = max((x for x in story.lanes if x.way == way), key=lambda x: way * x.sites[-1].position)
        sides.append(f"{side}{_why(end, story.quantity)}")
        outer = open_sites(lane)
        if moving is None:
            moving, names = _moves(story, outer)
        if not remedy:
            telling = telling_measurement(story.asked.run, _full(story, outer[-1] if outer else lane.sites[-1]))
            remedy = "" if telling is None else f"; {telling.sentence}"
    what = f"{Verdict.PRACTICALLY_NOT}: open {' and '.join(sides)}{_in_parts(story.parts)}"
    if moving:
        what += f"; there only {moving} is"
    elif names:
        what += f"; {_make_up(names)}"
    remedy = remedy or "; the curves there are nearly the same: fix it, or measure with less noise"
    return Verdict.PRACTICALLY_NOT, moving or (", ".join(names) or None), what + remedy


def _make_up(names: Sequence[str]) -> str:
    return f"{abridged(names, MOST_NAMED)} {'makes' if len(names) == 1 else 'make'} up for it"


def _in_parts(parts: Sequence[tuple[float | None, float | None]]) -> str:
    if len(parts) < 2:
        return ""
    texts = [_between(*part) for part in parts]
    return f", in {len(parts)} separate intervals: {', '.join(texts)}"


def _between(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "everywhere" if low is high else f"below {high:.4g}" if low is None else f"above {low:.4g}"
    return f"{low:.4g} to {high:.4g}"


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:\[[^\]]*\])?", text)


def _why(end: End, quantity: Quantity) -> str:
    bound = "its bound" if isinstance(quantity, ParameterQuantity) else "the bounds of the parameters"
    return {End.BOUND: f" (as far as {bound})", End.FAILED: " (as far as the model can be solved)"}.get(end, "")


def _far(flat: Sequence[Site]) -> Site:
    """The outermost site, seen from the middle of all."""
    return flat[0] if len(flat) < 2 else flat[-1]


def _full(story: Story, site: Site) -> FloatArray:
    """[P]."""
    found: FloatArray = story.place.profile.lift_many(site.u[None])[0]
    return found


def _moves(story: Story, sites: Sequence[Site]) -> tuple[str | None, list[str]]:
    """The formula that keeps its value along sites; and the names of what moves."""
    table, free = story.place.profile.full.problem.table, story.place.profile.free
    if len(sites) < 2 or not isinstance(story.quantity, ParameterQuantity):
        return None, []
    names = [table.estimated_names[k] for k in free]
    own = names.index(story.quantity.name)
    is_level = noise_levels(story.place.profile.full.problem)[free]
    u = np.stack([site.u for site in sites])
    moving = [k for k in partners(u, own, story.place.size) if not is_level[k]]
    if not moving:
        return None, []
    chosen = sorted([own, *moving])
    natural = table.to_natural(story.place.profile.complete(u))[:, table.estimated[free[chosen]]]
    forms = kept_formulas([names[k] for k in chosen], natural, story.quantity.name)
    return " and ".join(form.text for form in forms) or None, [names[k] for k in moving]
