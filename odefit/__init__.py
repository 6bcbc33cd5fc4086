"""odefit: fit the parameters of differential equations to time series, and say how sure you are.

>>> import odefit
>>> run = odefit.fit("configs/lynx_hare.yaml")      # doctest: +SKIP
>>> run.parameters                                  # a pandas frame  # doctest: +SKIP

A config may also be a mapping of what would stand in the file: `odefit.fit({"model": {...}, "data": {...}})`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odefit._version import __version__

if TYPE_CHECKING:
    from odefit.api import check, fit, load_run, simulate
    from odefit.fitting.run import Run

__all__ = ["Run", "__version__", "check", "fit", "load_run", "simulate"]

_HOMES = {"fit": "api", "simulate": "api", "check": "api", "load_run": "api", "Run": "fitting.run"}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # Resolved on first use: `import odefit` costs nothing, and the command line answers at once.
    if name not in _HOMES:
        raise AttributeError(f"module 'odefit' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"odefit.{_HOMES[name]}"), name)
