"""Profiles as runs inside of the fit's, for `fit.track`."""

from __future__ import annotations

import math
from collections.abc import Container

from odefit.profiles.records import Profile, Profiles
from odefit.tracking.messages import Part
from odefit.tracking.names import Names


def parts_of(found: Profiles, known: Container[str]) -> list[Part]:
    """A part for each profile that is finished and was not known: its points in order, its verdict and interval."""
    return [part_of(profile) for profile in found if profile.is_finished and profile.name not in known]


def part_of(profile: Profile) -> Part:
    """One profile as a run: the value and the negative log-likelihood of each point."""
    said = {"quantity": profile.name, "verdict": str(profile.verdict), "sentence": profile.sentence}
    ends = {"low": profile.low, "high": profile.high}
    said |= {name: repr(value) for name, value in ends.items() if value is not None}
    series = {
        name: [value if math.isfinite(value) else None for value in values.tolist()]
        for name, values in (("value", profile.value), ("nll", profile.nll))
    }
    return Part(f"profile-{Names()(profile.name)}", "FINISHED", said, series)
