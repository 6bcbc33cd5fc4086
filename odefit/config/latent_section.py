"""The section of latent ODEs, and of the spirals that they are tried on."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from odefit.config.fields import Count, NotNegative, Positive, Section, Seed

Share = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1, le=100_000)]


class LatentSection(Section):
    """`model.name: latent_ode`: states that nobody measured, read off the series by a recurrent network."""

    dimension: Annotated[int, Field(ge=1, le=10_000)] = Field(8, description="how many latent states there are")
    constants: Annotated[int, Field(ge=0)] = Field(
        0, description="how many latent states stay what they are at the start: what one series has of its own"
    )
    refine: Annotated[int, Field(ge=0, le=100)] = Field(
        0,
        description="how many Gauss-Newton steps from the encoder's latent start to the most probable one; "
        "of a linear field in each part of what is read",
    )
    encoder: Width = Field(64, description="hidden units of the recurrent network that reads a series backwards")
    decoder: list[Width] = Field(
        default_factory=lambda: [32],
        max_length=20,
        description="widths of the hidden layers from latent states to observables",
    )
    observed: Positive | None = Field(
        None, description="how long after the start the encoder reads what was measured; default: to the end"
    )
    sigma: Positive | None = Field(None, description="noise level of the observables; default: learnt, one for each")
    own_scale: bool = Field(False, description="each series is divided by its own size, which the encoder sees")
    starts: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="from how many starting points each series is learnt: its own, and later ones"
    )
    times_per_step: Count | None = Field(
        None, description="how many of the times, drawn anew for each step of the training; default: at most 200"
    )
    anneal: Share = Field(0.1, description="share of the training over which the divergence comes in")
    grow: Share = Field(0.3, description="share of the training over which the horizon grows from the observed part")
    validation: Share | None = Field(
        None,
        description="share of the series that choose the best epoch and are not trained on; default: 0.1 of 50 or more",
    )

    @model_validator(mode="after")
    def _something_moves(self) -> Self:
        if self.constants >= self.dimension:
            raise ValueError(
                f"constants: must be less than dimension, so that something moves (got {self.constants} of "
                f"{self.dimension})"
            )
        return self


class SpiralsSection(Section):
    """Noisy series of random linear systems in the plane, half clockwise and half anticlockwise."""

    series: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1000, description="how many series")
    times: Annotated[int, Field(ge=2, le=100_000)] = Field(200, description="how many times, equally spaced from 0")
    end: Positive = Field(31.45, description="the last time; the default is five turns at frequency 1")
    noise: NotNegative = Field(0.02, description="standard deviation of the noise")
    seed: Seed = Field(0, description="the same seed gives the same series")

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if self.series * self.times > 10_000_000:
            raise ValueError(f"makes {self.series * self.times:,} rows; at most 10,000,000, so make fewer")
        return self
