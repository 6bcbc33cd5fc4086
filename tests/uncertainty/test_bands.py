"""Bands of experiments that are taken together are those of each alone."""

from __future__ import annotations

import numpy as np

from from_text import assembled
from odefit.uncertainty.bands import prediction_bands

CONFIG = """
model: {equations: {x: a - k*x, z: -z}, initial: {x: 0, z: 1}, observables: {x: x, z: z}}
parameters: {a: 2, k: 0.5}
noise: {x: {sigma: 0.1}, z: {sigma: 0.1}}
"""
DATA = "experiment,time,x,z\ne,0,0,1\nf,0,0,1\nf,1,1.5,0.4\nf,2,2.4,0.1\ng,0,0,1\ng,3,3,0.1\n"


def test_neighbours_with_the_same_parameters_have_the_closed_form() -> None:
    problem, variance = assembled(CONFIG, data=DATA).problem, np.diag([0.04, 0.0])
    bands = prediction_bands(problem, problem.table.values, variance, problem.experiments)
    t = np.concatenate([e.times for e in problem.experiments])
    width = np.concatenate([band.high[:, 0] - band.low[:, 0] for band in bands]) / 2
    np.testing.assert_allclose(width, 1.959964 * 0.2 * (1 - np.exp(-0.5 * t)) / 0.5, rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([band.low[:, 1] for band in bands]), np.exp(-t), rtol=1e-5)


def test_what_has_no_variance_spoils_the_bands_of_experiments_that_move_with_it_alone() -> None:
    problem = assembled(CONFIG, data=DATA).problem
    bands = prediction_bands(problem, problem.table.values, np.diag([0.04, np.nan]), problem.experiments)
    assert bands[0].low[0, 0] == 0.0  # of an experiment that is read where it begins
    for band in bands[1:]:
        assert np.isnan(band.low[:, 0]).all()
        assert np.isfinite(band.low[:, 1]).all()
