"""The sections of a report on a run of equations, with or without networks."""

from __future__ import annotations

from odefit.comparison.comparing import Comparison
from odefit.fitting.run import Run
from odefit.reporting.blocks import Section
from odefit.reporting.material import Material
from odefit.reporting.sections.comparison import comparison
from odefit.reporting.sections.curves import curves
from odefit.reporting.sections.data import data
from odefit.reporting.sections.estimates import estimates
from odefit.reporting.sections.formulas import formulas
from odefit.reporting.sections.methods import methods
from odefit.reporting.sections.model import model
from odefit.reporting.sections.profiles import profiles
from odefit.reporting.sections.reproduce import reproduce
from odefit.reporting.sections.resampling import bootstrap, posterior
from odefit.reporting.sections.residuals import residuals
from odefit.reporting.sections.search import search
from odefit.reporting.sections.short import short

CITED = {
    "profiles": "Profile likelihoods gave intervals and verdicts on identifiability|profile",
    "bootstrap": "Estimates were checked by refitting data sets drawn anew (bootstrap)|bootstrap",
    "posterior": "The posterior was sampled by the No-U-Turn sampler and judged by rank-normalised R-hat|nuts,rhat",
    "comparison": "Models were compared by AICc and Akaike weights|aicc,weights",
}
"""What the paragraph of methods says of each of these sections, and what it cites for it."""


def sections(run: Run, beside: Comparison | None = None) -> list[Section]:
    """All that there is to say of the run, in the order in which it is read; beside: other fits of its data."""
    material = Material(run)
    surer = (profiles(run), bootstrap(run), posterior(run), comparison(beside))
    parts = [
        short(run),
        model(run),
        data(run),
        estimates(run),
        curves(material),
        residuals(material),
        *surer,
        formulas(run),
        search(run),
        # After the curves: by then the solver is known that stiff equations needed.
        methods(run, [CITED[part.name] for part in surer if part is not None]),
        reproduce(run),
    ]
    return [part for part in parts if part is not None]
