"""The section `model.observables.NAME`: what was measured, where that is no state."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from odefit.config.fields import Formula, Section


class ObservableSection(Section):
    """What was measured. `conc: A/V` is short for `{formula: A/V}`.

    Counts per interval are `{increase: C}`, data normalised to their start `{fold_change: A}`; see
    [Increments and ratios](increments.md).
    """

    SHORT: ClassVar = ((str, "formula"), (int, "formula"), (float, "formula"))

    formula: Formula | None = Field(None, description="of states, parameters, inputs and t")
    increase: Formula | None = Field(
        None, description="the growth of a formula since the sample before, of the first one since the start"
    )
    over: float | None = Field(
        None, gt=0, description="increase: how long each interval is, whether a count is missing before it or not"
    )
    fold_change: Formula | None = Field(None, description="a formula divided by the value that it has at the start")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in ("formula", "increase", "fold_change")) != 1:
            raise ValueError("give exactly one of formula, increase, fold_change")
        if self.over is not None and self.increase is None:
            raise ValueError("`over` is for an `increase`")
        return self

    @property
    def kind(self) -> Literal["formula", "increase", "fold_change"]:
        """Which of the three it is."""
        if self.formula is not None:
            return "formula"
        return "fold_change" if self.increase is None else "increase"

    @property
    def text(self) -> str:
        """Its formula."""
        return str(getattr(self, self.kind))
