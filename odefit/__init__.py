"""odefit: fit the parameters of differential equations to time series, and say how sure you are.

>>> import odefit
>>> run = odefit.fit("configs/lynx_hare.yaml", ["fit.starts=2"])
>>> run.parameters.loc["alpha", ["value", "standard_error"]].astype(float).round(2).tolist()
[0.54, 0.06]

A config may also be a mapping of what would stand in the file, and the data a pandas frame or a list of `Experiment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odefit._version import __version__

if TYPE_CHECKING:
    from odefit.api import check, fit, load, load_run, simulate
    from odefit.data.experiments import Dose, Experiment
    from odefit.errors import (
        ConfigError,
        DataError,
        FitError,
        InputError,
        ModelError,
        OdefitError,
        RunError,
        SolveError,
        StorageError,
    )
    from odefit.exports import export_petab
    from odefit.fitting.run import Run
    from odefit.parts.fits import fit_part
    from odefit.parts.merging import merge
    from odefit.parts.questions import bootstrap_part, profile_part, sample_part
    from odefit.pictures import plot
    from odefit.problem.interface import Problem
    from odefit.profiles.profiling import profile
    from odefit.reports import report
    from odefit.resampling.bootstrap import bootstrap
    from odefit.runs.listing import list_runs
    from odefit.sampling.sample import sample
    from odefit.studies import compare, design, discover, predict
    from odefit.symbolic.finding import symbols

_HOMES = {
    "api": ("load", "fit", "simulate", "check", "load_run"),
    "exports": ("export_petab",),
    "resampling.bootstrap": ("bootstrap",),
    "sampling.sample": ("sample",),
    "runs.listing": ("list_runs",),
    "parts.fits": ("fit_part",),
    "parts.questions": ("profile_part", "bootstrap_part", "sample_part"),
    "parts.merging": ("merge",),
    "pictures": ("plot",),
    "studies": ("predict", "compare", "design", "discover"),
    "symbolic.finding": ("symbols",),
    "reports": ("report",),
    "problem.interface": ("Problem",),
    "profiles.profiling": ("profile",),
    "fitting.run": ("Run",),
    "data.experiments": ("Experiment", "Dose"),
    "errors": (
        *("OdefitError", "InputError", "ConfigError", "DataError", "ModelError", "RunError"),
        *("SolveError", "FitError", "StorageError"),
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ConfigError",
    "DataError",
    "Dose",
    "Experiment",
    "FitError",
    "InputError",
    "ModelError",
    "OdefitError",
    "Problem",
    "Run",
    "RunError",
    "SolveError",
    "StorageError",
    "__version__",
    "bootstrap",
    "bootstrap_part",
    "check",
    "compare",
    "design",
    "discover",
    "export_petab",
    "fit",
    "fit_part",
    "list_runs",
    "load",
    "load_run",
    "merge",
    "plot",
    "predict",
    "profile",
    "profile_part",
    "report",
    "sample",
    "sample_part",
    "simulate",
    "symbols",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # Resolved on first use: `import odefit` costs nothing, and the command line answers at once.
    if name not in _HOME:
        raise AttributeError(f"module 'odefit' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"odefit.{_HOME[name]}"), name)
