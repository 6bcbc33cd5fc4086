"""The section `data`: measurements, conditions, doses, inputs, and how data are simulated."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from odefit.config.fields import Cell, Label, Name, Section, When, by_shape, rare
from odefit.config.table_section import TableSection

if TYPE_CHECKING:
    from odefit.config.conditions_section import ExperimentsFile, InputSection
    from odefit.config.counted_section import HoldOutSection
    from odefit.config.doses_section import DosesSection
    from odefit.config.latent_section import SpiralsSection
    from odefit.config.simulate_section import SimulateSection
else:
    ExperimentsFile = rare("conditions_section", "ExperimentsFile")
    InputSection = rare("conditions_section", "InputSection")
    HoldOutSection = rare("counted_section", "HoldOutSection")
    DosesSection = rare("doses_section", "DosesSection")
    SpiralsSection = rare("latent_section", "SpiralsSection")
    SimulateSection = rare("simulate_section", "SimulateSection")

SOURCES = ("csv", "simulate", "spirals")
"""Keys of which one says where the measurements come from."""
WORDS_OF_START = ("auto", "first")
"""What `data.start` may be besides a number and a date."""


def _conditions_shape(value: object) -> str:
    if isinstance(value, Section) or (isinstance(value, dict) and isinstance(value.get("csv"), str)):
        return "file"  # no experiment is called csv: those have a mapping each
    return by_shape(value)


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
    simulate: SimulateSection | None = Field(None, description="data made from the model, instead of `csv`")
    spirals: SpiralsSection | None = Field(None, description="made-up series for `latent_ode`; {} for the defaults")
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
    doses: DosesSection | None = Field(None, description="what is put into the states on the way")
    inputs: dict[Name, InputSection] = Field(default_factory=dict, description="known functions of time, by name")
    arrays: dict[Name, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="argument of a network: an HDF5 file with its values, `inputs/NAME/EXPERIMENT`, or `inputs/NAME/0` "
        "for all experiments",
    )
    hold_out: HoldOutSection | None = Field(None, description="what the fit does not see and is scored on afterwards")

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
