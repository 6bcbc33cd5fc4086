"""What is measured, and how it scatters, as mathematics."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from odefit.config.observable_section import ObservableSection
from odefit.fitting.run import Run
from odefit.model.sharing import written_size
from odefit.model.system import System, written
from odefit.model.system import symbol as symbol_of
from odefit.objective.observation import Noise
from odefit.reporting.markup import element, joined
from odefit.reporting.mathml import LARGEST, formula, number, rows
from odefit.reporting.symbols import applied, fenced, symbol
from odefit.reporting.written import written_rows
from odefit.text import clip

Line = tuple[Markup, str, list[Markup]]
_DISTRIBUTIONS = {
    "gaussian": "N",
    "proportional": "N",
    "additive_proportional": "N",
    "lognormal": "N",
    "log10_normal": "N",
    "laplace": "Laplace",
    "log_laplace": "Laplace",
    "log10_laplace": "Laplace",
    "poisson": "Poisson",
    "negative_binomial": "NB",
}


def noise_lines(run: Run) -> list[Line]:
    """Two lines for each observable: its formula, where it is no state, and the distribution of its measurements."""
    observation, system = run.assembly.problem.observation, run.assembly.described.system
    given = run.loaded.config.model.observables or {}
    lines: list[Line] = []
    for name, g in system.observables.items():
        prediction = symbol(name)
        if name in system.compared:
            inner = element("mtext", clip(written(g, system), 80))
            lines.append((prediction, "=", [applied(given[name].kind.replace("_", " "), inner)]))
        elif g != symbol_of(name) and not (name in given and given[name].text == name):
            lines.append((prediction, "=", _formula_of(g, given.get(name), system)))
        noise = observation.noise_for_readers(name)
        lines.append((_measured(name, noise), "∼", [_distribution(name, noise)]))
    return lines


def _formula_of(g: Any, given: ObservableSection | None, system: System) -> list[Markup]:
    """As it was written, where the config has it; else as it is computed."""
    if given is not None:
        return written_rows(given.text, system.networks)
    return rows(g, system.states) if written_size(g) <= LARGEST else [element("mtext", "a long formula")]


def _measured(name: str, noise: Noise) -> Markup:
    """The measurement, on the scale on which it scatters."""
    d = element("msub", element("mi", "d"), element("mrow", symbol(name)))
    if not noise.is_log:
        return d
    return joined(_logarithm(noise), element("mo", "\u2061"), element("mspace", width="0.17em"), d)


def _logarithm(noise: Noise) -> Markup:
    if noise.model.startswith("log10"):
        return element("msub", element("mi", "log"), element("mn", "10"))
    return element("mi", "ln")


def _distribution(name: str, noise: Noise) -> Markup:
    m = symbol(name)
    if noise.is_log:
        m = joined(_logarithm(noise), element("mo", "\u2061"), element("mspace", width="0.17em"), m)
    if noise.model == "poisson":
        return applied("Poisson", m)
    if noise.model == "student_t":
        called = element("msub", element("mi", "t"), number(noise.df or 4.0))
        return joined(called, fenced(joined(m, element("mo", ","), _level(name, noise))))
    level = _level(name, noise)
    is_normal = _DISTRIBUTIONS[noise.model] == "N"
    second = element("msup", element("mrow", level), element("mn", "2")) if is_normal else level
    if is_normal and noise.sigma is not None and not (noise.sigma.is_Symbol or noise.sigma.is_Number):
        second = element("msup", fenced(level), element("mn", "2"))
    return applied(_DISTRIBUTIONS[noise.model], m, second)


def _level(name: str, noise: Noise) -> Markup:
    """The second number of the distribution: a standard deviation, a scale, a dispersion."""
    if noise.sigma is None:
        return joined(element("msub", element("mi", "s"), element("mrow", symbol(name))), element("mtext", " (given)"))
    level: Any = noise.sigma if noise.unit == 1 else noise.sigma / noise.unit
    return formula(level) if written_size(level) <= LARGEST else element("mtext", "a long formula")
