"""The section `derived`: quantities of whole curves."""

from typing import Annotated, ClassVar

from pydantic import Field

from odefit.config.fields import Formula, Section


class DerivedSection(Section):
    """A quantity of a whole curve. `Cmax: max(conc)` is short for `{formula: max(conc)}`.

    See [Quantities of curves](predict.md#quantities-of-curves).
    """

    SHORT: ClassVar = ((str, "formula"),)

    formula: Formula = Field(
        description="of parameters and of max, min, time_of_max, time_of_min, integral, mean, value, half_time, "
        "doubling_time and time_to of an observable, state or expression"
    )
    unit: Annotated[str, Field(max_length=40)] | None = Field(None, description="for tables")
