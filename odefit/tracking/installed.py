"""Which packages trackers need."""

from __future__ import annotations

from importlib.util import find_spec

from odefit.config.track_section import TrackSection

NEEDED = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
"""The package of each tracker; the extra has the tracker's name."""


def missing(section: TrackSection) -> list[tuple[str, str]]:
    """The trackers that are asked for and cannot be imported, with the package of each."""
    asked = [(name, package) for name, package in NEEDED.items() if getattr(section, name) is not None]
    return [(name, package) for name, package in asked if find_spec(package) is None]
