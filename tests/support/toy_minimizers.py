"""A minimiser that odefit does not have: SciPy's Nelder-Mead, which asks for values only."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, minimize

from odefit.arrays import FloatArray
from odefit.optimizers.base import Callback, Counter, Objective, SearchOutcome, at_bound, check_box, typical_size
from odefit.status import Ending, Reason


def minimize_nelder_mead(
    objective: Objective,
    u0: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    *,
    size: FloatArray | None = None,
    max_iterations: int = 1000,
    callback: Callback | None = None,
) -> SearchOutcome:
    u, low, high = check_box(u0, lower, upper)
    unit = typical_size(u) if size is None else size
    count, history = Counter(objective), list[float]()

    def value(x: FloatArray) -> float:
        return count.value(np.clip(x * unit, low, high))

    def accept(x: FloatArray) -> None:
        best = value(x)
        if best < history[-1]:
            history.append(best)
            if callback is not None:
                callback(np.clip(x * unit, low, high), best)

    history.append(value(u / unit))
    if not np.isfinite(history[0]):
        ending = Ending(Reason.NO_OBJECTIVE_AT_START)
        return SearchOutcome(u, np.inf, ending, count.n_evaluations, 0, (), at_bound(u, low, high))
    box = Bounds(low / unit, high / unit)
    options = {"maxiter": max_iterations, "xatol": 1e-7, "fatol": 1e-9, "adaptive": True}
    answer = minimize(value, u / unit, method="Nelder-Mead", bounds=box, callback=accept, options=options)
    u = np.clip(answer.x * unit, low, high)
    used = Ending(Reason.OUT_OF_STEPS, {"n": int(answer.nit)})
    ending = Ending(Reason.PARAMETERS_REST) if answer.success else used
    return SearchOutcome(u, float(answer.fun), ending, count.n_evaluations, 0, tuple(history), at_bound(u, low, high))
