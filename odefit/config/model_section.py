"""The sections `model` and `parameters`: equations, unknowns."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from odefit.config.fields import LIST, Finite, Formula, Label, Name, Section, by_shape, no_items, rare

if TYPE_CHECKING:
    from odefit.config.event_section import EventSection
    from odefit.config.latent_section import LatentSection
    from odefit.config.library_section import LibrarySection
    from odefit.config.network_section import NetworkSection
    from odefit.config.observable_section import ObservableSection
    from odefit.config.prior_section import PriorSection
else:
    EventSection = rare("event_section", "EventSection")
    LatentSection = rare("latent_section", "LatentSection")
    LibrarySection = rare("library_section", "LibrarySection")
    NetworkSection = rare("network_section", "NetworkSection")
    ObservableSection = rare("observable_section", "ObservableSection")
    PriorSection = rare("prior_section", "PriorSection")

LATENT_ODE = "latent_ode"
"""The `model.name` of models that their section `latent` describes."""
SPARSE = "sparse"
"""The same of `library`."""


class ModelSection(Section):
    """The differential equations."""

    name: str | None = Field(None, description="a built-in system (see `odefit models`)")
    equations: dict[Name, Formula] | None = Field(
        None, min_length=1, max_length=5000, description="state: the formula of its time derivative"
    )
    states: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="names of the states of a `linear`, `mlp`, `potential` or `sparse` model",
    )
    expressions: dict[Name, Formula] = Field(
        default_factory=dict,
        max_length=20_000,
        description="name: a formula of states, parameters, inputs, t and other expressions, for use in all formulas",
    )
    observables: dict[Name, ObservableSection] | None = Field(
        None,
        min_length=1,
        description="measured quantity: its formula, or what it compares, such as {increase: C}; default: every state",
    )
    initial: Annotated[
        Annotated[dict[Name, Formula], Tag("mapping")] | Annotated[Literal["estimate", "first"], Tag("other")],
        Discriminator(by_shape),
    ] = Field(
        default_factory=dict,
        description="state: a number, a formula, `estimate`, or `first` (the first measured row)",
    )
    initial_scale: Literal["auto", "linear"] = Field(
        "auto",
        description="of estimated initial values without scale, bounds or prior: `auto` is log, within a factor of "
        "1000 of the start, where all measurements of the state are positive",
    )
    steady_state: Annotated[
        Annotated[dict[Name, Formula], Tag("mapping")] | Annotated[bool, Tag("other")], Discriminator(by_shape)
    ] = Field(
        False,
        description="true: before the start the system, coming from `initial`, has come to rest; a mapping says "
        "which parameters or columns of data.experiments had other values then, e.g. {ligand: 0}; a column "
        "`steady_state` (yes or no) chooses experiments",
    )
    events: list[EventSection] = Field(
        default_factory=no_items, max_length=10_000, description="sudden changes of states"
    )
    units: dict[Name, Annotated[str, Field(max_length=40)]] = Field(
        default_factory=dict,
        description="of t, states, observables, expressions, inputs and constants: for tables and axes, and what data "
        "in other units are converted to, see [Units](data.md#units)",
    )
    original_names: dict[Name, Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=dict,
        description="for reports: what the problem that this was imported from calls states, parameters, observables",
    )
    networks: dict[Name, NetworkSection] = Field(
        default_factory=dict, max_length=100, description="neural networks that formulas call by name"
    )
    normalise: bool = Field(True, description="networks take the units of their inputs and outputs from the data")
    hidden: list[Annotated[int, Field(ge=1, le=100_000)]] | None = Field(
        None, max_length=100, description="widths of the hidden layers of `mlp`, `potential` or the latent field"
    )
    activation: str | None = Field(None, description="activation of `mlp`, `potential` or `latent_ode`, e.g. tanh")
    direction: Literal["descent", "ascent"] | None = Field(
        None, description="`potential`: the states move down (the default) or up the potential"
    )
    time_input: bool = Field(False, description="whether the network of `mlp` also sees the time")
    measured: list[Name] | None = Field(
        None, min_length=1, max_length=1000, description="`latent_ode`: what was measured, as the columns are called"
    )
    latent: LatentSection | None = Field(None, description="`latent_ode`: sizes of the model, and its training")
    library: LibrarySection | None = Field(None, description="`sparse`: what the equations may be made of")

    @field_validator("initial", "events", "units", "original_names", "networks", "expressions", mode="before")
    @classmethod
    def _no_null(cls, value: Any, info: ValidationInfo) -> Any:
        return ([] if info.field_name == "events" else {}) if value is None else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.name is None) == (self.equations is None):
            raise ValueError("give either `name` (a built-in system) or `equations`, and not both")
        if self.equations is not None:
            for key in ("states", "hidden", "activation", "direction"):
                if getattr(self, key) is not None:
                    raise ValueError(f"`{key}` belongs to a built-in family; your equations name their states")
        elif self.networks:
            raise ValueError("networks: are for your own `equations`; a built-in system calls none")
        return self

    @model_validator(mode="after")
    def _sparse(self) -> Self:
        if self.name == SPARSE and self.states is None:
            raise ValueError(f"`{SPARSE}` needs `states`: the names of the measured states, such as [x, y]")
        if self.name != SPARSE and self.library is not None:
            raise ValueError(f"`library` belongs to `name: {SPARSE}` (got {self.name or 'equations'})")
        return self

    @model_validator(mode="after")
    def _latent(self) -> Self:
        if self.name == LATENT_ODE and self.measured is None:
            raise ValueError("`latent_ode` needs `measured`: the names of the measured columns, such as [x, y]")
        for key in ("measured", "latent"):
            if self.name != LATENT_ODE and getattr(self, key) is not None:
                raise ValueError(f"`{key}` belongs to `name: {LATENT_ODE}` (got {self.name})")
        return self


class ParameterSection(Section):
    """A named unknown. `alpha: 0.5` is short for `{value: 0.5}`, `beta: 2*alpha` for `{formula: 2*alpha}`."""

    SHORT: ClassVar = ((str, "formula"), (int, "value"), (float, "value"))

    value: Finite | None = Field(None, description="where the search starts, or the number when not estimated")
    bounds: Annotated[tuple[float, float], LIST] | None = Field(None, description="[low, high], natural scale")
    scale: Literal["linear", "log", "logit"] | None = Field(
        None, description="in which coordinate the search moves; logit needs two finite bounds"
    )
    estimate: bool = Field(True, description="false keeps the parameter at its value")
    prior: PriorSection | None = Field(None, description="what is known of it beforehand")
    unit: str | None = Field(None, max_length=40, description="for tables; nothing is converted")
    by: (
        Annotated[
            Annotated[dict[Label, list[Label]], Field(min_length=1), Tag("mapping")] | Annotated[str, Tag("other")],
            Discriminator(by_shape),
        ]
        | None
    ) = Field(
        None,
        description="one such parameter for each `experiment`, for each entry of a column of data.experiments, or for "
        "each group of {group: [experiments]}",
    )
    formula: Formula | None = Field(
        None, description="not estimated itself: computed from other parameters and from constants of the experiment"
    )

    @model_validator(mode="after")
    def _tied(self) -> Self:
        if self.formula is not None:
            given = [k for k in ("value", "bounds", "scale", "prior", "by") if getattr(self, k) is not None]
            if given or not self.estimate:
                key = given[0] if given else "estimate"
                raise ValueError(f"{key}: a parameter with a formula follows from others; remove one of the two")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.bounds or (-math.inf, math.inf)
        if math.isnan(low) or math.isnan(high) or not low < high:
            raise ValueError(f"bounds: the lower bound must be below the upper (got [{low:g}, {high:g}])")
        if self.scale == "log" and self.bounds and low < 0:
            raise ValueError(f"bounds: a log scale needs bounds that are not negative (got {low:g})")
        if self.scale == "logit" and not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("bounds: a logit scale needs two finite bounds")
        if self.value is None:
            if not self.estimate and self.formula is None:
                raise ValueError("value: a parameter that is not estimated needs a value")
            return self
        if self.estimate and not low <= self.value <= high:
            raise ValueError(f"value: {self.value:g} lies outside its bounds [{low:g}, {high:g}]")
        if self.estimate and self.scale == "log" and self.value <= 0:
            raise ValueError(f"value: a log scale needs a positive value (got {self.value:g})")
        if self.estimate and self.scale == "logit" and not low < self.value < high:
            raise ValueError("value: on a logit scale the value must lie strictly between its bounds")
        return self
