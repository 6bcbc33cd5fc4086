"""The noise of simulated data: `data.simulate.noise`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.errors import Faults
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.substitution import replacing
from odefit.model.system import TIME, symbol
from odefit.objective.observation import Noise
from odefit.problem.described import ESTIMATE, FORMULA, Described, initial_name
from odefit.problem.noise_models import noise_of
from odefit.problem.simulated_columns import Values

if TYPE_CHECKING:
    from odefit.config.simulate_section import SimulateSection

Scatter = Callable[[np.random.Generator, FloatArray, Values], FloatArray]
"""Generator, observables [T, O], values of all names at the same times -> measurements [T, O]."""


def read_scatter(loaded: LoadedConfig, section: SimulateSection, described: Described, faults: Faults) -> Scatter:
    """How the measurements of simulated data scatter around the truth."""
    observables = tuple(described.system.observables)
    each = section.noise if isinstance(section.noise, dict) else dict.fromkeys(observables, section.noise)
    for name in each:
        if name not in observables:
            faults.add(
                loaded.where("data", "simulate", "noise", name),
                f"'{name}' is no observable; there is: {', '.join(observables)}",
            )
    columns = [each.get(name, 0.0) for name in observables]
    levels = np.array([value if isinstance(value, float) else 0.0 for value in columns])
    models = {
        k: _model(loaded, section, described, observables[k], value, faults)
        for k, value in enumerate(columns)
        if isinstance(value, NoiseSection)
    }

    def scatter(rng: np.random.Generator, g: FloatArray, known: Values) -> FloatArray:
        values: FloatArray = g + levels * rng.standard_normal(g.shape)
        for k, (noise, names, level) in models.items():
            s = None if level is None else np.broadcast_to(level(*(known[n] for n in names))[0], g[:, k].shape)
            m = np.log(g[:, k]) if noise.is_log else g[:, k]
            values[:, k] = noise.sample(m, s, rng)
        return values

    return scatter


def simulated_names(described: Described) -> tuple[str, ...]:
    """What the formulas of noise and columns of simulated data may name: all that is known at the measured times."""
    system = described.system
    starts = {initial_name(s) for s, kind in described.initial_kind.items() if kind != FORMULA}
    parameters = (name for name in system.parameters if name not in starts)
    return tuple(dict.fromkeys((*system.states, *system.observables, TIME, *parameters)))


def _model(
    loaded: LoadedConfig,
    section: SimulateSection,
    described: Described,
    observable: str,
    noise: NoiseSection,
    faults: Faults,
) -> tuple[Noise, tuple[str, ...], Callable[..., list[FloatArray | float]] | None]:
    """The noise model, the names that its level may use, and that level as a function of them."""
    keys = ("data", "simulate", "noise", *((observable,) if isinstance(section.noise, dict) else ()))
    system = described.system
    names = (*simulated_names(described), *section.columns)
    named = {name: formula for name, formula in system.expressions.items() if name not in system.observables}
    put_named = replacing({symbol(name): formula for name, formula in named.items()})

    def level(text: str, kind: str) -> sp.Expr:
        where = loaded.where(*keys, kind)
        formula: sp.Expr = sp.Integer(1)
        if text in (ESTIMATE, "column"):
            faults.add(loaded.where(*keys), f"{kind}: the truth must be a number or a formula, e.g. `{kind}: 0.1`")
        else:
            with faults.catching():
                formula = put_named(parse_formula(text, {*names, *named}, where))
        return formula

    model = noise_of(noise, symbol(observable), level)
    return model, names, None if model.sigma is None else numpy_function([model.sigma], names)
