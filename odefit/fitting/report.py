"""From the parameters that were found to a `Result`: errors, intervals, criteria, and what to beware of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray
from odefit.data.chosen_rows import excluded_notes
from odefit.fitting.combined import combination_warning, combined
from odefit.fitting.error_notes import error_notes
from odefit.fitting.explained import plateau_ending
from odefit.fitting.given_noise import refuted_levels
from odefit.fitting.misfit import dominant_measurement, useless_curves, vanishing_predictions
from odefit.fitting.nonsmooth import NonsmoothParameters, nonsmooth_parameters, parameters_at_measurements
from odefit.fitting.outcome import FitOutcome
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from odefit.objective.residuals import residual_sum
from odefit.problem.assembly import Assembly
from odefit.problem.derived import Derived
from odefit.problem.hold_out import errors
from odefit.problem.settled import unsettled
from odefit.problem.settled import warning as unsettled_warning
from odefit.runs.results import Estimate, ObjectiveSummary, Result
from odefit.status import Status
from odefit.text import abridged
from odefit.uncertainty.covariance import Covariance, in_combination
from odefit.uncertainty.degrees_of_freedom import (
    no_degrees_left,
    reduced_chi_square,
    residual_standard_error,
)
from odefit.uncertainty.estimation import Uncertainty, estimate_uncertainty
from odefit.uncertainty.intervals import natural_intervals
from odefit.uncertainty.meaning import HARDLY, MEANINGLESS, is_meaningless, without_effect
from odefit.uncertainty.runs_test import structure_left
from odefit.uncertainty.too_few import too_few_measurements

if TYPE_CHECKING:
    from odefit.problem.curve_formulas import CurveDerived

POOR_RELATIVE_ERROR = 1.0
"""A standard error above this share of its estimate: the number is known to little more than its sign."""
NO_EFFECT_ERROR = 1e9
"""A standard error above this multiple of a parameter's size: it has no effect on what is measured."""
BOUND_TOLERANCE = 1e-8
NEARLY_ZERO = 1e-6
"""The share of its start below which a parameter on a log scale is on its way to 0."""
INTERCHANGEABLE = 0.999
"""The correlation beyond which one parameter can make up for any change of another."""
ERRORS_APART = 3.0
"""Standard errors between two places with the same objective, from which on they are two optima."""
FEW_ALIKE, MOST_ALIKE = 3, 20
"""Parameters of which the same is to be said: this many are named for all, and up to this many one by one."""
MOST_SENTENCES = 200
MOST_APART = 6
"""Parameters that are named of two optima."""
AT_A_MEASUREMENT = "its time lies on that of a measurement, where the likelihood is not smooth"
AT_A_KINK = f"{AT_A_MEASUREMENT}; odefit profile goes across"
WITH_WEIGHTS = "it depends on the weights of the network, too, whose errors are not kept"
INHERITED = "a parameter that it follows from is not determined"


def summarise(
    assembly: Assembly, outcome: FitOutcome, seconds: float, truth: dict[str, float] | None
) -> tuple[Result, Uncertainty | None]:
    """The result, and the covariance behind its errors where there is one."""
    problem = assembly.problem
    table = problem.table
    likelihood = Likelihood(problem, keeps=True)
    u = table.to_search(outcome.theta)
    bound = bounds_met(problem, outcome.theta)
    uncertainty, told, notes = _uncertainty(assembly, likelihood, u, bound, outcome.status.is_usable)
    few = too_few_measurements(problem) if assembly.networks is None and len(u) else None
    warnings = [*outcome.warnings, *([few] if few is not None and outcome.status != Status.STOPPED else []), *told]
    events = assembly.loaded.events
    if events is not None and events.steady and (far := unsettled(problem, outcome.theta, events.steady)):
        warnings.append(unsettled_warning(far))
    met = parameters_at_measurements(problem, outcome.theta)
    estimates = _estimates(problem, outcome.theta, u, bound, uncertainty, met)
    estimates |= {d.name: _derived(d, problem, outcome.theta, u, uncertainty) for d in assembly.derived}
    warnings += refuted_levels(likelihood, u) if outcome.status.is_usable else []
    warnings += parameter_warnings(problem, estimates, outcome)
    is_mechanistic = assembly.networks is None
    combinations = combined(likelihood, u, estimates, uncertainty) if uncertainty is not None and is_mechanistic else {}
    warnings += combination_warning(combinations)
    if uncertainty is not None:
        warnings += _other_optima(problem, outcome, u, uncertainty, estimates)
    if is_mechanistic and outcome.status.is_usable:
        warnings += _doubts(likelihood, u, outcome, estimates, met)
    k = len(table.estimated) + outcome.n_weights
    lost = 0 if uncertainty is None else uncertainty.full.nullity(bound == 0)
    value = likelihood.value(u)
    nll = value - likelihood.prior_value(u) if math.isfinite(value) else math.nan
    rss = residual_sum(likelihood, u) if any(len(data.rows) for data in problem.data) else math.nan
    status, message = _ending(assembly, outcome, uncertainty, nll, few)
    result = Result(
        status=status,
        message=message,
        method=outcome.method,
        estimates=estimates,
        objective=ObjectiveSummary.of(nll, rss, problem.n_measured, k),
        starts=outcome.starts,
        seconds=seconds,
        seed=assembly.loaded.config.fit.seed,
        truth=truth,
        warnings=tuple(warnings),
        reduced_chi_square=reduced_chi_square(likelihood, u, lost),
        residual_standard_error=residual_standard_error(likelihood, u, bound == 0, lost),
        correlation=None if uncertainty is None else _correlation(uncertainty.covariance),
        information=None if uncertainty is None else uncertainty.information,
        held=() if uncertainty is None else uncertainty.held,
        notes=(*notes, *excluded_notes(assembly.excluded)),
        left_to_gain=outcome.left,
        tolerances_divided_by=outcome.tightened,
        combinations=combinations,
        original_names=assembly.loaded.config.model.original_names,
        dates=assembly.dates,
        hold_out=errors(problem, assembly.held, outcome.theta).score if assembly.held else None,
    )
    return result, uncertainty


