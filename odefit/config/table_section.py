"""What a config says of the file of measurements itself: what its columns are called, and which cells count."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from odefit.config.fields import Label, Name, Section, Unit, Word, by_shape, no_items, rare

if TYPE_CHECKING:
    from odefit.config.counted_section import ExcludeSection, LimitSection
else:
    ExcludeSection = rare("counted_section", "ExcludeSection")
    LimitSection = rare("counted_section", "LimitSection")

Columns = Annotated[
    Annotated[dict[Name, str], Tag("mapping")] | Annotated[str, Tag("other")],
    Discriminator(by_shape),
]
"""A column for each observable, or one for all."""
WELLS = "{wells}"
"""The pattern of the columns that are wells of a plate."""


def _is_list(value: object) -> str:
    return "list" if isinstance(value, list) else "other"


class TableSection(Section):
    """The keys of `data` about the file of measurements."""

    csv: (
        Annotated[
            Annotated[list[str], Field(min_length=1, max_length=10_000), Tag("list")]
            | Annotated[str, Field(min_length=1), Tag("other")],
            Discriminator(_is_list),
        ]
        | None
    ) = Field(
        None,
        description="path of the CSV file, relative to the config; several, as a list or a pattern (`runs/*.csv`): "
        "each is an experiment, called by the stem of its name, or has a column of experiments",
    )
    merge: bool = Field(
        False,
        description="whether several files are of the same experiments: those of one name are one (without a column of "
        "experiments: all), and each file may have other columns",
    )
    format: Literal["auto", "table", "nonmem"] = Field(
        "auto",
        description="nonmem: a table of events (ID, TIME, DV, AMT, EVID …), with doses and constants in the same file; "
        "table: any other; auto: by the names of the columns",
    )
    compartments: dict[Label, Name] = Field(
        default_factory=dict,
        description="which state a compartment (CMT) of a table of events is: `{1: gut, 2: blood}`; default: the "
        "states in their order",
    )
    sheet: str | Annotated[int, Field(ge=1)] | None = Field(
        None, description="of a workbook (.xlsx, .ods): which sheet, by its name or its number from 1"
    )
    header: Annotated[list[str], Field(min_length=2)] | Annotated[int, Field(ge=1)] | None = Field(
        None, description="names for the columns of a file that has none, or the line that holds them"
    )
    separator: Literal["comma", "semicolon", "tab", "blank", "bar"] | None = Field(
        None, description="what parts the cells, where that is not clear"
    )
    decimal: Literal[".", ","] | None = Field(None, description="the sign of the decimals, where that is not clear")
    encoding: str | None = Field(
        None, max_length=40, description="of the text, where it is neither UTF-8 nor Latin-1: `utf-16`, `cp1251`, …"
    )
    time: str | None = Field(None, description="the time column")
    date: str | None = Field(
        None, description="the column of dates, where `time` is the time of day; default: one called `date`"
    )
    time_unit: Literal["s", "min", "h", "d", "week", "year"] | None = Field(
        None,
        description="the unit of the times in the file, and of the numbers that dates, times of day and durations "
        "become; default: that of `model.units: {t: …}`, else days for dates, hours for times of day",
    )
    units: dict[Name, Unit] = Field(
        default_factory=dict,
        description="the units of the columns of the file, `{conc: mg/L, t: min}`; default: as a row of units or the "
        "header says (`conc [mg/L]`). Numbers are converted to `model.units`, see [Units](data.md#units)",
    )
    unit: str | None = Field(
        None,
        description="the column that says the unit of each row (long layout, or one observable); default: `unit`",
    )
    zero: str | None = Field(
        None, description="the date that is t = 0, or `first`: each experiment counts from its first row"
    )
    day_first: bool | None = Field(None, description="whether 3/4/2021 is in April, where no date of the file says it")
    clock: Literal["h:mm", "m:ss"] | None = Field(None, description="what times of two parts are, such as 12:30")
    experiment: str | None = Field(None, description="the column that names the experiment")
    observable: str | None = Field(
        None, description="the column that says what a row measures (long layout); default: `observable` or `name`"
    )
    value: str | None = Field(None, description="the column of the measurements (long layout); default: `value`")
    columns: dict[
        Name,
        Annotated[
            Annotated[list[Word], Field(min_length=1, max_length=1000), Tag("list")] | Annotated[Word, Tag("other")],
            Discriminator(_is_list),
        ],
    ] = Field(
        default_factory=dict,
        description="observable: its column; a list of replicates, or a pattern for experiments side by side, see "
        "[Experiments side by side](data.md#experiments-side-by-side)",
    )
    wells: Name | None = Field(
        None,
        description="the observable that the wells of a plate (A1 … H12) measure, each an experiment; short for "
        "`columns: {N: '{wells}'}`",
    )
    sigma: Columns | None = Field(
        None,
        description="the column of standard deviations of each observable, `{x: x_sd}`, or of all; "
        "`noise: {sigma: column}` uses them",
    )
    censored: Columns | None = Field(
        None,
        description="the column that flags values as limits, of each observable or of all: 1 (below), -1 (above), 0",
    )
    interval: Columns | None = Field(
        None,
        description="the column of the other end of an interval in which a value lies, of each observable or of all: "
        "beside a flag (`data.censored`), or from the value to it",
    )
    limit: dict[Name, LimitSection] = Field(
        default_factory=dict,
        description="limits of detection, `{x: 2}`: smaller values, and words such as BLQ, count as `<2`; "
        "`{x: {below: 2, least: 0}}`: as between 0 and 2",
    )
    missing: list[Word] = Field(
        default_factory=no_items,
        description="cells that mean: not measured, besides empty ones, NA and NaN; words or numbers (-999)",
    )
    exclude: list[ExcludeSection] = Field(
        default_factory=no_items, description="measurements to leave out, with the reason why"
    )
    unused: list[str] = Field(
        default_factory=no_items, description="columns that are left alone on purpose: nothing is said of them"
    )
    only: list[Label] | None = Field(None, min_length=1, description="read these experiments and leave the others")
    ignore: list[str] = Field(
        default_factory=no_items, description="labels of the observable column to leave out (long layout)"
    )

    @model_validator(mode="before")
    @classmethod
    def _columns_of_wells(cls, value: Any) -> Any:
        wells = value.get("wells") if isinstance(value, dict) else None
        columns = {} if wells is None else value.get("columns") or {}
        if not isinstance(wells, str) or not isinstance(columns, dict):
            return value
        if columns.get(wells, WELLS) != WELLS:
            raise ValueError(f"wells: data.columns says another column of {wells}; leave one out")
        return {**value, "columns": {**columns, wells: WELLS}}

    @property
    def single_columns(self) -> dict[str, str]:
        """Those of `columns` that are one name."""
        return {name: column for name, column in self.columns.items() if isinstance(column, str)}

    def about_the_file(self) -> list[str]:
        """The keys that are given and mean nothing without a file."""
        fields = TableSection.model_fields.items()
        # `validated_data`: Pydantic 2.10 asks for it even where the factory takes none.
        usual = {k: info.get_default(call_default_factory=True, validated_data={}) for k, info in fields}
        return [k for k, default in usual.items() if k != "csv" and getattr(self, k) != default]
