"""What a user may write in a config: every key, its type, its default and what it means.

Pure declarations. The descriptions travel into the JSON Schema (`odefit schema`), so that editors
complete and explain the keys. Nothing here reads a file or knows a formula.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
# YAML has lists and no tuples: a pair may be written as one, its numbers stay strictly numbers.
LIST = Field(strict=False)
# Formulas stay text here: the model layer reads them and says where they are wrong.
Formula = Annotated[str, BeforeValidator(lambda v: repr(v) if _is_number(v) else v), Field(max_length=10_000)]


def _by_shape(value: object) -> str:
    """Which member of a union the user meant, so that faults are told of that one only."""
    return "mapping" if isinstance(value, dict | BaseModel) else "other"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Section(BaseModel):
    """A mapping of the config: unknown keys are errors, values are not silently converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ModelSection(Section):
    """The differential equations."""

    name: str | None = Field(None, description="a built-in system (see `odefit models`)")
    equations: dict[Name, Formula] | None = Field(
        None, min_length=1, max_length=1000, description="state: the formula of its time derivative"
    )
    states: list[Name] | None = Field(
        None, min_length=1, description="names of the states, for the families `linear` and `mlp`"
    )
    observables: dict[Name, Formula] | None = Field(
        None, min_length=1, description="measured quantity: its formula; default: every state"
    )
    initial: Annotated[
        Annotated[dict[Name, Formula], Tag("mapping")] | Annotated[Literal["estimate", "first"], Tag("other")],
        Discriminator(_by_shape),
    ] = Field(
        default_factory=dict,
        description="state: a number, a formula, `estimate`, or `first` (the first measured row)",
    )
    hidden: list[Count] | None = Field(None, description="widths of the hidden layers of `mlp`")
    activation: str | None = Field(None, description="activation of `mlp`, e.g. tanh")
    time_input: bool = Field(False, description="whether the network of `mlp` also sees the time")

    @field_validator("initial", mode="before")
    @classmethod
    def _no_null(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.name is None) == (self.equations is None):
            raise ValueError("give either `name` (a built-in system) or `equations`, and not both")
        if self.equations is not None:
            for key in ("states", "hidden", "activation"):
                if getattr(self, key) is not None:
                    raise ValueError(f"`{key}` belongs to a built-in family; your equations name their states")
        return self


class PriorSection(Section):
    """A prior density for one parameter, on its natural scale."""

    normal: Annotated[tuple[Finite, Positive], LIST] | None = Field(None, description="[mean, standard deviation]")
    lognormal: Annotated[tuple[Positive, Positive], LIST] | None = Field(
        None, description="[median, standard deviation of the logarithm]"
    )
    laplace: Annotated[tuple[Finite, Positive], LIST] | None = Field(None, description="[centre, scale]")
    uniform: Annotated[tuple[Finite, Finite], LIST] | None = Field(None, description="[low, high]")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in type(self).model_fields if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of normal, lognormal, laplace, uniform")
        if self.uniform is not None and not self.uniform[0] < self.uniform[1]:
            raise ValueError("uniform: the first number must be below the second")
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in type(self).model_fields if getattr(self, kind) is not None)

    @property
    def numbers(self) -> tuple[float, float]:
        numbers: tuple[float, float] = getattr(self, self.kind)
        return numbers