def _uncertainty(
    assembly: Assembly, likelihood: Likelihood, u: FloatArray, bound: NDArray[np.int8], is_usable: bool
) -> tuple[Uncertainty | None, list[str], list[str]]:
    """The covariance of the estimates, warnings, and notes on their errors."""
    warnings, notes = list[str](), list[str]()
    found: Uncertainty | None = None
    if assembly.networks is None and len(u) and no_degrees_left(likelihood):
        warnings.append("no standard errors: there are no more measurements than parameters, so no noise can be told")
    elif assembly.networks is None and len(u):
        found = estimate_uncertainty(likelihood, u, bound)
        if found is None:
            warnings.append("no standard errors: the model could not be differentiated at the estimates")
    elif is_usable:
        from odefit.fitting.network_errors import errors_beside_networks

        found, warnings, notes = errors_beside_networks(assembly, likelihood, u, bound)
    return found, warnings, notes if found is None else [*error_notes(found, likelihood.problem.n_measured), *notes]


def _ending(
    assembly: Assembly, outcome: FitOutcome, uncertainty: Uncertainty | None, nll: float, few: str | None
) -> tuple[Status, str]:
    """How the fit ended; few: what is said of too few measurements, where neither tolerances nor starts would help."""
    status, problem = outcome.status, assembly.problem
    is_known = status == Status.CONVERGED and assembly.networks is None
    if is_known and uncertainty is not None and _is_flat(problem, uncertainty):
        flat = plateau_ending(problem, nll)
        return flat.status, flat.message
    return status, few if few is not None and status == Status.STOPPED else outcome.message


def _doubts(
    likelihood: Likelihood,
    u: FloatArray,
    outcome: FitOutcome,
    estimates: dict[str, Estimate],
    met: NonsmoothParameters,
) -> list[str]:
    """What the solver, the residuals and the likelihood's shape say against a fit of equations."""
    warnings, effect = [], outcome.effect
    if effect is not None and effect.limits and effect.account not in outcome.message:
        warnings.append(f"the solver limits this fit: {effect.account}; {effect.remedy}")
    elif outcome.status == Status.CONVERGED:
        warnings += structure_left(likelihood, u, any(e.standard_error for e in estimates.values()))
    warnings += vanishing_predictions(likelihood, u)
    warnings += useless_curves(likelihood, u)
    dominant = dominant_measurement(likelihood, u)
    warnings += [] if dominant is None else [dominant]
    moving = nonsmooth_parameters(likelihood.problem) if outcome.status == Status.STOPPED else met
    if outcome.status == Status.CONVERGED and outcome.starts.requested > 1 and not moving.jumps:
        return warnings  # several starts are what the sentence asks for, and a kink is seen from both sides
    return warnings + ([] if moving.sentence is None else [moving.sentence])


def bounds_met(problem: FitProblem, theta: FloatArray) -> NDArray[np.int8]:
    """[P], -1 where an estimate lies on its lower bound, 1 on its upper bound, else 0."""
    table = problem.table
    u = table.to_search(theta)
    low, high = table.search_bounds()
    # In search space, where the optimizer moves: a wide bound on a log scale is not near because it is wide.
    close = BOUND_TOLERANCE * np.maximum(table.sizes, np.abs(u))
    return (u >= high - close).astype(np.int8) - (u <= low + close).astype(np.int8)


