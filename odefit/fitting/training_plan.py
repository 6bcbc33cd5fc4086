"""How a training goes: which method and which stages, from the config or as suits the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from odefit.config.fit_methods import AUTO, LBFGS, LEAST_SQUARES, METHODS, FitMethod, Need
from odefit.config.schema import FitSection
from odefit.errors import ConfigError
from odefit.fitting.stages import HorizonOptions, WindowOptions
from odefit.model.graphs.network import DescribedNetwork
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.training.adam import AdamOptions
from odefit.training.learning_rate import Schedule
from odefit.training.windows import obstacle as windows_obstacle

if TYPE_CHECKING:
    from odefit.config.training_section import WindowsSection

LEARNING_RATE = 1e-2
MATCHING_ITERATIONS = 200
MOST_WEIGHTS = 2000
"""A network with more of them is not worth the sensitivities that least squares needs."""


@dataclass(frozen=True)
class Plan:
    """How a training goes. None leaves a stage out.

    Attributes
    ----------
    method
        What minimises.
    whole
        Epochs on whole series, the last stage.
    match
        Iterations of gradient matching, the first stage.
    windows, horizon
        The stages between them.
    normalise
        Networks take the units of their inputs and outputs from the data.
    """

    method: FitMethod
    whole: int | None
    match: int | None = None
    windows: WindowOptions | None = None
    horizon: HorizonOptions | None = None
    normalise: bool = False


def plan_of(assembly: Assembly) -> Plan:
    """The training that the config asks for, or that suits its network. Raises ConfigError."""
    section = assembly.loaded.config.fit
    if assembly.networks is None:
        method = METHODS[section.method]
        return Plan(method, section.epochs or method.epochs, horizon=_horizon(section))
    size = sum(weights.numel() for weights in assembly.networks.parameters())
    if section.method == AUTO:
        small = size <= MOST_WEIGHTS and (section.loss or "mse") == "mse"
        method = METHODS[LEAST_SQUARES if small else LBFGS]
    else:
        method = METHODS[section.method]
    if method.by_population:
        raise ConfigError(assembly.loaded.where("fit", "method"), f"{method.name} is for equations; use lbfgs or adam")
    if section.starts > 1:
        raise ConfigError(assembly.loaded.where("fit", "starts"), "a network is trained from one start; remove the key")
    for key in ("max_iterations", "cpu_limit"):
        if getattr(section, key) is not None:
            raise ConfigError(assembly.loaded.where("fit", key), "a network is trained for `epochs`; set these")
    in_windows = windows_obstacle(assembly.problem)
    why = in_windows or _no_residuals(assembly.networks)
    if method.needs is Need.RESIDUALS and why is not None:
        if section.method != AUTO:
            where = assembly.loaded.where("fit", "method")
            raise ConfigError(where, f"{method.name} is not for this network: {why}; use lbfgs or adam")
        method = METHODS[LBFGS]
    windows, match = section.windows, _iterations(section.match)
    options = None if windows is None else WindowOptions(**_window_options(windows))
    is_trained = set(assembly.networks) <= set(assembly.trained)
    is_free = section.method == AUTO and windows is None and match is None and section.horizon is None
    if is_free and in_windows is None and not is_trained:
        # What did best in benchmarks/windows.py.
        match, options = MATCHING_ITERATIONS, WindowOptions()
    whole = None if windows is not None and not windows.finish else section.epochs or method.epochs
    return Plan(method, whole, match, options, _horizon(section), assembly.loaded.config.model.normalise)


def _no_residuals(networks: nn.ModuleDict) -> str | None:
    """Why the residuals of a training are not linearised, which knows networks of its own and all of their weights."""
    if any(isinstance(module, DescribedNetwork) for module in networks.values()):
        return "a network comes from a file"
    if not all(q.requires_grad for q in networks.parameters()):
        return "some weights are not estimated"
    return None


def _iterations(match: bool | int | None) -> int | None:
    """Of the matching of slopes, as `fit.match` says it."""
    return MATCHING_ITERATIONS if match is True else None if match is None else int(match)


def _horizon(section: FitSection) -> HorizonOptions | None:
    given = section.horizon
    if given is None:
        return None
    return HorizonOptions(tuple(given.shares), None if given.epochs is None else tuple(given.epochs))


def _window_options(windows: WindowsSection) -> dict[str, Any]:
    given = windows.model_dump(exclude={"finish"})
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


def adam_options(section: FitSection) -> AdamOptions:
    """The config's words, with defaults where it is silent."""
    words = section.schedule
    schedule = Schedule(words.kind, words.final, words.factor, words.patience) if words else Schedule()
    return AdamOptions(
        learning_rate=section.learning_rate or LEARNING_RATE,
        schedule=schedule,
        gradient_clip=section.gradient_clip,
        weight_decay=section.weight_decay or 0.0,
        patience=section.patience,
    )
