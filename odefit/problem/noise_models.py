"""From the `noise` section to a noise model for every observable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, Mask
from odefit.config.load import LoadedConfig
from odefit.config.noise_section import NoiseSection
from odefit.data.experiments import Experiment
from odefit.errors import Faults
from odefit.model.formulas import free_names, parse_formula
from odefit.model.operators import Abs
from odefit.model.substitution import replacing
from odefit.model.system import TIME, compared_symbol, symbol
from odefit.objective.observation import Noise, covariate_symbol
from odefit.problem.described import ESTIMATE, Described, initial_name
from odefit.problem.measured_columns import MeasuredColumns
from odefit.problem.noise_columns import COLUMN, check_noise_keys
from odefit.records import dataclass

FIRST_SHARE = 0.1
"""Where the search for a share of the prediction, or for a dispersion, begins."""
COUNT_MODELS = ("poisson", "negative_binomial")
"""The noise models of counts."""


@dataclass(frozen=True)
class NoiseModels:
    """The noise of all observables.

    Parameters
    ----------
    models
        Observable -> its noise.
    own
        The noise parameters that the config leaves to be named and started here, each with the observable that it is
        for and its kind (sigma, proportional, dispersion).
    named
        Parameters of the config that noise formulas name, and nothing says that others do.
    """

    models: Mapping[str, Noise]
    own: Mapping[str, tuple[str, str]]
    named: frozenset[str]


def read_noise(
    loaded: LoadedConfig, described: Described, measured: Sequence[Experiment], faults: Faults
) -> NoiseModels:
    """Read the noise formulas of the config, which may name what the experiments bring along."""
    constants = {name for e in measured for name in (*e.constants, *e.formulas)}
    beside = MeasuredColumns(described, measured)
    section, system = loaded.config.noise, described.system
    each = {} if isinstance(section, NoiseSection) else section
    check_noise_keys(loaded, system.observables, faults)
    names = {*system.states, *system.observables, *loaded.config.parameters, *described.nominal, *constants}
    names |= {*loaded.config.data.inputs, *system.expressions, *map(initial_name, system.states)}
    # An observable's name means its prediction, also where an expression has the same.
    expressions = {name: formula for name, formula in system.expressions.items() if name not in system.observables}
    named = {**described.ties, **described.starts, **described.columns, **expressions}
    put_named = replacing({symbol(name): formula for name, formula in named.items()})
    predictions = {symbol(name): formula for name, formula in system.predicted.items()}
    own: dict[str, tuple[str, str]] = {}
    models = {}
    for name in system.observables:
        general = section if isinstance(section, NoiseSection) else NoiseSection()
        chosen = each.get(name, general)
        keys = ("noise", name) if name in each else ("noise",)

        def level(text: str, kind: str, name: str = name, keys: tuple[str, ...] = keys) -> sp.Expr:
            if text == ESTIMATE:
                return symbol(_own_name(loaded, described, own, name, kind, faults))
            where = loaded.where(*keys, kind)
            formula: sp.Expr = sp.S.One
            with faults.catching():
                formula = put_named(parse_formula(text, {*names, *beside.names}, where))
            if formula.is_number and not float(formula) > 0:
                faults.add(where, f"{kind} must be positive (got {text})")
            return formula

        model = noise_of(chosen, system.predicted[name], level)
        if model.sigma is not None:
            # In a noise formula an observable's name means its prediction, and a column's what stands beside its own.
            own_columns = beside.tables_of(model.sigma)
            model = replace(model, sigma=replacing(predictions | beside.parts(name))(model.sigma))
            model = replace(model, covariates=own_columns)
        known = dict.fromkeys((*model.covariates, *described.beside.get(name, ())))
        models[name] = replace(model, covariates=tuple(known))
    free = set().union(*(free_names(model.sigma) for model in models.values() if model.sigma is not None))
    symbols = {covariate_symbol(column, o) for o, model in models.items() for column in model.covariates}
    symbols |= {compared_symbol(name).name for name in system.compared}
    parameters = free - {*system.states, *system.parameters, *own, *loaded.config.data.inputs, *symbols, TIME}
    return NoiseModels(models, own, frozenset(parameters))


def noise_of(section: NoiseSection, prediction: sp.Expr, level: Callable[[str, str], sp.Expr]) -> Noise:
    """The noise model of a section. level: reads the formula of a sigma, a share or a dispersion, and which it is."""
    family = "gaussian" if "proportional" in section.model else section.model
    noise = Noise(family, _sigma(section, prediction, level), section.df)
    if noise.sigma is None or noise.unit == 1:
        return noise
    return replace(noise, sigma=sp.Mul(noise.sigma, sp.Float(noise.unit, 17)))


def _sigma(section: NoiseSection, prediction: sp.Expr, level: Callable[[str, str], sp.Expr]) -> sp.Expr | None:
    """The second parameter of a noise model as a formula; None where there is none, or the data bring it."""
    if section.model == "poisson" or (section.sigma == COLUMN and section.model not in COUNT_MODELS):
        return None
    if section.model == "negative_binomial":
        return level(section.dispersion or ESTIMATE, "dispersion")
    if section.model == "proportional":
        relative: sp.Expr = level(section.proportional or ESTIMATE, "proportional") * Abs(prediction)
        return relative
    if section.model == "additive_proportional":
        share = level(section.proportional or ESTIMATE, "proportional") * prediction
        both: sp.Expr = sp.sqrt(level(section.sigma, "sigma") ** 2 + share**2)
        return both
    return level(section.sigma, "sigma")


def _own_name(
    loaded: LoadedConfig,
    described: Described,
    own: dict[str, tuple[str, str]],
    observable: str,
    kind: str,
    faults: Faults,
) -> str:
    """`sigma_<observable>`: a parameter that the config need not name."""
    name = f"{kind}_{observable}"
    if name in described.system.parameters:
        faults.add(
            loaded.where("parameters", name),
            f"is also the name of the noise level of {observable}; rename it, or give noise.{observable}.{kind}",
        )
    own[name] = (observable, kind)
    return name


def first_guess(kind: str, model: Noise, values: FloatArray) -> float:
    """The first guess of a noise level from the measurements of its observable."""
    if kind != "sigma":
        return FIRST_SHARE
    values = values[~np.isnan(values)]
    if model.is_log:
        values = np.log(values[values > 0])
    # In units of the largest, whose square may be more than numbers go.
    size = float(np.abs(values).max(initial=0.0))
    return (size * float((values / size).std()) / model.unit if len(values) > 1 and size > 0 else 0.0) or 1.0


def check_measurements(
    loaded: LoadedConfig, noise: Mapping[str, Noise], measured: Sequence[Experiment], faults: Faults
) -> None:
    """Whether the data are such as their noise models make them."""
    for column, (name, model) in enumerate(noise.items()):
        if set().union(*(_sides(e, column) for e in measured)) in ({-1}, {1}):
            what = "every measurement of it is a limit of the same side; nothing can be learnt"
            faults.add(loaded.where("noise", name), what)
        for experiment in measured:
            fault = _fault(name, column, model, experiment)
            if fault is not None:
                key, what = fault
                faults.add(loaded.where("noise", name, *key), what)
                break


def without_logarithm(name: str) -> str:
    """What to do with a measurement about 0 of an observable whose noise is of logarithms."""
    added = f"`noise: {{{name}: {{model: additive_proportional, sigma: 0.1}}}}`"
    return (
        f"leave the row out (`data.exclude`), write it as a limit (`<0.1`) if it is below one, or add noise ({added})"
    )


def _sides(experiment: Experiment, column: int) -> set[int]:
    """The sides on which the truth of its cells may be anywhere; 0 for a cell that is measured or has two ends."""
    known = ~np.isnan(experiment.values[:, column])
    if experiment.censored is None:
        return {0} if known.any() else set()
    side = experiment.censored[known, column]
    if experiment.other_end is not None:
        side = np.where(np.isnan(experiment.other_end[known, column]), side, 0)
    return set(side.tolist())


def _fault(name: str, column: int, model: Noise, experiment: Experiment) -> tuple[tuple[str, ...], str] | None:
    values = experiment.values[:, column]

    def at(bad: Mask) -> str:
        k = int(np.flatnonzero(bad)[0])
        return f"experiment {experiment.name} has {values[k]:g} at t = {experiment.times[k]:g}"

    if model.is_log and (bad := values <= 0).any():
        name_of = "log-normal" if model.model == "lognormal" else model.model
        k = int(np.flatnonzero(bad)[0])
        if experiment.other_end is not None and (end := float(experiment.other_end[k, column])) > 0:
            what = f"values between {values[k]:g} and {end:g} are values below {end:g}: write <{end:g}"
            return (), f"under {name_of} noise {what}; experiment {experiment.name} at t = {experiment.times[k]:g}"
        if experiment.censored is not None and experiment.censored[k, column]:
            limit = f"experiment {experiment.name} has the limit {values[k]:g} at t = {experiment.times[k]:g}"
            return (), f"{name_of} noise needs limits above 0; {limit}"
        return (), f"{name_of} noise needs positive measurements; {at(bad)}: {without_logarithm(name)}"
    if model.model in COUNT_MODELS:
        if (bad := (values < 0) | (values != np.round(values)) & ~np.isnan(values)).any():
            return (), f"{model.model} noise is for counts, which are whole numbers from 0 on; {at(bad)}"
        if experiment.censored is not None and (bad := (values == 0) & (experiment.censored[:, column] < 0)).any():
            return (), f"no count is below 0; {at(bad)} as a limit"
        return None
    if model.sigma is None and (
        experiment.sigma is None or np.isnan(experiment.sigma[~np.isnan(values), column]).any()
    ):
        what = f"the data bring no sigma for every measurement of {name}: add a column `{name}_sigma`, "
        return ("sigma",), what + "or let it be estimated"
    return None
