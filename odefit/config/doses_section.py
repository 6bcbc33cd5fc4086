"""The section `data.doses`: what is put into the states on the way."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from odefit.config.fields import (
    Finite,
    Formula,
    Label,
    Name,
    NotNegative,
    Positive,
    Section,
    Unit,
    When,
    or_text,
)

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
