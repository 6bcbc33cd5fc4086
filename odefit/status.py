"""How a search ended and why, as codes that the program acts on. The sentence for people is made at the very end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum, StrEnum, unique
from typing import Any

from odefit.records import dataclass

_BEST = "; the best parameters so far are kept"
_START = "; the start is kept"

TOO_FEW = "cannot determine"
"""Words of the message where measurements are missing, and of no other."""


class Status(StrEnum):
    """How a search or a fit ended; the value is what stands in result.json."""

    CONVERGED = "converged"
    STOPPED = "stopped"
    """What was reached can be used, but is not known to be an optimum."""
    INTERRUPTED = "interrupted"
    FAILED = "failed"

    @property
    def is_usable(self) -> bool:
        """Whether the search came to an end of its own with something to report."""
        return self in (Status.CONVERGED, Status.STOPPED)


@unique
class Reason(Enum):
    """Why a search ended: its status, what happened, what caused it or shows it, and what was kept or may be done.

    The three texts follow each other in the message; in their braces stand the names of an `Ending`'s details.
    """

    GRADIENT_VANISHES = Status.CONVERGED, "The gradient vanishes within the bounds."
    GRADIENT_OR_PROGRESS_VANISHES = Status.CONVERGED, "The gradient or the progress vanishes within the bounds."
    NOTHING_LEFT = Status.CONVERGED, "Nothing left to gain at the precision of the objective."
    PARAMETERS_REST = Status.CONVERGED, "The parameters no longer change."
    AT_KINK = (
        Status.CONVERGED,
        "No step lowers the objective on either side of its kink, where {names} passes the time of a measurement.",
    )
    OUT_OF_STEPS = (
        Status.STOPPED,
        "Not converged after {n} steps",
        "",
        "; set fit.max_iterations={more}, or start closer to the optimum.",
    )
    OUT_OF_CPU_TIME = (
        Status.STOPPED,
        "Not converged after {limit:g} s of CPU time",
        "",
        "; raise fit.cpu_limit, or start closer to the optimum.",
    )
    OUT_OF_BUDGET = (
        Status.STOPPED,
        "Not converged when the budget of {budget:g} s of CPU time was spent",
        "",
        "; raise fit.budget, or start closer to the optimum.",
    )
    OTHERS_AHEAD = Status.STOPPED, "Ended after {n} steps, since other starts were ahead", "", " (fit.budget)."
    SAME_AS_OTHER = Status.STOPPED, "Ended early, where start {other} is", "", " (fit.budget)."
    LEADS_TO_OTHER = Status.STOPPED, "Ended early: from here the objective only falls to where start {other} ended."
    DERIVATIVES_DISAGREE = (
        Status.STOPPED,
        "No step lowers the objective although its gradient is not zero",
        ": its values and its derivatives disagree.",
    )
    NOT_CERTIFIED = (
        Status.STOPPED,
        "The search came to rest ({why}), but {left:.2g} log-likelihood units seem left to gain",
        "",
        "; try fit.starts=20, tighter bounds, or a solver.rtol that is ten times smaller.",
    )
    SOLVER_LIMITS = (
        Status.STOPPED,
        "The solver limits this fit",
        ": {account} ({solver})",
        "; {remedy}.",
    )
    OBJECTIVE_NOISY = (
        Status.STOPPED,
        "The objective is only known to {noise:.2g} log-likelihood units, which is too rough to find its optimum",
        "",
        "; set a ten times smaller solver.rtol, or see whether a single measurement makes nearly all of the misfit.",
    )
    ENDED_BY_CALLER = Status.STOPPED, "Interrupted by its caller", "", f"{_BEST}."
    NO_OBJECTIVE_AT_START = (
        Status.FAILED,
        "The objective cannot be computed at the start",
        "",
        "; choose start values for which the model can be solved.",
    )
    MODEL_FAILS_AT_START = Status.FAILED, "the model fails at the start", ": {cause}"
    # Of trainings, which count epochs or iterations: {unit}.
    LOSS_SETTLED = Status.CONVERGED, "the loss settled", ": it changed by {change:.1e} over the last {last} {unit}"
    NO_BETTER_LOSS = Status.CONVERGED, "no better loss in the last {patience} epochs"
    NO_STEP_LOWERS_LOSS = Status.CONVERGED, "no step lowers the loss any further"
    LOSS_STILL_CHANGES = (
        Status.STOPPED,
        "all {n} {unit} used; the loss still changed by {change:.1%} over the last {last}",
        "",
        ": {remedy} may improve it",
    )
    LOSS_STILL_FALLS = (
        Status.STOPPED,
        "all {n} {unit} used; the loss still falls",
        "",
        ": more fit.epochs may improve it",
    )
    BROKEN_OFF = Status.STOPPED, "stopped at epoch {epoch}", ": {cause}", _BEST
    BROKEN_OFF_AT_ONCE = Status.FAILED, "stopped at epoch {epoch}", ": {cause}", _START
    INTERRUPTED = Status.INTERRUPTED, "interrupted after {n} of {total} {unit}", "", _BEST
    INTERRUPTED_AT_START = Status.INTERRUPTED, "interrupted after {n} of {total} {unit}", "", _START
    NO_STAGE = Status.FAILED, "no stage could be run"
    STAGE_CANNOT_BEGIN = Status.FAILED, "the stage `{stage}` cannot begin", ": {cause}"
    # Of a training of equations, judged by the likelihood; {training}: what the training says of itself.
    NEAR_OPTIMUM = Status.CONVERGED, "the optimum is reached to {distance:.1g} standard errors ({training})"
    FAR_FROM_OPTIMUM = (
        Status.STOPPED,
        "about {distance:.2g} standard errors from the optimum ({training})",
        "",
        ": more fit.epochs, another fit.learning_rate, or `method: least_squares`",
    )
    # Of a whole fit.
    NO_START_FITTED = Status.FAILED, "no start could be fitted", ": {cause}"
    INTERRUPTED_IN_FIRST_START = Status.INTERRUPTED, "interrupted before the first start was finished"
    NO_EFFECT = (
        Status.STOPPED,
        "no parameter of the equations has an effect on what is measured at these values",
        "",
        ": look at the starting values, the units and data.start",
    )
    ALL_CERTAIN = (
        Status.STOPPED,
        "every interval holds its prediction for certain, here and all around",
        "",
        ": give the noise level a number, as large as the scatter is; narrower intervals would tell more",
    )

    def __init__(self, status: Status, what: str, cause: str = "", remedy: str = "") -> None:
        self.status, self.what, self.cause, self.remedy = status, what, cause, remedy


@dataclass(frozen=True)
class Ending:
    """Why and how one search ended.

    Parameters
    ----------
    reason
        Why.
    details
        The values that the texts of the reason name.
    failed
        Whether nothing usable was reached, whatever the reason is.
    """

    reason: Reason
    details: Mapping[str, Any] = field(default_factory=dict)
    failed: bool = False

    @property
    def status(self) -> Status:
        return Status.FAILED if self.failed else self.reason.status

    @property
    def what(self) -> str:
        """What happened, in short."""
        return self.reason.what.format(**self.details)

    @property
    def account(self) -> str:
        """What happened and what caused it, without what was kept or may be done."""
        return self.what + self.reason.cause.format(**self.details)

    @property
    def message(self) -> str:
        """The whole sentence: what happened, why, and what was kept or may be done."""
        return self.account + self.reason.remedy.format(**self.details)

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        return {"reason": self.reason.name, "details": dict(self.details), "failed": self.failed}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Ending:
        """The inverse of `to_plain`."""
        return cls(Reason[plain["reason"]], plain["details"], plain["failed"])
