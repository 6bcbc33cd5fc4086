"""The sections of `data` about files of conditions: inputs, and the table of experiments."""

from typing import ClassVar, Literal

from pydantic import Field

from odefit.config.fields import Name, Section, Unit


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
