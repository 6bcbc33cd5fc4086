"""The commands that are not for equations which are to be found, and what they say."""

from __future__ import annotations

from typing import Any, NoReturn

from odefit.config.load import LoadedConfig
from odefit.errors import ConfigError, RunError


def plan(loaded: LoadedConfig) -> NoReturn:
    """There are no equations yet."""
    what = (
        f"its equations are to be found first: `odefit discover {loaded.path.name}` writes configs that can be fitted"
    )
    raise ConfigError(loaded.where("model", "name"), what)


def load(*_: Any) -> NoReturn:
    """No run folder is that of a sparse model."""
    raise RunError("model", "a sparse model has no run; the candidates of `odefit discover` have theirs")
