"""Sensitivities of every built-in system, four ways: compiled, forward in torch, autograd, and by differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from odefit.data.dataset import collate
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.engines.torch_engine import TorchEngine
from odefit.model import catalogue
from odefit.model.formulas import parse_formula
from odefit.model.system import System, symbol

NAMES = [name for name in catalogue.names() if not catalogue.entry(name).family]
# Explicit methods, and derivatives through their steps, are only good before the stiff phase; others need many of them.
SHARE = {"robertson": 1e-7, "oregonator": 1e-3, "hodgkin_huxley": 0.03, "tmdd": 0.03, "hiv": 0.03}


def system_of(name: str) -> tuple[System, np.ndarray]:
    """The system with every initial value a parameter, and its nominal p [1, L]."""
    entry = catalogue.entry(name)
    states = tuple(entry.equations)
    starts = {state: f"{state}_0" for state in states}
    parameters = (*entry.parameters, *starts.values())
    equations = {s: parse_formula(text, {*states, *parameters}) for s, text in entry.equations.items()}
    initial = {s: symbol(start) for s, start in starts.items()}
    system = System(name, states, parameters, equations, initial, {s: symbol(s) for s in states})
    return system, np.array([[*entry.parameters.values(), *(entry.initial[s] for s in states)]], dtype=np.float64)


def short(name: str) -> Experiment:
    """A tenth of the nominal time span: long enough to tell, short enough for chaos."""
    first, last = catalogue.entry(name).time_span
    share = SHARE.get(name, 0.1)
    times = np.linspace(first, first + share * (last - first), 6)
    return Experiment("1", times, np.full((6, 1), np.nan), first)


@pytest.mark.parametrize("name", NAMES)
def test_four_ways_agree(name: str) -> None:
    system, p = system_of(name)
    experiment = short(name)
    compiled = DiffsolEngine(system, SolverOptions("auto", 1e-9, 1e-11), system.parameters)
    engine = TorchEngine(system, SolverOptions("dopri5", 1e-7, 1e-9), system.parameters)
    ours = compiled.solve(p, [experiment], sensitivities=True)[0]
    forward = engine.solve(p, [experiment], sensitivities=True)[0]
    assert ours.failure is None
    assert forward.failure is None
    assert ours.dy is not None
    assert forward.dy is not None
    batch = collate([(0, experiment)], dtype=torch.float64)
    backward = torch.autograd.functional.jacobian(
        lambda q: engine.solve_batch(q, batch)[0], torch.as_tensor(p), vectorize=True
    )[:, :, 0, :].numpy()
    # In units of each parameter, so that one tolerance serves rate constants of all sizes.
    size = np.maximum(np.abs(p[0]), 1e-3)
    scale = np.abs(ours.y).max() + np.abs(ours.dy * size).max()
    for other in (forward.dy, backward):
        np.testing.assert_allclose(ours.dy * size, other * size, rtol=1e-5, atol=1e-6 * scale)
    h = 1e-5 * size
    for k in range(p.shape[1]):
        step = np.zeros_like(p)
        step[0, k] = h[k]
        ends = [compiled.solve(p + sign * step, [experiment])[0].y for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(ours.dy[:, :, k] * size[k], difference, rtol=1e-3, atol=1e-4 * scale)
