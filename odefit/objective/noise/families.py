"""The noise models by their names."""

from __future__ import annotations

from odefit.objective.noise.counts import NegativeBinomial, Poisson
from odefit.objective.noise.family import Family
from odefit.objective.noise.location_scale import Gaussian, Laplace, StudentT

DF = 4.0

_GAUSSIAN, _LAPLACE, _POISSON, _NEGATIVE_BINOMIAL = Gaussian(), Laplace(), Poisson(), NegativeBinomial()
_BY_NAME: dict[str, Family] = {
    "gaussian": _GAUSSIAN,
    "lognormal": _GAUSSIAN,
    "laplace": _LAPLACE,
    "poisson": _POISSON,
    "negative_binomial": _NEGATIVE_BINOMIAL,
}


def family_of(model: str, df: float | None = None) -> Family:
    """The family of a noise model; that of `lognormal` is the normal one, of logarithms.

    df: degrees of freedom of `student_t`, 4 unless given. Raises KeyError for an unknown name.
    """
    return StudentT(DF if df is None else df) if model == "student_t" else _BY_NAME[model]
