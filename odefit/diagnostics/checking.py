"""`odefit check`: everything that a fit would need, and what is bound to what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.config.load import LoadedConfig
from odefit.diagnostics.formula_lines import formula_text
from odefit.diagnostics.unit_consistency import unit_warnings
from odefit.engines.methods import METHODS
from odefit.engines.tolerances import atol_words
from odefit.objective.likelihood import Likelihood
from odefit.objective.observation import Noise
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from odefit.problem.assembly import Assembly
from odefit.problem.described import ESTIMATE, FIRST, GIVEN
from odefit.problem.preparation import prepare
from odefit.text import abridged, counted
from odefit.uncertainty.too_few import too_few_measurements

if TYPE_CHECKING:
    from odefit.config.event_section import EventSection
    from odefit.objective.priors import Prior

MAX_LINES = 40
"""The most events, experiments or parameters that are listed one by one."""


def report(loaded: LoadedConfig, name: str) -> str:
    """The assembled problem as text. Raises what `fit` would raise for the same input. name: of the config."""
    assembly, truth = prepare(loaded)
    if loaded.config.fit.folds is not None:
        from odefit.fitting.cross_validation import make_folds

        make_folds(assembly)
    problem = assembly.problem
    lines = [f"{name}: fine", "", "Equations", *_equations(assembly), "", "Measured"]
    lines += _measured(assembly)
    lines += _conditions(assembly)
    lines += ["", "Parameters", *_parameters(problem), *_derived(assembly), *_bare(assembly)]
    if truth is not None:
        lines += ["", "The data are simulated, so the truth is known."]
    lines += ["", f"Solver: {_solver(assembly)}"]
    lines += [f"note: {note}" for note in assembly.notes]
    lines += [*start_warnings(assembly), *(f"warning: {what}" for what in unit_warnings(loaded))]
    return "\n".join(lines)


def gradient_lines(assembly: Assembly) -> list[str]:
    """Whether the fit's gradient agrees with differences at random points, and what the solver's tolerance does."""
    from odefit.diagnostics.gradient_check import check_gradients, report_lines

    return report_lines(check_gradients(assembly, seed=assembly.loaded.config.fit.seed))


def _equations(assembly: Assembly) -> list[str]:
    described, section = assembly.described, assembly.loaded.config.model
    system, starts = described.system, {e.start for e in assembly.measured}
    start = f"{starts.pop():g}" if len(starts) == 1 else "start"
    texts = section.equations or {}  # as they were written: no factor moved, no number worked out
    lines = [f"  d{name}/dt = {formula_text(texts.get(name, f), system)}" for name, f in system.equations.items()]
    lines += [f"  {name} = {formula_text(text)}" for name, text in section.expressions.items()]
    words = {ESTIMATE: "estimated", FIRST: "the first measured row", GIVEN: "from the table of experiments"}
    given = section.initial if isinstance(section.initial, dict) else {}
    for state, formula in system.initial.items():
        said = words.get(described.initial_kind[state]) or formula_text(given.get(state, formula))
        lines.append(f"  {state}({start}) = {said}")
    if system.rest is not None:
        other = ", ".join(f"{name} = {formula_text(f)}" for name, f in system.rest.values.items())
        lines.append("  from there at rest before the start" + (f", with {other}" if other else ""))
    happenings = [line for event in section.events for line in _event_lines(event)]
    return [*lines, *happenings[:MAX_LINES]]


def _event_lines(event: EventSection) -> list[str]:
    """A line for each time of an event, or one for its condition."""
    changes = ", ".join(f"{state} becomes {formula_text(text)}" for state, text in event.set.items())
    if event.when is None:
        return [f"  at t = {formula_text(time)}: {changes}" for time in event.times]
    later = "" if event.delay is None else f", {formula_text(event.delay)} later"
    return [f"  when {formula_text(event.when)} becomes true{later}: {changes}"]


def _measured(assembly: Assembly) -> list[str]:
    observation, experiments = assembly.problem.observation, assembly.problem.experiments
    counts = [
        sum(int(np.count_nonzero(~np.isnan(e.values[:, k]))) for e in experiments)
        for k in range(len(observation.names))
    ]
    lines = []
    system, given = assembly.described.system, assembly.loaded.config.model.observables or {}
    for name, count in zip(system.observables, counts, strict=True):
        noise = observation.noise_for_readers(name)
        sigma = "from the data" if noise.sigma is None else formula_text(in_unit(noise)).replace(f"[{name}]", "")
        sigma = f"{sigma.removeprefix('1*')} (of the decimal logarithm)" if noise.unit != 1 else sigma
        # What is called as a state or an expression is shown with what that is.
        is_named = name in given and given[name].text != name
        formula = formula_text(given[name].text if is_named else system.observables[name], system)
        if name in system.compared:
            formula = f"{{{system.compared[name]}: {formula}}}"
        lines.append(f"  {name} = {formula}: {count} values, {noise.model} noise, sigma = {sigma}")
    first, last = min(e.times[0] for e in experiments), max(e.last for e in experiments)
    lines.append(f"  {counted(len(experiments), 'experiment')}, t = {first:g} to {last:g}")
    limits = sum(int(np.count_nonzero(e.censored)) for e in assembly.measured if e.censored is not None)
    between = sum(int(np.isfinite(e.other_end).sum()) for e in assembly.measured if e.other_end is not None)
    if between:
        lines.append(f"  {counted(between, 'value')} known only to lie between two numbers")
    limits -= between
    if limits:
        lines.append(f"  {counted(limits, 'value')} known only to lie below or above a limit")
    if assembly.held:
        lines.append(f"  held out: {counted(sum(e.n_measured for e in assembly.held), 'value')}")
    return lines


def in_unit(noise: Noise) -> Any:
    """The noise level in the unit in which it is given."""
    return noise.sigma if noise.sigma is None or noise.unit == 1 else noise.sigma / noise.unit


def _conditions(assembly: Assembly) -> list[str]:
    """What the experiments are given beside their equations."""
    lines = []
    together = len({e.start for e in assembly.measured}) == 1
    for e in assembly.measured[:MAX_LINES]:
        parts = [] if together else [f"starts at t = {e.start:g}"]
        parts += [f"{name} = {value:g}" for name, value in e.constants.items()]
        parts += [f"{name} = {text}" for name, text in e.formulas.items()]
        parts += [f"{name} = {value}" for name, value in e.labels.items()]
        if e.doses:
            total = sum(dose.amount for dose in e.doses)
            parts.append(f"{counted(len(e.doses), 'dose')}, {total:g} in all, the first at t = {e.doses[0].time:g}")
        parts += [f"{name}(t) with {counted(len(u.knots), 'point')}" for name, u in e.inputs.items()]
        if parts:
            lines.append(f"  {e.name}: {', '.join(parts)}")
    if not lines:
        return []
    more = len(assembly.measured) - MAX_LINES
    return ["", "Experiments", *lines, *([f"  … and {more} more"] if more > 0 else [])]


def _derived(assembly: Assembly) -> list[str]:
    return [f"  {d.name} = {d.text}" for d in assembly.derived[:MAX_LINES]]


def _bare(assembly: Assembly) -> list[str]:
    """What is said of parameters that are estimated although the config gives only their number."""
    sections = assembly.loaded.config.parameters
    given = ("bounds", "prior", "scale", "by")
    used = {name.partition("[")[0] for name in assembly.problem.table.names}
    bare = [
        name
        for name, section in sections.items()
        if name in used
        and section.estimate
        and section.value is not None
        and all(getattr(section, key) is None for key in given)
    ]
    if not bare:
        return []
    shown = abridged(bare, 5)
    example = f"`{bare[0]}: {{value: {sections[bare[0]].value:g}, estimate: false}}`"
    return ["", f"note: a number alone is where the search starts ({shown}); to keep it, write {example}"]


def _parameters(problem: FitProblem, most: int = MAX_LINES) -> list[str]:
    rows = list(problem.table)
    width = max((len(p.name) for p in rows), default=0)
    lines = [f"  {p.name:<{width}}  {_parameter(p)}" for p in rows[:most]]
    return lines + ([f"  … and {len(rows) - most} more"] if len(rows) > most else [])


def _parameter(p: Parameter) -> str:
    if not p.estimate:
        return f"fixed at {p.value:g}" + (f" {p.unit}" if p.unit else "")
    text = f"estimated from {p.value:g}, {p.scale} scale"
    if np.isfinite(p.lower) or np.isfinite(p.upper):
        text += f", bounds {p.lower:g} to {p.upper:g}"
    if p.prior:
        text += f", {_prior(p.prior)}"
    return text + (f" {p.unit}" if p.unit else "")


def _prior(prior: Prior) -> str:
    numbers = ", ".join(f"{number:g}" for number in prior.numbers)
    cut = math.isfinite(prior.within[0]) or math.isfinite(prior.within[1])
    words = (" of its logarithm" if prior.on == "log" else "") + (", truncated to the bounds" if cut else "")
    return f"{prior.kind} prior ({numbers}){words}"


def _solver(assembly: Assembly) -> str:
    engine = assembly.problem.engine
    options, method = engine.options, METHODS[engine.method_in_use]
    detail = (
        f"step {options.step:g}"
        if options.step
        else f"rtol {options.rtol:g}, atol {atol_words(options, engine.system.states)}"
    )
    if method.is_fixed_step and options.step is None:
        detail = "from one measured time to the next; set solver.step"
    return f"{options.method} ({method.engine}), {detail}"


def start_warnings(assembly: Assembly) -> list[str]:
    """Whether the model can be solved at the start of the search, whether there are measurements enough, and which
    parameters change nothing there."""
    likelihood = Likelihood(assembly.problem)
    table = assembly.problem.table
    u = table.to_search(table.values)
    value = likelihood.value(u)
    if not np.isfinite(value):
        return [f"warning: the model fails at its starting values: {likelihood.failure}"]
    if assembly.networks is not None or not len(u):
        return []
    few = too_few_measurements(assembly.problem)
    warnings = [] if few is None else [f"warning: {few}"]
    evaluation = likelihood.evaluate(u)
    if not evaluation.is_finite:
        return [*warnings, f"warning: the model cannot be differentiated at its starting values: {likelihood.failure}"]
    silent = [table.estimated_names[k] for k in np.flatnonzero(evaluation.lengths == 0)]
    return [*warnings, *(f"warning: {k} has no effect on what is measured at its starting value" for k in silent)]
