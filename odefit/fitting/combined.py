"""What a result says of parameters that the data determine in combination only."""

from __future__ import annotations

from collections.abc import Mapping

from odefit.arrays import FloatArray
from odefit.fitting.local_search import size_of
from odefit.objective.likelihood import Likelihood
from odefit.runs.results import Estimate
from odefit.uncertainty.covariance import IN_COMBINATION
from odefit.uncertainty.estimation import Uncertainty


def combined(
    likelihood: Likelihood, u: FloatArray, estimates: Mapping[str, Estimate], uncertainty: Uncertainty
) -> dict[str, Estimate]:
    """The formulas that describe all that is known of such parameters, with their errors; empty where none are found.

    Parameters
    ----------
    likelihood, u
        At the optimum, [P].
    estimates
        Of all parameters, with the reasons why some have no error.
    uncertainty
        The errors that these come from.
    """
    problem = likelihood.problem
    table = problem.table
    names = [name for name in table.estimated_names if (estimates[name].reason or "").startswith(IN_COMBINATION)]
    if not names:
        return {}
    from odefit.uncertainty.combinations import determined_combinations

    size = size_of([table[name] for name in table.estimated_names])
    found = {}
    for one in determined_combinations(likelihood, u, names, size, uncertainty.rows, uncertainty.scale):
        half = uncertainty.reach * one.standard_error
        interval = (one.value - half, one.value + half)
        found[one.text] = Estimate(one.value, one.standard_error, interval, formula=one.text)
    return found


def combination_warning(combinations: Mapping[str, Estimate]) -> list[str]:
    """The sentence that names them, in a list; empty where there are none."""
    if not combinations:
        return []
    told = [f"{text} = {e.value:.4g} ± {e.standard_error:.2g}" for text, e in combinations.items()]
    listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return [f"of these parameters the data determine only {listed}: fix one of them, or read the combination alone"]
