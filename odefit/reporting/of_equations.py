"""The sections of a report on a run of equations, with or without networks."""

from __future__ import annotations

from odefit.fitting.run import Run
from odefit.reporting.blocks import Section
from odefit.reporting.material import Material
from odefit.reporting.sections.curves import curves
from odefit.reporting.sections.data import data
from odefit.reporting.sections.estimates import estimates
from odefit.reporting.sections.methods import methods
from odefit.reporting.sections.model import model
from odefit.reporting.sections.reproduce import reproduce
from odefit.reporting.sections.residuals import residuals
from odefit.reporting.sections.search import search
from odefit.reporting.sections.short import short


def sections(run: Run) -> list[Section]:
    """All that there is to say of the run, in the order in which it is read."""
    material = Material(run)
    parts = [
        short(run),
        model(run),
        data(run),
        estimates(run),
        curves(material),
        residuals(material),
        search(run),
        methods(run),  # after the curves: by then the solver is known that stiff equations needed
        reproduce(run),
    ]
    return [part for part in parts if part is not None]
