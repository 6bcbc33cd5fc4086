"""How torchdiffeq says that it failed (assertions, warnings), and the reason that this is. It imports no torch."""

from __future__ import annotations

from odefit.engines.failure import STIFF, Failure, FailureReason, IntegrationError

_SIGNS = {
    "underflow": Failure(FailureReason.STEP_TOO_SMALL),
    "max_num_steps": Failure(FailureReason.CRAWLS, subject="too many steps"),
    "non-finite": Failure(FailureReason.NOT_FINITE, advice=STIFF),
    "iteration did not converge": Failure(FailureReason.IMPLICIT_STEP),
}


def failure_of(error: BaseException) -> Failure:
    """The failure that an exception of torchdiffeq, or one of our own on its way through it, stands for."""
    if isinstance(error, IntegrationError):
        return error.failure
    message = str(error)
    for sign, failure in _SIGNS.items():
        if sign in message:
            return failure
    return Failure(FailureReason.GAVE_UP, subject=f" ({message or 'no reason given'})")
