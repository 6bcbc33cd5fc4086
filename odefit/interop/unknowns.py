"""The parameter table of a PEtab problem as the section `parameters`, priors included."""

from __future__ import annotations

import math
from collections.abc import Mapping

from odefit.interop.draft import DraftParameter
from odefit.interop.petab_prior import PetabPrior
from odefit.interop.petab_problem import PetabParameter

LOG10 = math.log(10.0)
WIDE = 100.0
"""From this ratio of its bounds on, a positive parameter of version 2, which names no scale, is searched by its
logarithm."""


def unknown(parameter: PetabParameter, version: int, others_have_priors: bool) -> tuple[DraftParameter, list[str]]:
    """An entry of `parameters`, and what had to be decided.

    Parameters
    ----------
    parameter
        A row of the parameter table.
    version
        Of PEtab: in version 2 priors are truncated to the bounds, and once there is one, a parameter without any is
        uniform within its bounds.
    others_have_priors
        Whether any parameter has one.
    """
    if not parameter.estimated:
        return DraftParameter(parameter.name, parameter.nominal, estimate=False, comment=_label(parameter)), []
    decisions: list[str] = []
    low, high = parameter.lower, parameter.upper
    log = parameter.scale != "lin"
    if version == 2 and low > 0 and high / low >= WIDE:
        log = True
    value = parameter.nominal
    if value is not None and not low <= value <= high:
        decisions.append(
            f"{parameter.name}: its nominal value {value:g} lies outside its bounds {low:g} to {high:g}, "
            "which are widened to hold it"
        )
        low, high = min(low, value), max(high, value)
    if log and value is not None and value <= 0:
        decisions.append(
            f"{parameter.name}: its nominal value {value:g} has no logarithm: searched on the linear scale"
        )
        log = False
    if log and low < 0:
        log = False
    prior = None
    if parameter.prior is not None:
        prior = prior_of(parameter.prior, parameter.scale, truncated=version == 2)
    elif version == 2 and others_have_priors and math.isfinite(high - low):
        prior = {"uniform": [parameter.lower, parameter.upper]}
    bounds = None if math.isinf(low) and math.isinf(high) else (low, high)
    drafted = DraftParameter(parameter.name, value, bounds=bounds, log=log, prior=prior, comment=_label(parameter))
    return drafted, decisions


def _label(parameter: PetabParameter) -> str:
    return parameter.label if parameter.label != parameter.name else ""


def prior_of(prior: PetabPrior, scale: str, truncated: bool) -> dict[str, object]:
    """A prior as the config has it."""
    made = _density(prior, scale)
    if truncated and prior.kind != "uniform":
        made["truncated"] = True
    return made


def _density(prior: PetabPrior, scale: str) -> dict[str, object]:
    first, *rest = prior.numbers
    second = rest[0] if rest else math.nan
    if prior.on_scale and scale != "lin":
        # On the scale of log10 it is one of ln, with all numbers times ln 10.
        unit = LOG10 if scale == "log10" else 1.0
        return {prior.kind: [first * unit, second * unit], "on": "log"}
    match prior.kind:
        case "uniform" | "normal" | "laplace" | "cauchy" | "gamma":
            return {prior.kind: [first, second]}
        case "log-normal":
            return {"lognormal": [math.exp(first), second]}
        case "log-laplace":
            return {"log_laplace": [math.exp(first), second]}
        case "log-uniform":
            return {"log_uniform": [first, second]}
        case "exponential":
            return {"exponential": 1.0 / first}
        case "chisquare":
            return {"chi_square": first}
    return {prior.kind: first}


def priors_in(parameters: Mapping[str, PetabParameter]) -> bool:
    """Whether any parameter that is estimated has a prior."""
    return any(p.prior is not None for p in parameters.values() if p.estimated)
