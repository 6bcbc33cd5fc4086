"""What is asked of a discovery."""

from __future__ import annotations

from odefit.records import dataclass

MOST = 10
"""The most candidates, unless more are asked for."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a discovery.

    Parameters
    ----------
    models
        The most models that are refitted.
    samples
        Resamplings of the stretches of time, for inclusion probabilities.
    gamma
        How much the choice among many terms costs: 1, or 0 for plain BIC.
    seconds
        When to end in any case, about.
    """

    models: int = MOST
    samples: int = 100
    gamma: float = 1.0
    seconds: float | None = None
