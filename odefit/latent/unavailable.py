"""The commands that are not for a latent ODE, and what each says."""

from __future__ import annotations

from typing import NoReturn

from odefit.config.load import LoadedConfig
from odefit.errors import ConfigError


def prepare(loaded: LoadedConfig) -> NoReturn:
    """There is no problem of equations, and no likelihood as a function of parameters."""
    what = "a latent ODE has no equations to be solved or differentiated here; it can be fitted, checked and plotted"
    raise ConfigError(loaded.where("model", "name"), what)
