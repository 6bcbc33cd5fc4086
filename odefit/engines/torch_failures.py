"""How torchdiffeq says that it failed (assertions, warnings), and the reason that this is. It imports no torch."""

from __future__ import annotations

from odefit.engines.status import STIFF, Failure, IntegrationError, Reason

_SIGNS = {
    "underflow": Failure(Reason.STEP_TOO_SMALL),
    "max_num_steps": Failure(Reason.CRAWLS, subject="too many steps"),
    "non-finite": Failure(Reason.NOT_FINITE, advice=STIFF),
    "iteration did not converge": Failure(Reason.IMPLICIT_STEP),
}


def failure_of(error: BaseException) -> Failure:
    """The failure that an exception of torchdiffeq, or one of our own on its way through it, stands for."""
    if isinstance(error, IntegrationError):
        return error.failure
    message = str(error)
    for sign, failure in _SIGNS.items():
        if sign in message:
            return failure
    return Failure(Reason.GAVE_UP, subject=f" ({message or 'no reason given'})")