def _estimates(
    problem: FitProblem,
    theta: FloatArray,
    u: FloatArray,
    bound: NDArray[np.int8],
    uncertainty: Uncertainty | None,
    met: NonsmoothParameters,
) -> dict[str, Estimate]:
    """met: the parameters whose time lies on that of a measurement."""
    table = problem.table
    position = {int(t): k for k, t in enumerate(table.estimated)}
    intervals = None
    if uncertainty is not None:
        errors = uncertainty.full.standard_errors
        intervals = natural_intervals(u, errors, table.transforms, uncertainty.degrees, widening=uncertainty.widening)
        silent = without_effect(table, u, uncertainty.rows)
    estimates = {}
    for i, parameter in enumerate(table):
        k = position.get(i)
        if k is None:
            estimates[parameter.name] = _plain(parameter, float(theta[i]), fixed=True)
            continue
        error, interval, reason = None, None, None
        if uncertainty is not None and intervals is not None:
            reason = uncertainty.full.undetermined.get(parameter.name)
            if is_meaningless(parameter, float(theta[i]), float(intervals.standard_errors[k])):
                meaningless = HARDLY if silent[k] else MEANINGLESS
                reason = reason or _together(uncertainty.covariance, parameter.name) or meaningless
            elif parameter.name in met.jumps + met.kinks:
                reason = reason or (AT_A_MEASUREMENT if parameter.name in met.jumps else AT_A_KINK)
            elif math.isfinite(intervals.standard_errors[k]):
                error = float(intervals.standard_errors[k])
                low, high = uncertainty.noise.get(k, (intervals.lower[k], intervals.upper[k]))
                # Nothing beyond the bounds is possible, whatever the quadratic approximation says.
                low, high = max(low, parameter.lower), min(high, parameter.upper)
                interval = (float(low), float(high))
            elif bound[k] and reason is None:
                reason = "at its bound, where the errors of a free optimum do not apply"
        estimates[parameter.name] = Estimate(
            float(theta[i]),
            error,
            interval,
            parameter.scale,
            parameter.unit,
            at_bound={-1: "lower", 1: "upper"}.get(int(bound[k])),
            reason=reason,
        )
    return estimates


def _together(covariance: Covariance, name: str) -> str | None:
    """Which parameters can make up for any change of this one, by their correlations; None where none does."""
    if name not in covariance.names:
        return None
    with np.errstate(invalid="ignore"):
        alike = np.abs(covariance.correlation[covariance.names.index(name)]) > INTERCHANGEABLE
    partners = [other for other, is_one in zip(covariance.names, alike, strict=True) if is_one and other != name]
    return in_combination(partners) if partners else None


def _derived(
    derived: Derived | CurveDerived,
    problem: FitProblem,
    theta: FloatArray,
    u: FloatArray,
    uncertainty: Uncertainty | None,
) -> Estimate:
    """What follows from the estimates, with the error that it inherits from them."""
    value = derived.evaluate(problem, theta)
    known, reason = None, None
    if uncertainty is not None and uncertainty.information == "penalised" and _needs_weights(derived):
        reason = WITH_WEIGHTS
    elif uncertainty is not None:
        known = derived.interval(problem, theta, u, uncertainty.with_held, uncertainty.reach)
        if known is not None and known[0] == 0 and uncertainty.held:
            known = None  # it follows from nothing but parameters at their bounds
        reason = INHERITED if known is None else None
        from odefit.problem.curve_formulas import CurveDerived

        if known is None and isinstance(derived, CurveDerived):
            reason = derived.why_open(problem, u) or reason
    error, interval = known if known is not None else (None, None)
    known_value = value if math.isfinite(value) else None
    return Estimate(known_value, error, interval, unit=derived.unit, reason=reason, formula=derived.text)


def _needs_weights(derived: Derived | CurveDerived) -> bool:
    """Whether what follows from the estimates follows from the weights of networks, too."""
    from odefit.problem.curve_formulas import CurveDerived

    return isinstance(derived, CurveDerived) or bool(derived.networks)


def _plain(parameter: Parameter, value: float, fixed: bool) -> Estimate:
    return Estimate(value, scale=parameter.scale, unit=parameter.unit, fixed=fixed)


