"""The parameter table: values, bounds and priors, and what PEtab's objective has more than odefit's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.errors import Faults
from odefit.interop.petab_export.problem import ParameterRow
from odefit.objective.parameters import Parameter, ParameterTable
from odefit.objective.priors import Prior
from odefit.text import abridged

NOTHING = 1e-12
"""A change of the objective that is rounding."""
_NAMES = {
    "uniform": "uniform",
    "normal": "normal",
    "laplace": "laplace",
    "cauchy": "cauchy",
    "gamma": "gamma",
    "log_uniform": "log-uniform",
    "lognormal": "log-normal",
    "log_laplace": "log-laplace",
    "exponential": "exponential",
    "chi_square": "chisquare",
    "rayleigh": "rayleigh",
}


def parameter_rows(
    table: ParameterTable,
    theta: FloatArray,
    id_of: Callable[[int], str],
    faults: Faults,
    loaded: LoadedConfig,
) -> tuple[tuple[ParameterRow, ...], tuple[str, ...], float]:
    """The rows of what is estimated, notes on what is lost, and what the objective gains.

    Parameters
    ----------
    table, theta
        The parameters of the fit, [N], and their values.
    id_of
        The id of a parameter by its position.
    faults, loaded
        Where a prior stands that PEtab has not.
    """
    rows, notes, offset = [], list[str](), 0.0
    some = any(p.estimate and p.prior is not None for p in table)
    scaled = [p.name for p in table if p.estimate and p.scale != "linear" and p.role != "noise"]
    if scaled:
        notes.append(f"PEtab 2 has no scales of the search: those of {abridged(scaled, 6)} are left out")
    for position, given in enumerate(table):
        density, parameter, value = None, given, float(theta[position])
        if not given.estimate:
            continue  # its number stands in the model, and in the conditions
        if is_logarithm(given):
            parameter, value = _logarithm(given), math.log(value)
            notes.append(f"the prior of {given.name} is one of its logarithm, which {id_of(position)} is")
        if parameter.prior is not None:
            density = _density(parameter.prior)
            if density is None:
                what = f"PEtab has no {parameter.prior.kind} density of {given.name}"
                faults.add(loaded.where("parameters", given.name, "prior"), what)
        if some:
            gained, note = _gained(parameter, density, value)
            offset += gained
            notes += [note] if note else []
        rows.append(
            ParameterRow(
                id_of(position),
                parameter.name,
                value,
                parameter.lower,
                parameter.upper,
                None if density is None else (_NAMES[density.kind], _numbers(density)),
            )
        )
    return tuple(rows), tuple(notes), offset


def is_logarithm(parameter: Parameter) -> bool:
    """Whether PEtab has the logarithm of a parameter in its place: the one that its prior is a density of."""
    return parameter.estimate and parameter.prior is not None and parameter.prior.on == "log"


def _logarithm(parameter: Parameter) -> Parameter:
    """ln of a parameter with a prior of it."""
    assert parameter.prior is not None
    ends = (parameter.lower, parameter.upper, *parameter.prior.within)
    lower, upper, *within = (math.log(end) if end > 0 else -math.inf for end in ends)
    prior = replace(parameter.prior, on="natural", within=(within[0], within[1]))
    return replace(parameter, name=f"ln {parameter.name}", lower=lower, upper=upper, prior=prior)


def _density(prior: Prior) -> Prior | None:
    """A prior by a density that PEtab has; None where it has none like it. Bounds make a half of a density a whole."""
    halves = {"half_normal": "normal", "half_cauchy": "cauchy"}
    if prior.kind in halves:
        return Prior(halves[prior.kind], 0.0, prior.a)
    return prior if prior.kind in _NAMES else None


def density_of(prior: Prior) -> tuple[str, tuple[float, ...]] | None:
    """A prior by PEtab's name and numbers; None where it has none like it."""
    found = None if prior.on == "log" else _density(prior)
    return None if found is None or found.kind != prior.kind else (_NAMES[found.kind], _numbers(found))


def _numbers(prior: Prior) -> tuple[float, ...]:
    """The numbers of such a density, in PEtab's parametrisation."""
    if prior.kind in ("lognormal", "log_laplace"):
        return math.log(prior.a), prior.b
    return (1.0 / prior.a,) if prior.kind == "exponential" else prior.numbers


def _gained(parameter: Parameter, density: Prior | None, value: float) -> tuple[float, str]:
    """What PEtab's objective has more for a parameter, where some have priors, and a sentence on it.

    A parameter without a prior is uniform within its bounds there, and a prior is cut off at the bounds and made a
    density again.
    """
    ends = (parameter.lower, parameter.upper)
    if parameter.prior is None or density is None:
        width = ends[1] - ends[0]
        gained = math.log(width) if 0 < width < math.inf else 0.0
        what = "has no prior: in PEtab it is uniform within its bounds, which adds"
        return gained, f"{parameter.name} {what} {gained:.6g}"
    cut = density if density.kind == "uniform" else replace(density, within=ends)
    gained = cut.value(value) - parameter.prior.value(value)
    if not math.isfinite(gained) or abs(gained) < NOTHING:
        return 0.0, ""
    return gained, f"the prior of {parameter.name} is cut off at its bounds in PEtab, which adds {gained:.6g}"
