"""The errors of the parameters beside a network: those of a mechanism, initial values and noise levels of a hybrid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, Mask
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.objective.likelihood import Likelihood
from odefit.problem.assembly import Assembly
from odefit.text import abridged
from odefit.uncertainty.covariance import Covariance
from odefit.uncertainty.degrees_of_freedom import noise_levels
from odefit.uncertainty.estimation import Uncertainty
from odefit.uncertainty.penalised import PenalisedErrors, penalised_errors

LEANS = 3.0
"""From this ratio on, of the error by the data alone to that with the penalty, the latter is said to lean on it."""
MOST_NAMED = 4


def errors_beside_networks(
    assembly: Assembly, likelihood: Likelihood, u: FloatArray, bound: NDArray[np.int8]
) -> tuple[Uncertainty | None, list[str], list[str]]:
    """The errors at the end of a training, warnings, and notes on them.

    Parameters
    ----------
    assembly, likelihood
        The problem with its trained networks.
    u
        [P], the estimates in search space.
    bound
        [P], not 0 for estimates that lie on a bound.
    """
    from odefit.training.penalised_rows import Unavailable, penalised_rows

    section, problem = assembly.loaded.config.fit, likelihood.problem
    if assembly.networks is None or not len(u):
        return None, [], []
    try:
        rows = penalised_rows(likelihood, assembly.networks, u, section.loss or "mse", section.weight_decay or 0.0)
    except Unavailable as error:
        return None, [f"no standard errors beside this network: {error}"], []
    finite = all(np.isfinite(one).all() for one in (*rows.measured, *rows.variances, rows.others))
    if not finite or not any(len(one) for one in rows.measured):
        return None, ["no standard errors: the model could not be differentiated at the estimates"], []
    levels = [data.scale_position for data in problem.data]
    is_noise, free = noise_levels(problem), bound == 0
    found = penalised_errors(rows.measured, rows.variances, rows.others, free & ~is_noise, levels)
    left = problem.n_measured - float(found.taken.sum())
    if left < 1:
        what = "no standard errors: with its network the model can follow every measurement, so no noise can be told"
        return None, [what], []
    covariance, reasons = _covariance(assembly, found, u, free, is_noise)
    names = problem.table.estimated_names
    full = Covariance.of_matrix(names, covariance, reasons)
    degrees = left if all(level is not None for level in levels) else math.inf
    held = tuple(name for name, is_free in zip(names, free, strict=True) if not is_free)
    shape = DenseMatrix(np.concatenate(rows.measured)[:, : len(u)])
    uncertainty = Uncertainty(full, degrees, shape, information="penalised", held=held)
    return uncertainty, [], _notes(names, found, free & ~is_noise, reasons)


def _covariance(
    assembly: Assembly, found: PenalisedErrors, u: FloatArray, free: Mask, is_noise: Mask
) -> tuple[FloatArray, dict[str, str]]:
    """[P, P] in search space, NaN where a parameter is not determined, and the reasons why."""
    problem = assembly.problem
    table, names = problem.table, problem.table.estimated_names
    covariance, reasons = found.covariance.copy(), dict[str, str]()
    networks = ", ".join(problem.engine.system.networks)
    for k, name in enumerate(names):
        if is_noise[k]:
            covariance[k, k] = _of_noise(assembly, k, u, found)
            if not math.isfinite(covariance[k, k]) and free[k]:
                reasons[name] = "not computed for a noise level of this kind beside a network"
        elif free[k] and found.by_data[k] > max(table.sizes[k], abs(u[k]) if table[name].scale == "linear" else 1.0):
            reasons[name] = (
                f"the data determine it only in combination with the network {networks}; "
                "what it says is the choice of the penalty, the weight decay and the training"
            )
    lost = np.array([name in reasons for name in names]) | ~free
    covariance[lost] = np.nan
    covariance[:, lost] = np.nan
    return covariance, reasons


def _of_noise(assembly: Assembly, k: int, u: FloatArray, found: PenalisedErrors) -> float:
    """The variance of a noise level in search space, of normal residuals: sigma²/(2 degrees of freedom)."""
    problem = assembly.problem
    table, position = problem.table, int(problem.table.estimated[k])
    own = [n for n, data in enumerate(problem.data) if data.scale_position == position]
    left = sum(len(problem.data[n].rows) for n in own) - float(found.taken[own].sum())
    if left < 1:
        return math.nan
    sigma = float(table.to_natural(u)[position])
    return (sigma / float(table.transforms.derivative(u)[k])) ** 2 / (2 * left)


def _notes(names: Sequence[str], found: PenalisedErrors, chosen: Mask, reasons: dict[str, str]) -> list[str]:
    """How the errors came about, and whose lean on the penalty."""
    notes = ["standard errors allow for all weights of the network, as its penalty and weight decay hold them"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found.by_data / np.sqrt(np.diag(found.covariance))
    leaning = [k for k in np.flatnonzero(chosen & (ratio > LEANS)).tolist() if names[k] not in reasons]
    if leaning:
        times = ", ".join(f"{ratio[k]:.0f}" for k in leaning[:MOST_NAMED])
        times += ", …" if len(leaning) > MOST_NAMED else ""
        who = abridged([names[k] for k in leaning], MOST_NAMED)
        alone = f"by the data alone they would be {times} times as large"
        notes.append(f"the errors of {who} lean on penalty and weight decay: {alone}")
    return notes
