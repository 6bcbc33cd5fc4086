"""The section `data`: measurements, conditions, doses, inputs, and how data are simulated."""

import itertools
import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from odefit.config.fields import (
    Cell,
    Finite,
    Formula,
    Label,
    Name,
    NotNegative,
    Positive,
    Rare,
    Section,
    Seed,
    Unit,
    When,
    by_shape,
    or_text,
)
from odefit.config.latent_section import LATENT_ODE, SpiralsSection
from odefit.config.model_section import ModelSection
from odefit.config.noise_section import NoiseSection, SimulatedNoise, simulated_shape
from odefit.config.table_section import TableSection

SOURCES = ("csv", "simulate", "spirals")
"""Keys of which one says where the measurements come from."""
WORDS_OF_START = ("auto", "first")
"""What `data.start` may be besides a number and a date."""


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


SPREAD = Annotated[
    Annotated[Formula, Tag("text")] | Annotated[NotNegative, Tag("other")],
    Discriminator(or_text),
]
"""A number that is not negative, or a formula."""


class DoseSection(Section):
    """One dose, or the same one repeated."""

    time: When = Field(
        description="when it is given: a number, or where the times of the data are dates, a date (`2021-03-01 08:00`)"
    )
    amount: Finite = Field(description="what it adds to the state, in the units of the state")
    state: Name | None = Field(None, description="where it goes; default: data.doses.state")
    duration: SPREAD = Field(
        0.0, description="over how long it is spread evenly: a number (0: at once) or a formula of parameters"
    )
    rate: SPREAD | None = Field(
        None, description="amount per time, instead of a duration: a number (0: at once) or a formula of parameters"
    )
    every: Positive | None = Field(None, description="time from one dose to the next")
    count: Annotated[int, Field(ge=1, le=100_000)] | None = Field(None, description="how many in all")
    experiment: Label | None = Field(None, description="which experiment gets it; default: every one")


