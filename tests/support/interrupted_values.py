"""Fits that Ctrl-C ends while values of the objective are computed."""

from __future__ import annotations

from typing import Any

import pytest

from odefit.objective.profile import ProfileLikelihood


def interrupt_values(patch: pytest.MonkeyPatch, at: int) -> None:
    """The batch of values of this number, counted from one, is interrupted."""
    genuine, calls = ProfileLikelihood.evaluations, 0

    def evaluations(self: ProfileLikelihood, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return genuine(self, *arguments)

    patch.setattr(ProfileLikelihood, "evaluations", evaluations)
