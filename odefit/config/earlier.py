"""What an earlier fit has found, as the start of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from odefit.records import dataclass


@dataclass(frozen=True)
class EarlierFit:
    """Values that a fit begins with, in place of those of its config.

    Attributes
    ----------
    name
        What messages call the fit that has found them.
    values
        Parameters by name, natural scale.
    weights
        The networks' tensors by name, as in `weights.pt`.
    """

    name: str
    values: Mapping[str, float]
    weights: Mapping[str, Any] = field(default_factory=dict)
