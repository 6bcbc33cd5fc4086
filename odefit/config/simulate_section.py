"""The section `data.simulate`: data made from a model."""

import itertools
import math
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from odefit.config.fields import Finite, Formula, Label, Name, NotNegative, Positive, Section, Seed, by_shape
from odefit.config.model_section import LATENT_ODE, ModelSection
from odefit.config.noise_section import NoiseSection, SimulatedNoise, simulated_shape


class TimesSection(Section):
    """Equally spaced times: `{start: 0, stop: 10, count: 11}` or `{start: 0, stop: 10, step: 1}`."""

    start: Finite = Field(0.0, description="the first time")
    stop: Finite = Field(description="the last time, or with `step` the latest that there may be")
    count: Annotated[int, Field(ge=2, le=10_000_000)] | None = Field(None, description="how many times")
    step: Positive | None = Field(None, description="how far apart they are, instead of `count`")

    @model_validator(mode="after")
    def _one_spacing(self) -> Self:
        if (self.count is None) == (self.step is None):
            raise ValueError("give either `count` (how many times) or `step` (how far apart), and not both")
        if not self.stop > self.start:
            raise ValueError(f"stop: must be later than start (got {self.start:g} to {self.stop:g})")
        if math.isinf(self.stop - self.start):
            raise ValueError(f"stop: is farther from start than numbers go (got {self.start:g} to {self.stop:g})")
        if self.step is not None and (self.stop - self.start) / self.step > 10_000_000:
            raise ValueError("step: makes more than ten million times")
        return self


def _is_list(value: object) -> str:
    return "list" if isinstance(value, list) else "other"


class SimulateSection(Section):
    """Data made from a model at known parameters."""

    model: ModelSection | None = Field(None, description="the model that makes the data; default: the config's own")
    parameters: dict[
        Name,
        Annotated[
            Annotated[dict[Label, Finite], Tag("mapping")] | Annotated[Finite, Tag("other")], Discriminator(by_shape)
        ],
    ] = Field(
        default_factory=dict, description="the truth, where it differs; {group: number} for a parameter with `by`"
    )
    times: Annotated[
        Annotated[TimesSection, Tag("mapping")] | Annotated[list[float], Tag("other")], Discriminator(by_shape)
    ] = Field(
        description="when is measured: `{start: 0, stop: 10, count: 21}`, or a list of increasing numbers, the last of "
        "which may be .inf: the steady state"
    )
    experiments: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="how many; default: one, or those of data.experiments"
    )
    initial: dict[Name, Finite] = Field(default_factory=dict, description="centre of the initial values")
    spread: NotNegative = Field(0.0, description="standard deviation of the initial values around their centre")
    noise: Annotated[
        Annotated[dict[Name, SimulatedNoise], Tag("each")]
        | Annotated[NoiseSection, Tag("mapping")]
        | Annotated[NotNegative, Tag("other")],
        Discriminator(simulated_shape),
    ] = Field(
        0.0,
        description="standard deviation of Gaussian noise, or a noise model with numbers; for all or per observable",
    )
    columns: dict[
        Name,
        Annotated[Annotated[list[Finite], Tag("list")] | Annotated[Formula, Tag("other")], Discriminator(_is_list)],
    ] = Field(
        default_factory=dict,
        description="columns beside the measurements, which noise formulas may name: a formula, or a number per time",
    )
    seed: Seed = Field(0, description="of the noise and of the initial values: the same seed gives the same data")

    @field_validator("times")
    @classmethod
    def _increasing(cls, value: TimesSection | list[float]) -> TimesSection | list[float]:
        if isinstance(value, TimesSection):
            return value
        if not value or value[0] == -math.inf or any(not b > a for a, b in itertools.pairwise(value)):
            raise ValueError("must be a list of increasing numbers")
        finite = [t for t in value if t != math.inf]
        if finite and math.isinf(finite[-1] - finite[0]):
            raise ValueError("must not span more than numbers go")
        return value

    @model_validator(mode="after")
    def _equations(self) -> Self:
        if self.model is not None and self.model.name == LATENT_ODE:
            raise ValueError("model: a latent ODE makes no data; name equations, or a built-in system that has some")
        return self