def _other_optima(
    problem: FitProblem, outcome: FitOutcome, u: FloatArray, uncertainty: Uncertainty, estimates: dict[str, Estimate]
) -> list[str]:
    """A sentence where starts reached the same objective at another place."""
    errors = uncertainty.full.standard_errors
    names = problem.table.estimated_names
    for theta in outcome.alternatives:
        other = problem.table.to_search(theta)
        with np.errstate(invalid="ignore", divide="ignore"):
            far = np.flatnonzero(np.abs(other - u) > ERRORS_APART * errors)
        if not len(far):
            continue
        apart = [names[k] for k in far]
        first, which = apart[:MOST_APART], abridged(apart, MOST_APART)
        there = ", ".join(f"{theta[problem.table.index[name]]:.4g}" for name in first)
        here = ", ".join(f"{estimates[name].value:.4g}" for name in first)
        return [
            f"other starts reached the same objective at another place: {which} = {there} instead of "
            f"{here}; the data cannot tell these apart, and the intervals know of one of them only (see starts.csv)"
        ]
    return []


def _is_flat(problem: FitProblem, uncertainty: Uncertainty) -> bool:
    """Whether the predictions depend on none of the estimated parameters that are no noise levels, each for itself.

    Parameters that are determined in combination only have an effect, and are no reason to doubt the optimum.
    """
    table = problem.table
    lengths = dict(zip(uncertainty.full.names, uncertainty.rows.lengths, strict=True))
    chosen = [name for name in lengths if table[name].role != "noise"]
    return bool(chosen) and all(lengths[n] * NO_EFFECT_ERROR * table[n].size < 1 for n in chosen)


def _has_size(p: Parameter) -> bool:
    """Whether zero means something: an initial value or a logarithm near zero may be known well."""
    return p.role == "model" and (p.scale != "linear" or p.lower >= 0)


def parameter_warnings(problem: FitProblem, estimates: dict[str, Estimate], outcome: FitOutcome) -> list[str]:
    """One sentence for each parameter; where many would say the same, one for all of them."""
    said: dict[str, list[str]] = {}
    for name, e in estimates.items():
        complaint = _complaint(problem, name, e)
        if complaint is not None:
            said.setdefault(complaint, []).append(name)
    sentences = []
    for complaint, names in said.items():
        # What follows from others has nothing of its own to be told.
        if len(names) <= (FEW_ALIKE if estimates[names[0]].formula is not None else MOST_ALIKE):
            sentences += [f"{name} {complaint}" for name in names]
        else:
            sentences.append(f"{abridged(names, FEW_ALIKE)}: each {complaint}")
    if len(sentences) > MOST_SENTENCES:
        more = len(sentences) - MOST_SENTENCES
        sentences = [*sentences[:MOST_SENTENCES], f"{more:,} more parameters have a remark like that in result.json"]
    if outcome.status != Status.CONVERGED and any(e.standard_error for e in estimates.values()):
        sentences.append("the standard errors assume an optimum, and this fit did not reach one for certain")
    return sentences


def _falls_to_zero(problem: FitProblem, name: str, e: Estimate) -> bool:
    """Whether a parameter on a log scale, whose bound is 0, is on its way there."""
    if e.fixed or e.formula is not None or e.value is None or name not in problem.table.index:
        return False
    p = problem.table[name]
    return p.scale == "log" and p.lower <= 0 and p.role != "noise" and e.value < NEARLY_ZERO * p.value


def _complaint(problem: FitProblem, name: str, e: Estimate) -> str | None:
    """What the user should know of one parameter, after its name."""
    if e.at_bound and name in problem.table.index and problem.table[name].role == "noise":
        return f"lies at its {e.at_bound} bound: the data may not need this part of the noise model"
    if _falls_to_zero(problem, name, e):
        return "goes to 0, which no logarithm reaches: give it a lower bound above 0, or a linear scale"
    if e.at_bound:
        return f"lies at its {e.at_bound} bound: widen the bound, or fix the parameter"
    if e.reason in (AT_A_MEASUREMENT, AT_A_KINK):
        return f"has no interval: {e.reason}"
    if e.reason:
        return f"is not determined: {e.reason}"
    if e.formula is not None or not _has_size(problem.table[name]) or not e.standard_error:
        return None
    if e.standard_error > POOR_RELATIVE_ERROR * abs(e.value or 0):
        return "is poorly determined: its standard error exceeds its value"
    return None


def _correlation(covariance: Covariance) -> dict[str, dict[str, float]]:
    """The correlations of the determined ones of these parameters, in search space."""
    matrix = covariance.correlation
    keep = [i for i, name in enumerate(covariance.names) if np.isfinite(matrix[i, i])]
    return {covariance.names[i]: {covariance.names[j]: float(matrix[i, j]) for j in keep} for i in keep}