class ParameterSection(Section):
    """A named unknown. `alpha: 0.5` is short for `alpha: {value: 0.5}`."""

    value: Finite | None = Field(None, description="where the search starts, or the number when not estimated")
    bounds: Annotated[tuple[float, float], LIST] | None = Field(None, description="[low, high], natural scale")
    scale: Literal["linear", "log", "logit"] | None = Field(
        None, description="in which coordinate the search moves; logit needs two finite bounds"
    )
    estimate: bool = Field(True, description="false keeps the parameter at its value")
    prior: PriorSection | None = None
    unit: str | None = Field(None, max_length=40)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"value": value} if _is_number(value) else value

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
            if not self.estimate:
                raise ValueError("value: a parameter that is not estimated needs a value")
            return self
        if self.estimate and not low <= self.value <= high:
            raise ValueError(f"value: {self.value:g} lies outside its bounds [{low:g}, {high:g}]")
        if self.estimate and self.scale == "log" and self.value <= 0:
            raise ValueError(f"value: a log scale needs a positive value (got {self.value:g})")
        if self.estimate and self.scale == "logit" and not low < self.value < high:
            raise ValueError("value: on a logit scale the value must lie strictly between its bounds")
        return self


class TimesSection(Section):
    """Equally spaced times: `{start: 0, stop: 10, count: 11}` or `{start: 0, stop: 10, step: 1}`."""

    start: Finite = 0.0
    stop: Finite
    count: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    step: Positive | None = None

    @model_validator(mode="after")
    def _one_spacing(self) -> Self:
        if (self.count is None) == (self.step is None):
            raise ValueError("give either `count` (how many times) or `step` (how far apart), and not both")
        if not self.stop > self.start:
            raise ValueError(f"stop: must be later than start (got {self.start:g} to {self.stop:g})")
        if self.step is not None and (self.stop - self.start) / self.step > 10_000_000:
            raise ValueError("step: makes more than ten million times")
        return self


class SimulateSection(Section):
    """Data made from a model at known parameters."""

    model: ModelSection | None = Field(None, description="the model that makes the data; default: the config's own")
    parameters: dict[Name, Finite] = Field(default_factory=dict, description="the truth, where it differs")
    times: Annotated[
        Annotated[TimesSection, Tag("mapping")] | Annotated[list[Finite], Tag("other")], Discriminator(_by_shape)
    ]
    experiments: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    initial: dict[Name, Finite] = Field(default_factory=dict, description="centre of the initial values")
    spread: NotNegative = Field(0.0, description="standard deviation of the initial values around their centre")
    noise: Annotated[
        Annotated[dict[Name, NotNegative], Tag("mapping")] | Annotated[NotNegative, Tag("other")],
        Discriminator(_by_shape),
    ] = Field(0.0, description="standard deviation of the Gaussian noise, for all or per observable")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("times")
    @classmethod
    def _increasing(cls, value: TimesSection | list[float]) -> TimesSection | list[float]:
        if isinstance(value, list) and (not value or any(b <= a for a, b in itertools.pairwise(value))):
            raise ValueError("must be a list of increasing numbers")
        return value


class DataSection(Section):
    """Where the measurements are."""

    csv: str | None = Field(None, min_length=1, description="path of the CSV file, relative to the config")
    time: str | None = Field(None, description="the time column")
    experiment: str | None = Field(None, description="the column that names the experiment")
    columns: dict[Name, str] = Field(default_factory=dict, description="observable: its column")
    only: list[str] | None = Field(None, min_length=1, description="read these experiments and leave the others")
    ignore: list[str] = Field(
        default_factory=list, description="labels of the observable column to leave out (long layout)"
    )
    start: Finite | None = Field(None, description="where integration starts; default: the first time")
    simulate: SimulateSection | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.csv is None) == (self.simulate is None):
            raise ValueError("give either `csv` (a file) or `simulate` (make the data), and not both")
        if self.simulate is not None:
            for key in ("time", "experiment", "columns", "only", "ignore", "start"):
                if getattr(self, key):
                    raise ValueError(f"`{key}` is about a CSV file and has no meaning with `simulate`")
        return self


