"""The section of latent ODEs, and of the spirals they are tried on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from odefit.config.fields import Count, Positive, Section

Share = Annotated[float, Field(ge=0, lt=1)]


class LatentSection(Section):
    """`model.name: latent_ode`: states that nobody measured, read off the series by a recurrent network."""

    dimension: Annotated[int, Field(ge=1, le=10_000)] = Field(8, description="how many latent states there are")
    encoder: Count = Field(64, description="hidden units of the recurrent network that reads a series backwards")
    decoder: list[Count] = Field(
        default_factory=lambda: [32], description="widths of the hidden layers from latent states to observables"
    )
    observed: Positive | None = Field(
        None, description="the encoder reads what was measured until so long after the start; default: everything"
    )
    sigma: Positive | None = Field(None, description="noise level of the observables; default: learnt, one for each")
    times_per_step: Count | None = Field(
        None, description="so many of the times, drawn anew for each step of the training; default: all"
    )
    own_scale: bool = Field(
        False,
        description="each series is divided by its own size, and the encoder told that size",
    )
    starts: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="series are learnt from so many starting points each: their own, and later ones"
    )
    anneal: Share = Field(0.1, description="share of the training over which the divergence comes in")
    grow: Share = Field(0.3, description="share of the training over which the horizon grows from the observed part")
    validation: Share = Field(0.1, description="share of the series that choose the best epoch and are not trained on")


class SpiralsSection(Section):
    """Noisy series of random linear systems in the plane, half clockwise and half anticlockwise, as x and y."""

    series: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    times: Annotated[int, Field(ge=2, le=100_000)] = 200
    end: Positive = Field(31.45, description="the last time; the first is 0")
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.02
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
