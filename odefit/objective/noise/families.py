"""The noise models by their names."""

from __future__ import annotations

from odefit.objective.noise.counts import NegativeBinomial, Poisson
from odefit.objective.noise.family import Family
from odefit.objective.noise.location_scale import Gaussian, Laplace, StudentT

DEFAULT_DF = 4.0
"""The degrees of freedom of Student's t where none are given."""

_GAUSSIAN, _LAPLACE, _POISSON, _NEGATIVE_BINOMIAL = Gaussian(), Laplace(), Poisson(), NegativeBinomial()
_BY_NAME: dict[str, Family] = {
    "gaussian": _GAUSSIAN,
    "lognormal": _GAUSSIAN,
    "log10_normal": _GAUSSIAN,
    "laplace": _LAPLACE,
    "log_laplace": _LAPLACE,
    "log10_laplace": _LAPLACE,
    "poisson": _POISSON,
    "negative_binomial": _NEGATIVE_BINOMIAL,
}


def family_of(model: str, df: float | None = None) -> Family:
    """The family of a noise model.

    Parameters
    ----------
    model
        Its name in a config; that of `lognormal` is the normal one, of logarithms, and so on.
    df
        Degrees of freedom of `student_t`; default DEFAULT_DF.

    Raises
    ------
    KeyError
        The name is unknown.
    """
    return StudentT(DEFAULT_DF if df is None else df) if model == "student_t" else _BY_NAME[model]