class NoiseSection(Section):
    """How measurements scatter around one observable. `lognormal` is short for `{model: lognormal}`."""

    model: Literal["gaussian", "lognormal"] = "gaussian"
    sigma: Formula = Field(
        "estimate", description="`estimate`, a number, a formula, or `column` (the data file's own sigma)"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value


class SolverSection(Section):
    """How the equations are integrated."""

    method: str = Field("auto", description="`auto`, a torchdiffeq method (rk4, dopri5, …) or a diffsol one (bdf, …)")
    rtol: Positive = 1e-6
    atol: Positive = 1e-8
    sensitivity_rtol: Positive | None = Field(None, description="of the compiled engine; default: rtol")
    sensitivity_atol: Positive | None = Field(None, description="of the compiled engine; default: atol")
    step: Positive | None = Field(None, description="step size of the fixed-step methods")
    adjoint: bool = Field(False, description="torchdiffeq's adjoint: less memory, slower, less exact")
    dtype: Literal["float64", "float32"] = "float64"
    device: str = Field("cpu", description="cpu, cuda, cuda:0, …")


class ScheduleSection(Section):
    """How Adam's learning rate changes over the epochs."""

    kind: Literal["constant", "cosine", "exponential", "plateau"] = "constant"
    final: Positive | None = Field(
        None, description="learning rate at the last epoch (cosine, exponential) or the lowest (plateau)"
    )
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="plateau: the rate is multiplied by it")
    patience: Count = Field(20, description="plateau: after so many epochs without progress")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class FitSection(Section):
    """How the parameters are found."""

    method: Literal["auto", "adam", "least_squares", "lbfgs"] = Field(
        "auto", description="`auto`: least_squares for equations, adam where there is a network"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    starts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1, description="how many starting points")
    workers: Count | None = Field(None, description="processes at a time; default: one per core")
    time_limit: Positive | None = Field(None, description="seconds for one start")
    max_iterations: Count | None = None
    # Adam
    epochs: Count | None = None
    batch_size: Count | None = Field(None, description="experiments per step; default: all")
    learning_rate: Positive | None = None
    schedule: ScheduleSection | None = None
    loss: Literal["mse", "nll"] | None = Field(
        None, description="mean squared error, or the negative log-likelihood with sigma estimated"
    )
    gradient_clip: Positive | None = Field(None, description="largest norm of a gradient")
    weight_decay: NotNegative | None = None
    patience: Count | None = Field(None, description="stop after so many epochs without progress")
    plot_every: Count | None = Field(None, description="keep a frame for `plot --animate` every N epochs")

    @model_validator(mode="after")
    def _keys_of_the_method(self) -> Self:
        adam = ("epochs", "batch_size", "learning_rate", "schedule", "loss", "gradient_clip", "weight_decay")
        given = [k for k in (*adam, "patience", "plot_every") if getattr(self, k) is not None]
        if self.method != "adam" and given:
            raise ValueError(f"{', '.join(given)}: only for `method: adam`, so say that (got `{self.method}`)")
        if self.method == "adam" and self.starts > 1:
            raise ValueError("starts: not for `method: adam`, which trains from one start")
        if self.method == "adam" and self.max_iterations is not None:
            raise ValueError("max_iterations: not for `method: adam`; set `epochs`")
        return self


def _noise_shape(value: object) -> str:
    """`lognormal` or `{model: …, sigma: …}` is for all observables; any other mapping is one for each."""
    if isinstance(value, dict):
        return "all" if value and set(value) <= {"model", "sigma"} else "each"
    return "all"


class Config(Section):
    """One fit: what the model is, where the data are, how to fit."""

    title: str | None = Field(None, max_length=200)
    model: ModelSection
    parameters: dict[Name, ParameterSection] = Field(default_factory=dict)
    data: DataSection
    noise: Annotated[
        Annotated[dict[Name, NoiseSection], Tag("each")] | Annotated[NoiseSection, Tag("all")],
        Discriminator(_noise_shape),
    ] = Field(default_factory=dict, description="one noise model for all observables, or one for each")
    solver: SolverSection = Field(default_factory=SolverSection)
    fit: FitSection = Field(default_factory=FitSection)

    @field_validator("parameters", "solver", "fit", "noise", mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value
