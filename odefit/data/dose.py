"""What is put into a state of an experiment."""

from __future__ import annotations

from odefit.records import dataclass


@dataclass(frozen=True)
class Dose:
    """An amount of something that enters a state, at once or evenly over a duration.

    Parameters
    ----------
    time
        Absolute, of the experiment.
    state
        Which state.
    amount
        In the state's unit; negative where something is taken out.
    duration
        0 for a bolus.
    duration_formula, rate_formula
        In place of a duration: a formula of parameters, how long the dose takes or at which rate it enters.

    Examples
    --------
    >>> import odefit
    >>> odefit.Experiment("mary", [0, 1], {"blood": [0, 3]}, doses=[odefit.Dose(0, "gut", 320)]).doses[0].amount
    320
    """

    time: float
    state: str
    amount: float
    duration: float = 0.0
    duration_formula: str = ""
    rate_formula: str = ""

    @property
    def spread(self) -> tuple[str, str] | None:
        """`duration` or `rate`, and its formula; None where the duration is a number."""
        if self.duration_formula:
            return "duration", self.duration_formula
        return ("rate", self.rate_formula) if self.rate_formula else None

    @property
    def jumps(self) -> bool:
        """Whether it makes its state jump."""
        return self.duration == 0 and self.spread is None
