"""Why an integration failed: a reason from one list, with its place as data.

Code compares reasons; a sentence is made where somebody reads it, by `str(failure)`.
"""

from __future__ import annotations

from enum import Enum

from odefit.errors import SolveError
from odefit.records import dataclass

STIFF = "the system may be stiff or blow up; try solver.method: bdf, other starting values, or bounds"
NO_REST = "do the equations oscillate or grow without end there? Check model.steady_state and model.initial"


class FailureReason(Enum):
    """What can go wrong in an integration: a sentence, and the remedy where there is one for every solver.

    A sentence has places for the data of a `Failure`: {subject}, {at} (` at t = 1`) and {when} (` (t = 1)`).
    """

    # what cannot be begun with
    PARAMETER_NOT_FINITE = "the parameter {subject} is not a finite number"
    TIME_NOT_FINITE = "a time is not a finite number"
    TIMES_NOT_INCREASING = "the times must increase from the start"
    INPUT_MISSING = "it has no input {subject}"
    EVENT_TIME_NOT_A_NUMBER = "the time of event {subject} is not a number"
    INFUSION_WITHOUT_LENGTH = (
        "the duration or rate '{subject}' of an infusion is not a positive number",
        "bounds above 0 keep it one",
    )
    LAG_NOT_FINITE = "the lag of the doses is not a finite number"
    DOSE_BEFORE_START = "a dose comes{at}, before the start", "its lag must not be negative"
    TOO_MANY_FIXED_STEPS = (
        "a step of {subject} are too many",
        "choose a larger solver.step, or a method that chooses its steps itself",
    )
    # at the start
    INITIAL_NOT_FINITE = "the initial values are not finite numbers"
    INITIAL_SENSITIVITIES_NOT_FINITE = "the initial values or their derivatives are not finite{at}"
    RATE_NOT_FINITE = "dy/dt is not a finite number at the start{when}"
    EXPLODES = "the solution explodes right at the start{when}"
    NOT_AT_REST = "no steady state was reached before the start{subject}", NO_REST
    REST_NOT_FINITE = "the initial values or their derivatives, before the steady state, are not finite"
    REST_SENSITIVITIES_NOT_FINITE = "the derivatives of the steady state before the start are not finite"
    NO_FINAL_REST = (
        "no steady state was reached for the row at infinite time{subject}",
        "do the equations oscillate or grow without end there? See docs/experiments.md",
    )
    # events by conditions
    GRAZES = (
        "the condition of event {subject} is only touched{at}, so that the time of the event has no derivative",
        "see model.events",
    )
    FIRES_WITHOUT_END = (
        "event {subject} comes again and again{at}",
        "does what it sets make its condition false for a while? See model.events",
    )
    DELAY_NEGATIVE = "the delay of event {subject} is negative or no number{at}"
    DELAYS_OVERLAP = (
        "event {subject} is due again{at}, while too many of it are still on their way",
        "its delay must be shorter, or the time between two of them longer",
    )
    DUE_TWICE = (
        "event {subject} is due twice{at}, with different values",
        "let it take those of its turn: early_values: false",
    )
    # on the way
    NOT_FINITE = "the solution is no longer finite{at}"
    SENSITIVITIES_NOT_FINITE = "its sensitivities are no longer finite{at}"
    STATE_NOT_FINITE = "the state is not finite{at}"
    BLOWS_UP = "the solution blows up or changes too fast to be followed{at}"
    STEP_TOO_SMALL = "the step size became too small{at}", STIFF
    CRAWLS = "the solver crawls: {subject}", STIFF
    TOO_MANY_STEPS = "{subject}: the solution changes too fast"
    IMPLICIT_EQUATIONS = "the implicit equations could not be solved{at}"
    IMPLICIT_STEP = "the implicit step did not converge", f"choose a smaller solver.step; {STIFF}"
    TOLERANCE = "the tolerance could not be met{at}", "try a larger rtol and atol"
    GAVE_UP = "the solver gave up{at}{subject}", STIFF
    STOPPED = "the solver stopped{subject}"

    def __init__(self, sentence: str, remedy: str = "") -> None:
        self.sentence, self.remedy = sentence, remedy


@dataclass(frozen=True)
class Failure:
    """One integration that failed.

    Attributes
    ----------
    reason
        What went wrong.
    time
        Where, in the experiment's own time; None where that has no meaning or is not known.
    subject
        The name or number that the reason's sentence has a place for.
    advice
        What the solver adds to the reason's remedy, because of its method.
    """

    reason: FailureReason
    time: float | None = None
    subject: str = ""
    advice: str = ""

    @property
    def what(self) -> str:
        """What went wrong and where, without a remedy."""
        place = "" if self.time is None else f"t = {self.time:.6g}"
        at, when = (f" at {place}", f" ({place})") if place else ("", "")
        return self.reason.sentence.format(subject=self.subject, at=at, when=when)

    def __str__(self) -> str:
        return "; ".join(part for part in (self.what, self.reason.remedy, self.advice) if part)


class IntegrationError(SolveError):
    """A `Failure` on its way to whoever answers for it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure), what=failure.what)
        self.failure = failure


def solve_error(experiment: str, failure: Failure | None) -> SolveError:
    """The error for the user, which names the experiment unless that is ""; `failure` must be one."""
    assert failure is not None
    place = f"experiment {experiment}: " if experiment else ""
    return SolveError(f"{place}{failure}", what=f"{place}{failure.what}")
