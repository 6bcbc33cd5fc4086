"""Systems whose equations `discovery.py` has found again: truth, library, starts, and data with noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import odefit
from odefit.data.inputs import interpolate

Array = np.ndarray[Any, np.dtype[np.float64]]
SERIES, TIMES, KNOTS = 5, 200, 41
BURN = 5.0
"""Time on the way to an attractor before the data begin."""


@dataclass(frozen=True)
class System:
    """A system. truth: state -> {term: coefficient}; span: five periods or time constants; burn: to an attractor."""

    name: str
    states: tuple[str, ...]
    truth: Mapping[str, Mapping[str, float]]
    rates: Callable[..., list[float]]
    span: float
    start: Callable[[np.random.Generator], Any]
    library: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    burn: bool = False
    noises: tuple[float, ...] = (0.01, 0.05, 0.1)
    constants: Mapping[str, float] = field(default_factory=dict)


def _sir(rng: np.random.Generator) -> list[float]:
    infected = rng.uniform(0.005, 0.1)
    return [1 - infected, infected, 0.0]


SYSTEMS = {
    s.name: s
    for s in (
        System(
            "lorenz",
            ("x", "y", "z"),
            {"x": {"x": -10, "y": 10}, "y": {"x": 28, "y": -1, "x*z": -1}, "z": {"x*y": 1, "z": -8 / 3}},
            lambda _, y, _u: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]],
            3.75,
            lambda rng: rng.normal([0, 0, 25], 8),
            {"degree": 3},
            burn=True,
        ),
        System(
            "van_der_pol",
            ("x", "y"),
            {"x": {"y": 1}, "y": {"y": 1.5, "x^2*y": -1.5, "x": -1}},
            lambda _, y, _u: [y[1], 1.5 * (1 - y[0] ** 2) * y[1] - y[0]],
            35.0,
            lambda rng: rng.uniform(-2, 2, 2),
            {"degree": 3},
        ),
        System(
            "lotka_volterra",
            ("x", "y"),
            {"x": {"x": 1, "x*y": -0.5}, "y": {"y": -1, "x*y": 0.3}},
            lambda _, y, _u: [y[0] - 0.5 * y[0] * y[1], 0.3 * y[0] * y[1] - y[1]],
            32.0,
            lambda rng: rng.uniform(1, 6, 2),
            {"degree": 3},
        ),
        System(
            "rossler",
            ("x", "y", "z"),
            {"x": {"y": -1, "z": -1}, "y": {"x": 1, "y": 0.2}, "z": {"1": 0.2, "x*z": 1, "z": -5.7}},
            lambda _, y, _u: [-y[1] - y[2], y[0] + 0.2 * y[1], 0.2 + y[2] * (y[0] - 5.7)],
            29.0,
            lambda rng: [rng.uniform(-6, 6), rng.uniform(-6, 6), rng.uniform(0, 2)],
            {"degree": 2},
            burn=True,
        ),
        System(
            "cubic_oscillator",
            ("x", "y"),
            {"x": {"x^3": -0.1, "y^3": 2}, "y": {"x^3": -2, "y^3": -0.1}},
            lambda _, y, _u: [-0.1 * y[0] ** 3 + 2 * y[1] ** 3, -2 * y[0] ** 3 - 0.1 * y[1] ** 3],
            15.0,
            lambda rng: rng.uniform(-2, 2, 2),
            {"degree": 3},
        ),
        System(
            "sir",
            ("s", "i", "r"),
            {"s": {"s*i": -1.2}, "i": {"s*i": 1.2, "i": -0.3}, "r": {"i": 0.3}},
            lambda _, y, _u: [-1.2 * y[0] * y[1], 1.2 * y[0] * y[1] - 0.3 * y[1], 0.3 * y[1]],
            17.0,
            _sir,
            {"degree": 2},
        ),
        System(
            "driven_pendulum",
            ("a", "w"),
            {"a": {"w": 1}, "w": {"sin(a)": -4, "w": -0.3, "u": 1}},
            lambda t, y, u: [y[1], -4 * np.sin(y[0]) - 0.3 * y[1] + float(u(np.array([t]))[0])],
            16.0,
            lambda rng: rng.uniform([-2.5, -2], [2.5, 2]),
            {"degree": 3, "functions": ["sin", "cos"]},
            inputs=("u",),
        ),
        System(
            "michaelis_menten",
            ("s",),
            {"s": {"s/(K_s + s)": -1}},
            lambda _, y, _u: [-y[0] / (0.5 + y[0])],
            5.0,
            lambda rng: [rng.uniform(1, 4)],
            {"degree": 2, "saturating": True},
            noises=(0.01, 0.05),
            constants={"K_s": 0.5},
        ),
    )
}


def simulated(system: System, noise: float, irregular: bool, seed: int) -> list[odefit.Experiment]:
    """Five series of 200 times; noise in standard deviations of the states."""
    rng = np.random.default_rng([seed, round(1000 * noise), irregular, *map(ord, system.name)])
    series = [_series(system, irregular, rng) for _ in range(SERIES)]
    spread = np.concatenate([y for _, y, _ in series], axis=1).std(axis=1)
    found = []
    for k, (t, y, inputs) in enumerate(series):
        noisy = y + noise * spread[:, None] * rng.standard_normal(y.shape)
        values = dict(zip(system.states, noisy, strict=True))
        found.append(odefit.Experiment(f"e{k}", t, values, inputs=inputs))
    return found


def _series(system: System, irregular: bool, rng: np.random.Generator) -> tuple[Array, Array, dict[str, Any]]:
    t = np.linspace(0, system.span, TIMES)
    if irregular:
        t = np.concatenate([[0.0], np.sort(rng.uniform(0, system.span, TIMES - 1))])
    inputs = {}
    for name in system.inputs:
        knots = np.linspace(0, system.span, KNOTS)
        wave = 1.5 * np.sin(rng.uniform(0.5, 2) * knots + rng.uniform(0, 6)) + 0.5 * rng.standard_normal(KNOTS)
        inputs[name] = interpolate(knots, wave, "linear")
    u, start = next(iter(inputs.values()), None), np.asarray(system.start(rng), dtype=float)
    if system.burn:
        start = solve_ivp(system.rates, (0, BURN), start, args=(u,), rtol=1e-8).y[:, -1]
    solved = solve_ivp(
        system.rates, (0, t[-1]), start, t_eval=t, args=(u,), rtol=1e-9, atol=1e-11, max_step=system.span / 100
    )
    return t, solved.y, inputs
