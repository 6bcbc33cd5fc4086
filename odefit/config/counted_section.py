"""The sections of `data` about which measurements count, and as what: limits of detection, left out, held out."""

import itertools
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from odefit.config.fields import Finite, Label, Name, Section, When, Word


class LimitSection(Section):
    """Limits of detection."""

    SHORT: ClassVar = ((int, "below"), (float, "below"))

    below: Finite | None = Field(None, description="a smaller value, or a word such as BLQ, means: less than this")
    above: Finite | None = Field(None, description="a larger value means: more than this")
    least: Finite | None = Field(
        None, description="what is below a limit is this or more, often 0: it lies between the two"
    )
    most: Finite | None = Field(None, description="what is above a limit is this or less")

    @model_validator(mode="after")
    def _some(self) -> Self:
        in_order = [("least", self.least), ("below", self.below), ("above", self.above), ("most", self.most)]
        known = [(key, value) for key, value in in_order if value is not None]
        if not known:
            raise ValueError("give `below`, `above`, `least` or `most`")
        for (key, value), (other, larger) in itertools.pairwise(known):
            if not value < larger:
                raise ValueError(f"{key}: must be less than {other}")
        return self


class ExcludeSection(Section):
    """Measurements that are left out, and why: those that all of its keys speak of."""

    rows: list[Word] | None = Field(
        None, min_length=1, description="lines of the file, as messages call them: 17, or '20-25'"
    )
    times: list[When] | None = Field(None, min_length=1, description="these times, numbers or dates")
    after: When | None = Field(None, description="all later times")
    before: When | None = Field(None, description="all earlier times")
    experiments: list[Label] | None = Field(None, min_length=1, description="these experiments")
    observables: list[Name] | None = Field(None, min_length=1, description="these observables; default: all")
    reason: str = Field("", max_length=500, description="why; the report repeats it")

    @model_validator(mode="after")
    def _some(self) -> Self:
        keys = [key for key in type(self).model_fields if key != "reason" and getattr(self, key) is not None]
        if not keys:
            raise ValueError("name what is left out: rows, times, after, before, experiments or observables")
        return self


class HoldOutSection(Section):
    """Measurements that the fit does not see, and that it is scored on afterwards."""

    experiments: list[Label] | None = Field(None, min_length=1, description="these experiments")
    fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="this share of the measurements of each experiment, drawn by fit.seed"
    )
    after: When | None = Field(None, description="everything measured after this time, a number or a date")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(getattr(self, key) is not None for key in type(self).model_fields) != 1:
            raise ValueError("give exactly one of experiments, fraction, after")
        return self
