"""The families of noise by name, and the same distributions in SciPy."""

from __future__ import annotations

from typing import Any

from scipy import stats

from odefit.objective.noise.families import family_of
from odefit.objective.noise.family import Family

NAMES = ["gaussian", "laplace", "student_t", "student_t 1.5", "poisson", "negative_binomial"]
CONTINUOUS = NAMES[:4]
COUNTS = NAMES[4:]


def family(name: str) -> Family:
    """A family: `student_t 1.5` has 1.5 degrees of freedom."""
    model, *df = name.split()
    return family_of(model, float(df[0]) if df else None)


def reference(name: str, m: Any, s: Any) -> Any:
    """The distribution in SciPy."""
    if name.startswith("student_t"):
        return stats.t(float(name.split()[1]) if " " in name else 4.0, m, s)
    if name == "negative_binomial":
        return stats.nbinom(1 / s, 1 / (1 + s * m))
    return {"gaussian": stats.norm, "laplace": stats.laplace}[name](m, s) if name != "poisson" else stats.poisson(m)
