"""Every name that stands in a formula of a config, before anything is parsed."""

from __future__ import annotations

from collections.abc import Iterator

from odefit.config.load import LoadedConfig
from odefit.config.model_section import ModelSection
from odefit.config.noise_section import NoiseSection
from odefit.model import catalogue
from odefit.model.tokens import written_names
from odefit.problem.described import initial_name


def named_in_formulas(loaded: LoadedConfig) -> set[str]:
    """The names in formulas, the declared parameters, and the initial values of the states.

    A column of data.experiments with such a name is a constant, and text in its cells a formula.
    """
    config = loaded.config
    simulated = None if config.data.simulate is None else config.data.simulate.model
    found = {*config.parameters}
    for section in (config.model, *(() if simulated is None else (simulated,))):
        states = [*(section.equations or {}), *(section.states or ())]
        if catalogue.is_known(section.name):
            entry = catalogue.entry(section.name)
            found |= {*entry.parameters}
            states += entry.equations
        found |= {*map(initial_name, states)}
        if isinstance(section.steady_state, dict):
            found |= section.steady_state.keys()
        for text in _texts(section):
            found |= written_names(text)
    for text in _other_texts(loaded):
        found |= written_names(text)
    return found


def _texts(section: ModelSection) -> Iterator[str]:
    """The formulas of a model section."""
    yield from (section.equations or {}).values()
    yield from section.expressions.values()
    yield from (one.text for one in (section.observables or {}).values())
    for formulas in (section.initial, section.steady_state):
        if isinstance(formulas, dict):
            yield from formulas.values()
    for event in section.events:
        yield from event.texts


def _other_texts(loaded: LoadedConfig) -> Iterator[str]:
    """The formulas of parameters, doses and noise."""
    config = loaded.config
    yield from (one.formula for one in config.parameters.values() if one.formula is not None)
    if config.data.doses is not None:
        yield from (config.data.doses.lag, config.data.doses.fraction)
        for one in (config.data.doses, *(config.data.doses.table or ())):
            yield from (text for text in (one.duration, one.rate) if isinstance(text, str))
    each = [config.noise] if isinstance(config.noise, NoiseSection) else config.noise.values()
    for noise in each:
        yield from (text for text in (noise.sigma, noise.proportional, noise.dispersion) if text is not None)