class DosesSection(Section):
    """What is put into the states on the way: a table, in a CSV or here, or in a table of events (`data.format`)."""

    SHORT: ClassVar = ((str, "csv"), (list, "table"))

    csv: str | None = Field(
        None,
        min_length=1,
        description="a file with columns time, amount; and experiment, state, duration or rate, every, count",
    )
    table: list[DoseSection] | None = Field(
        None, min_length=1, max_length=100_000, description="the doses, written here instead of in a CSV"
    )
    state: Name | None = Field(None, description="where doses go that name no state")
    time: str | None = Field(None, description="the time column of the file")
    experiment: str | None = Field(None, description="the column of the file that names the experiment")
    columns: dict[Literal["amount", "state", "duration", "rate", "every", "count"], str] = Field(
        default_factory=dict,
        description="what the file calls its other columns: `{amount: AMT, state: CMT}`; without `csv` those of the "
        "file of measurements, where a row with an amount is a dose",
    )
    units: dict[Literal["time", "amount", "rate", "duration", "every"], Unit] = Field(
        default_factory=dict, description="the units of the columns of the file, where its header does not say them"
    )
    lag: Formula = Field("0", description="how long after its time a dose arrives; a number or a formula of parameters")
    fraction: Formula = Field("1", description="how much of it arrives; a number or a formula of parameters")
    rate: Formula | None = Field(
        None, description="of a table of events: the rate of doses with RATE -1; default: `R1` in compartment 1, …"
    )
    duration: Formula | None = Field(
        None, description="of a table of events: the duration of doses with RATE -2; default: `D1` in compartment 1, …"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.csv is not None and self.table is not None:
            raise ValueError("give either `csv` (a file) or `table` (a list of doses), and not both")
        if self.csv is None and self.table is None and not self.model_fields_set:
            raise ValueError("give either `csv` (a file) or `table` (a list of doses), and not both")
        for key in ("time", "experiment", "columns", "units") if self.table is not None else ():
            if getattr(self, key):
                raise ValueError(f"`{key}` is about a file and has no meaning with `table`")
        return self

    @property
    def is_late(self) -> bool:
        """Whether doses have a lag."""
        return self.lag.strip() not in ("0", "0.0")

    @property
    def is_partial(self) -> bool:
        """Whether a fraction of doses arrives."""
        return self.fraction.strip() not in ("1", "1.0")


class InputSection(Section):
    """A known function of time, from a CSV."""

    SHORT: ClassVar = ((str, "csv"),)

    csv: str = Field(
        min_length=1, description="path, relative to the config; a pattern: a file for each experiment, called like it"
    )
    column: str | None = Field(None, description="the column of its values; default: that of the input's name")
    time: str | None = Field(None, description="the time column")
    experiment: str | None = Field(None, description="the column that names the experiment")
    unit: Unit | None = Field(None, description="of its values, where the header does not say it")
    interpolation: Literal["linear", "previous", "cubic"] = Field(
        "linear", description="between the rows; previous: a value holds until the next row"
    )


class ExperimentsFile(Section):
    """The table of experiments, in a CSV."""

    csv: str = Field(min_length=1, description="path, relative to the config")
    experiment: str | None = Field(None, description="the column that names the experiment")
    columns: dict[Name, str] = Field(default_factory=dict, description="constant or label: its column")
    units: dict[Name, Unit] = Field(
        default_factory=dict, description="constant: the unit of its column, where the header does not say it"
    )


def _conditions_shape(value: object) -> str:
    if isinstance(value, ExperimentsFile) or (isinstance(value, dict) and isinstance(value.get("csv"), str)):
        return "file"  # no experiment is called csv: those have a mapping each
    return by_shape(value)


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


class DataSection(TableSection):
    """Where the measurements are, and under which conditions they were made."""

    start: When = Field(
        "auto",
        description="where integration starts: a number or a date, or `first` (the first measurement); auto: there, at "
        "an earlier dose or at 0, see [Where the clock starts](experiments.md#where-the-clock-starts)",
    )
    at_jumps: Annotated[
        Annotated[dict[Name, Literal["before", "after"]], Tag("mapping")]
        | Annotated[Literal["auto", "before", "after"], Tag("other")],
        Discriminator(by_shape),
    ] = Field(
        "auto",
        description="what a measurement at the very time of a jump is compared with: the value just `before` it or "
        "just `after`; for all, or per observable; auto: before a dose, after an event or a step of an input",
    )
    simulate: Annotated[SimulateSection, Rare()] | None = Field(
        None, description="data made from the model, instead of `csv`"
    )
    spirals: Annotated[SpiralsSection, Rare()] | None = Field(
        None, description="made-up series for `latent_ode`; {} for the defaults"
    )
    experiments: (
        Annotated[
            Annotated[dict[Label, dict[Name, Cell]], Field(min_length=1), Tag("mapping")]
            | Annotated[ExperimentsFile, Tag("file")]
            | Annotated[str, Tag("other")],
            Discriminator(_conditions_shape),
        ]
        | None
    ) = Field(
        None,
        description="constants of each experiment, numbers or formulas of parameters and other constants; its initial "
        "values `x_0`, its `start`, whether it came to rest before (`steady_state: yes`), and labels to group by: a "
        "CSV with a column `experiment`, or {experiment: {name: number}}",
    )
    doses: Annotated[DosesSection, Rare()] | None = Field(None, description="what is put into the states on the way")
    inputs: dict[Name, Annotated[InputSection, Rare()]] = Field(
        default_factory=dict, description="known functions of time, by name"
    )
    arrays: dict[Name, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="argument of a network: an HDF5 file with its values, `inputs/NAME/EXPERIMENT`, or `inputs/NAME/0` "
        "for all experiments",
    )
    hold_out: Annotated[HoldOutSection, Rare()] | None = Field(
        None, description="what the fit does not see and is scored on afterwards"
    )

    @property
    def fixed_start(self) -> float | None:
        """The start where it is a number."""
        return None if isinstance(self.start, str) else self.start

    @field_validator("experiments", mode="before")
    @classmethod
    def _file(cls, value: Any) -> Any:
        if not isinstance(value, dict) or isinstance(value.get("csv"), str):
            is_short = isinstance(value, dict) and list(value) == ["csv"]
            return value["csv"] if is_short else value
        rows = {e: dict(row) if isinstance(row, dict) else row for e, row in value.items()}
        for row in rows.values():
            if isinstance(row, dict) and isinstance(row.get("steady_state"), bool):
                row["steady_state"] = "yes" if row["steady_state"] else "no"  # YAML reads yes as true
        return rows

    @field_validator("inputs", "arrays", mode="before")
    @classmethod
    def _no_null(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [key for key in SOURCES if getattr(self, key) is not None]
        if len(sources) != 1:
            got = " and ".join(sources) or "none"
            raise ValueError(
                "give either `csv` (a file), `simulate` (make the data) or `spirals` (of latent_ode), and only one "
                f"(got {got})"
            )
        if self.csv is None:
            for key in self.about_the_file():
                raise ValueError(f"`{key}` is about a CSV file and has no meaning with `{sources[0]}`")
        return self
