"""The negative binomial distribution in torch: the formulas of counts.py, differentiable. Imports torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from odefit.objective.noise.special import MAX_SERIES_ARGUMENT, MIN_STIRLING_ARGUMENT, NO_DISPERSION


def negative_binomial(y: Tensor, m: Tensor, a: Tensor) -> Tensor:
    """-ln p(y) with mean m > 0 and dispersion a >= 0, all of one shape."""
    # A negative dispersion must not pass for none, and one of 0 keeps its slope.
    least = max(NO_DISPERSION, torch.finfo(a.dtype).tiny)
    a = torch.where(a >= 0, a + (least - a).clamp(min=0).detach(), torch.nan)
    x, w = a * y, a * m
    of_y = a * y * y * _log_ratio(x) + (y - 0.5) * x.log1p() + _remainder_rise(a, y) - torch.lgamma(y + 1)
    return m + a * m * m * _log_ratio(w) - y * (m.log() - w.log1p()) - of_y


def _log_ratio(x: Tensor) -> Tensor:
    """(ln(1 + x) - x) / x². Each branch sees harmless numbers where it is not taken."""
    small = x.clamp(max=MAX_SERIES_ARGUMENT)
    total = torch.zeros_like(small)
    for k in range(13, 1, -1):
        total = total * small + (-1) ** (k + 1) / k
    large = x.clamp(min=MAX_SERIES_ARGUMENT)
    return torch.where(x < MAX_SERIES_ARGUMENT, total, (large.log1p() - large) / large / large)


def _remainder_rise(a: Tensor, y: Tensor) -> Tensor:
    """R(1/a + y) - R(1/a), in terms of a: 1/a itself has no finite slope at 0."""
    b = a / (1 + a * y)
    return _remainder(b) - _remainder(a)


def _remainder(b: Tensor) -> Tensor:
    """R(1/b)."""
    small = b.clamp(max=1 / MIN_STIRLING_ARGUMENT)
    w = small * small
    series = small * (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188))))
    x = 1 / b.clamp(min=1 / MIN_STIRLING_ARGUMENT)
    exact = torch.lgamma(x) - (x - 0.5) * x.log() + x - 0.5 * math.log(2 * math.pi)
    return torch.where(b <= 1 / MIN_STIRLING_ARGUMENT, series, exact)
