"""The section `prior`: what is known of a parameter, or of weights, beforehand."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from odefit.config.fields import LIST, Finite, Positive, Section


class PriorSection(Section):
    """A prior density for one parameter: of the parameter itself, or (`on: log`) of its logarithm."""

    normal: Annotated[tuple[Finite, Positive], LIST] | None = Field(None, description="[mean, standard deviation]")
    lognormal: Annotated[tuple[Positive, Positive], LIST] | None = Field(
        None, description="[median, standard deviation of the logarithm]"
    )
    laplace: Annotated[tuple[Finite, Positive], LIST] | None = Field(None, description="[centre, scale]")
    uniform: Annotated[tuple[Finite, Finite], LIST] | None = Field(None, description="[low, high]")
    exponential: Positive | None = Field(None, description="the rate, one over the mean")
    cauchy: Annotated[tuple[Finite, Positive], LIST] | None = Field(None, description="[centre, scale]")
    half_cauchy: Positive | None = Field(None, description="the scale; of positive numbers")
    student_t: Annotated[tuple[Positive, Finite, Positive], LIST] | None = Field(
        None, description="[degrees of freedom, centre, scale]"
    )
    half_normal: Positive | None = Field(None, description="the standard deviation of the whole; of positive numbers")
    gamma: Annotated[tuple[Positive, Positive], LIST] | None = Field(None, description="[shape, scale]")
    chi_square: Positive | None = Field(None, description="the degrees of freedom")
    rayleigh: Positive | None = Field(None, description="the scale, where the density is highest")
    log_laplace: Annotated[tuple[Positive, Positive], LIST] | None = Field(
        None, description="[median, scale of the logarithm]"
    )
    log_uniform: Annotated[tuple[Positive, Positive], LIST] | None = Field(
        None, description="[low, high]: the logarithm is uniform"
    )
    truncated: bool = Field(False, description="the density integrates to one between the parameter's bounds")
    on: Literal["natural", "log"] = Field(
        "natural", description="log: the density is one of ln(parameter), as its normal is with mean and sd of the log"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self._given) != 1:
            raise ValueError(f"give exactly one of {', '.join(self._kinds())}")
        for kind in ("uniform", "log_uniform"):
            pair = getattr(self, kind)
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"{kind}: the first number must be below the second")
        if self.on == "log" and self.kind not in ("normal", "laplace", "uniform", "cauchy", "student_t"):
            raise ValueError(f"{self.kind}: is a density of positive numbers, and a logarithm is not; leave out `on`")
        return self

    @classmethod
    def _kinds(cls) -> list[str]:
        return [kind for kind in cls.model_fields if kind not in ("on", "truncated")]

    @property
    def _given(self) -> list[str]:
        return [kind for kind in self._kinds() if getattr(self, kind) is not None]

    @property
    def kind(self) -> str:
        return self._given[0]

    @property
    def numbers(self) -> tuple[float, ...]:
        numbers: tuple[float, ...] | float = getattr(self, self.kind)
        return numbers if isinstance(numbers, tuple) else (numbers,)
