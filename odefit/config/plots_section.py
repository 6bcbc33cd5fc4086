"""The section `plots`: pictures of chosen observables and experiments, beside those that every fit draws."""

from typing import Annotated, Literal

from pydantic import Field

from odefit.config.fields import Finite, Label, Name, Section

TIME_AXIS = "time"
Text = Annotated[str, Field(min_length=1, max_length=200)]


class CurveSection(Section):
    """One observable in some experiments, in one colour."""

    observable: Name = Field(description="which one")
    experiments: list[Label] | None = Field(None, min_length=1, description="in which ones; default: all")
    label: Text | None = Field(None, description="in the legend; default: the observable or the experiment")


class PlotSection(Section):
    """One picture: curves and measurements together."""

    title: Text | None = Field(None, description="above it; default: the title of the config")
    curves: list[CurveSection] = Field(min_length=1, max_length=1000, description="what is shown")
    x: Name = Field(TIME_AXIS, description="`time`, or a column of data.experiments: then a point per measurement")
    x_label: Text | None = Field(None, description="of the axis")
    y_label: Text | None = Field(None, description="of the axis")
    x_scale: Literal["linear", "log"] = Field("linear", description="of the axis")
    y_scale: Literal["linear", "log"] = Field("linear", description="of the axis")
    x_offset: Finite = Field(0.0, description="is added to the times that are shown")
