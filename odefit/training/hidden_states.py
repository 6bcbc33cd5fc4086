"""Where states that nobody measures begin, in a vector field that is a network (`model/free_states.py`).

What is hidden shows in how the measured states move: two series that pass the same x with another slope differ in what
is hidden. So the first hidden states are the slopes of the measured ones in units of their spread, the next the slopes
of these, and so on: derivative coordinates, with which a series of enough of them tells the state of any smooth system
(F. Takens 1981, "Detecting strange attractors in turbulence"). They are a start: windows and whole series then train
the states at all places with the network, and what comes out is the hidden states up to a transformation.
"""

from __future__ import annotations

import numpy as np

from odefit.model.free_states import free_states
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.training.smoothing import Smoothed, observed_states, smooth_values

DEEPEST = 2
"""The most slopes of slopes: noise leaves nothing of more."""


@dataclass(frozen=True)
class Slope:
    """A hidden state that begins as the slope of another state, which is measured or such a slope itself.

    Parameters
    ----------
    state, source
        Positions among the states.
    """

    state: int
    source: int


def hidden_slopes(problem: FitProblem) -> tuple[Slope, ...]:
    """What each hidden state begins as; empty where all are measured, or these cannot be chosen at will."""
    system = problem.observation.system
    free = free_states(system)
    measured = [k for k, column in enumerate(observed_states(problem).column) if column >= 0]
    if not free or len(measured) + len(free) < len(system.states) or len(free) > DEEPEST * len(measured):
        return ()
    sources, found = list(measured), []
    for state in map(system.states.index, free):
        found.append(Slope(state, sources.pop(0)))
        sources.append(state)
    return tuple(found)


def with_hidden(problem: FitProblem, smoothed: list[Smoothed]) -> list[Smoothed]:
    """The smoothed series with their hidden states and how these move, where `hidden_slopes` says what they are."""
    times = [e.times for e in problem.experiments]
    for slope in hidden_slopes(problem):
        values = [series.slopes[:, slope.source] for series in smoothed]
        every = np.concatenate(values)
        spread = float(np.nanstd(every)) if np.isfinite(every).any() else 0.0
        curves = smooth_values(times, [v / (spread or 1.0) for v in values])
        for series, (states, slopes) in zip(smoothed, curves, strict=True):
            series.states[:, slope.state], series.slopes[:, slope.state] = states, slopes
    return smoothed


def said_of(problem: FitProblem) -> str | None:
    """The recipe in a line; None where there is no hidden state for it."""
    names = problem.observation.system.states
    slopes = hidden_slopes(problem)
    if not slopes:
        return None
    parts = ", ".join(f"{names[s.state]} as the slope of {names[s.source]}" for s in slopes)
    return f"not measured, so trained with the network, up to a transformation; it begins with {parts}"
