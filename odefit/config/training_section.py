"""The sections of `fit` about how networks are trained: rates, windows, horizons."""

import itertools
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from odefit.config.fields import Count, NotNegative, Positive, Section


class ScheduleSection(Section):
    """How Adam's learning rate changes over the epochs."""

    SHORT: ClassVar = ((str, "kind"),)

    kind: Literal["constant", "cosine", "exponential", "plateau"] = Field(
        "constant", description="how the rate falls; plateau: whenever the loss has stopped falling"
    )
    final: Positive | None = Field(
        None, description="learning rate at the last epoch (cosine, exponential) or the lowest (plateau)"
    )
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="plateau: the rate is multiplied by it")
    patience: Count = Field(20, description="plateau: epochs without progress before it is")


class WindowsSection(Section):
    """Training on short pieces of the series, solved as one batch. `[10, 34]` is short for `{points: [10, 34]}`."""

    SHORT: ClassVar = ((list, "points"),)

    points: Annotated[list[Annotated[int, Field(ge=2, le=1_000_000)]], Field(min_length=1, max_length=20)] = Field(
        default_factory=lambda: [10, 34], description="times per window: a stage for each number"
    )
    epochs: Annotated[list[Count], Field(min_length=1, max_length=20)] | None = Field(
        None, description="of each stage; the last number for all that follow"
    )
    overlap: Annotated[float, Field(ge=0, lt=1)] = Field(0.5, description="share of a window that the next one covers")
    states: Literal["free", "data"] = Field("free", description="windows start free, or from the smoothed data")
    continuity: NotNegative = Field(0.0, description="weight of the gaps between windows; grows to this in each stage")
    random: bool = Field(False, description="adam: in each epoch another random choice of windows")
    steps: Count | None = Field(None, description="Runge-Kutta steps from one time to the next; default: as needed")
    finish: bool = Field(True, description="train on the whole series at the end")


class HorizonSection(Section):
    """Training on the beginnings of the series first. `[0.1, 0.4]` is short for `{shares: [0.1, 0.4]}`."""

    SHORT: ClassVar = ((list, "shares"),)

    shares: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1, max_length=20)] = Field(
        description="of each series' time span: a stage for each number, rising; the whole comes last by itself"
    )
    epochs: Annotated[list[Count], Field(min_length=1, max_length=20)] | None = Field(
        None, description="of each stage; the last number for all that follow"
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(b <= a for a, b in itertools.pairwise(self.shares)):
            raise ValueError("shares: must rise from one stage to the next")
        return self
