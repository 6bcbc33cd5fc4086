"""How the standard errors of a result came about, as sentences."""

from __future__ import annotations

import math

from odefit.text import abridged
from odefit.uncertainty.estimation import Uncertainty

LARGE_SHARE = 0.1
"""Parameters per measurement from which on a sample is called small."""
MOST_HELD = 6
"""Parameters at a bound that are named."""
FROM = {
    "observed": "standard errors from the observed information (second derivatives of the likelihood)",
    "sandwich": "standard errors from the expected information, widened for the kinks of the likelihood",
}


def error_notes(uncertainty: Uncertainty, n: int) -> tuple[str, ...]:
    """What a reader of the errors should know: which information, what is held, how small the sample is.

    Parameters
    ----------
    uncertainty
        The errors.
    n
        The number of measurements.
    """
    notes = [FROM[uncertainty.information]] if uncertainty.information in FROM else []
    if uncertainty.held:
        bounds = "its bound" if len(uncertainty.held) == 1 else "their bounds"
        notes.append(f"standard errors with {abridged(uncertainty.held, MOST_HELD)} held at {bounds}")
    p = len(uncertainty.full.names)
    if p > LARGE_SHARE * n:
        if math.isfinite(uncertainty.degrees):
            how = f"intervals by Student's t with {uncertainty.degrees:g} degrees of freedom"
        else:
            how = "intervals by the normal distribution, which may be too narrow"
        notes.append(f"a small sample ({p} parameters, {n} measurements): {how}")
    return tuple(notes)
