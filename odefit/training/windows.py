"""Multiple shooting: long series cut into short windows, all of them solved as one batch.

Window w covers n consecutive times of its series and has a start state of its own, y_w: either the smoothed data, or
free and trained with everything else (Bock & Plitt 1984; van Domselaar & Hemker 1975). The loss is that of the whole
series, over the windows, and with a weight c the mean squared gap between neighbours,

    loss + c * mean over gaps and states of ((y(t_v; y_w) - y_v) / scale)²,

where window v begins at t_v within window w and scale is the standard deviation of a state over all data. For the mean
squared error, c is in units of the mean variance of the states: 1 takes a gap for as bad as a residual. With growing c
the windows become one trajectory again.

Windows are solved by the classical Runge-Kutta method with equal steps between neighbouring times. Each has its own
times, so there are n - 1 of them in sequence, however irregular the times of the series are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray, IntArray
from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment
from odefit.engines.failure import STIFF
from odefit.engines.networks.autograd import compiled_field
from odefit.engines.torch_fields import Equations, rows
from odefit.errors import SolveError
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.training import recorded_steps
from odefit.training.objective_torch import TrainingObjective, finite
from odefit.training.smoothing import Smoothed, observed_states

Start = Literal["free", "data", "model"]

MAX_STEPS = 64
"""The most steps between neighbouring times where their number is not given."""
STEP_TOLERANCE = 1e-3
"""The error of the steps, relative to the scale of a state, that does not matter beside the noise of the data."""


@dataclass(frozen=True)
class Windows:
    """W windows, as experiments of their own.

    Parameters
    ----------
    experiments
        The windows.
    owner
        [W], the series that each is cut from.
    first
        [W], the row of the series with which it begins.
    follower
        [W], the window that begins within this one (or on its last row) and reaches further, or -1.
    meeting
        [W], the row of this window on which the follower begins.
    """

    experiments: tuple[Experiment, ...]
    owner: IntArray
    first: IntArray
    follower: IntArray
    meeting: IntArray

    def __len__(self) -> int:
        return len(self.experiments)


def cut_windows(experiments: Sequence[Experiment], points: int, overlap: int = 1) -> Windows:
    """Cut every series into windows.

    The last window of a series ends with it, and shares more where the rest is shorter. A series of no more than
    `points` times is one window; one of a single time is left out. With overlap = points - 1 there is a window at every
    time.

    Parameters
    ----------
    experiments
        The series.
    points
        The number of times in a window.
    overlap
        The number of times that neighbours share.

    Raises
    ------
    ValueError
        Unless 1 <= overlap < points.
    """
    if not 1 <= overlap < points:
        raise ValueError(f"windows of {points} points cannot share {overlap}")
    cut: list[Experiment] = []
    owner, first, follower, meeting = [], [], [], []
    for row, experiment in enumerate(experiments):
        n = len(experiment.times)
        if n < 2:
            continue
        last = max(n - points, 0)
        starts = [*range(0, last, points - overlap), last]
        for k, start in enumerate(starts):
            following = k + 1 < len(starts)
            follower.append(len(cut) + 1 if following else -1)
            meeting.append(starts[k + 1] - start if following else 0)
            owner.append(row)
            first.append(start)
            cut.append(experiment.rows(slice(start, start + points), start=float(experiment.times[start])))
    return Windows(tuple(cut), *(np.array(a, dtype=np.intp) for a in (owner, first, follower, meeting)))


def whole_series(experiments: Sequence[Experiment]) -> Windows:
    """Each series as one window that starts where the series starts."""
    n = len(experiments)
    nothing, each = np.zeros(n, dtype=np.intp), np.arange(n)
    return Windows(tuple(experiments), each, nothing, nothing - 1, nothing)


def beginning(experiment: Experiment, share: float) -> Experiment:
    """A series until a share of its time span; at least until its second time, and its first measured one."""
    end = experiment.start + share * (experiment.times[-1] - experiment.start)
    measured = np.flatnonzero(~np.isnan(experiment.values).all(axis=1))
    first = int(measured[0]) if len(measured) else 0
    count = max(int(np.searchsorted(experiment.times, end, side="right")), 2, first + 1)
    return experiment.rows(slice(0, count))


class RandomWindows:
    """Batches for a training: in each epoch `count` windows, drawn anew from all without replacement."""

    def __init__(
        self, windows: Windows, count: int, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.windows, self.count, self.generator = windows, min(count, len(windows)), generator
        self.dtype, self.device = dtype, device

    def __iter__(self) -> Iterator[Batch]:
        drawn = torch.randperm(len(self.windows), generator=self.generator)[: self.count].tolist()
        yield collate([(w, self.windows.experiments[w]) for w in drawn], self.dtype, self.device)


def obstacle(problem: FitProblem) -> str | None:
    """Why the series of this problem cannot be cut into windows, or None."""
    system = problem.observation.system
    if system.events or system.triggers or system.rest is not None:
        return "the model has events or rests before its start"
    if system.dosing is not None or any(e.doses for e in problem.experiments):
        return "the data have doses"
    if system.inputs:
        return "the model has inputs"
    if system.compared:
        return "an observable is compared with an earlier value"
    if problem.binding.calls is not None or problem.observation.networks:
        return "a network stands outside of the equations"
    if not any(len(e.times) > 1 for e in problem.experiments):
        return "no series has two times"
    return None


def start_states(problem: FitProblem, smoothed: Sequence[Smoothed], theta: FloatArray) -> list[FloatArray]:
    """Every state at every time of every series: smoothed where measured, else solved.

    Parameters
    ----------
    problem
        The fit.
    smoothed
        Its series.
    theta
        [N], for states that have to be solved.

    Returns
    -------
    list of arrays
        [T, S] per series.

    Raises
    ------
    SolveError
        A state has to be solved and the model fails.
    """
    states = [series.states for series in smoothed]
    if all(np.isfinite(y).all() for y in states):
        return states
    solved = problem.states(theta, problem.experiments)
    return [np.where(np.isfinite(y), y, other) for y, other in zip(states, solved, strict=True)]


class WindowObjective(TrainingObjective):
    """The loss of the module's docstring as a module, with the u [P] and the networks of `base`, which it trains.

    Calling it with a `Batch` of windows gives the loss; that raises SolveError where a window fails or the loss is not
    finite.

    Attributes
    ----------
    starts
        [W, S], where free windows start, in units of each state's scale.
    weight
        The factor c of the gaps; it may be changed at any time.
    steps
        The number of steps between neighbouring times.
    compiled
        The right-hand side as machine code, or None where torch has to record every operation.
    owner
        [W], the series that each window is cut from.
    scale
        [S], the unit of each state: its spread, or that of its logarithm where the noise is log-normal.
    """

    owner: Tensor
    _follower: Tensor
    _meeting: Tensor
    scale: Tensor
    _is_log: Tensor

    def __init__(
        self,
        base: TrainingObjective,
        windows: Windows,
        states: Sequence[FloatArray],
        start: Start = "free",
        weight: float = 0.0,
        steps: int | None = None,
    ) -> None:
        """Take over the parameters of `base`.

        Parameters
        ----------
        base
            The loss over whole series.
        windows
            W of them; a batch holds some, its `rows` say which.
        states
            [T, S] per series: where windows start, or where free ones begin to move.
        start
            Where windows start. `free`: in states that are trained. `data`: in `states`. `model`: as the system says,
            for windows that are whole series.
        weight
            c, of the gaps.
        steps
            Between neighbouring times; default as many as keep the error of the steps below STEP_TOLERANCE of the
            scale.
        """
        super().__init__(base.problem, base.networks, base.loss, base.u)
        self.u, self.windows, self.weight, self.start_kind = base.u, windows, weight, start
        system = base.problem.engine.system
        self._equations = Equations(system, (), base.networks)
        self.compiled = compiled_field(system, base.networks, base.u)
        device = base.u.device
        self.register_buffer("owner", torch.as_tensor(windows.owner, device=device), persistent=False)
        self.register_buffer("_follower", torch.as_tensor(windows.follower, device=device), persistent=False)
        self.register_buffer("_meeting", torch.as_tensor(windows.meeting, device=device), persistent=False)
        is_log = observed_states(base.problem).is_log
        every = np.concatenate(states)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.where(is_log, np.nanstd(np.log(np.abs(every)), axis=0), every.std(axis=0))
        scale = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
        self._unit = float(np.square(scale).mean()) if base.loss == "mse" else 1.0
        self.register_buffer("scale", torch.as_tensor(scale, dtype=base.u.dtype, device=device), persistent=False)
        self.register_buffer("_is_log", torch.as_tensor(is_log, device=device), persistent=False)
        begin = torch.as_tensor(np.stack([states[e][k] for e, k in zip(windows.owner, windows.first, strict=True)]))
        self.starts = nn.Parameter(self.scaled(begin.to(base.u)), requires_grad=start == "free")
        self.steps = steps or self._enough_steps()

    def scaled(self, y: Tensor) -> Tensor:
        """States [..., S] in units of their scale, their logarithms where the noise is log-normal."""
        positive = torch.where(self._is_log, y.clamp(min=torch.finfo(y.dtype).tiny), torch.ones_like(y))
        return torch.where(self._is_log, positive.log(), y) / self.scale

    def start_states(self) -> Tensor:
        """Where the windows start, [W, S], in the units of the states."""
        z = self.starts * self.scale
        return torch.where(self._is_log, torch.where(self._is_log, z, 0.0).exp(), z)

    @property
    def is_least_squares(self) -> bool:
        """Whether the loss is a mean of squares: of the residuals, and of networks that are penalised."""
        return self.loss == "mse" and not self.weight

    def start_slopes(self) -> Tensor:
        """The derivative of each start state to its element of `starts`, [W, S]."""
        return self.scale * torch.where(self._is_log, self.start_states(), torch.ones_like(self.starts))

    def owner_of(self, batch: Batch) -> Tensor:
        """The series that the windows of a batch are cut from, [E]."""
        return self.owner[batch.rows]

    def everything(self) -> Batch:
        """All windows as one batch."""
        return collate(list(enumerate(self.windows.experiments)), self.u.dtype, self.u.device)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch. Raises SolveError where a window fails or the loss is not finite."""
        theta = self.problem.table.natural_tensor(self.u)
        p = self.problem.binding.local_tensor(theta, self.owner_of(batch))
        y = self.solve(p, batch)
        total = self.loss_of(theta, p, y, batch)
        if self.weight:
            total = total + self.weight * self._unit * self.gaps(y, batch).square().mean()
        return finite(total)

    def gaps(self, y: Tensor, batch: Batch) -> Tensor:
        """How far the windows of a batch, y [E, T, S], miss the starts of their followers, [G, S], in scale units."""
        follower = self._follower[batch.rows]
        has = follower >= 0
        if not has.any():
            return y.new_zeros((1, y.shape[-1]))
        reached = y[has, self._meeting[batch.rows][has]]
        return self.scaled(reached) - self.starts[follower[has]]

    def solve(self, p: Tensor, batch: Batch, steps: int | None = None) -> Tensor:
        """States of the windows of a batch.

        Parameters
        ----------
        p
            [E, L], local values.
        batch
            E windows.
        steps
            Between neighbouring times; default the module's own.

        Returns
        -------
        Tensor
            [E, T, S].

        Raises
        ------
        SolveError
            A window is not finite.
        """
        own = p[:, : self.problem.n_system]
        if self.start_kind == "model":
            y = rows(self._equations.start(*own.unbind(-1)), batch.start).T
        else:
            y = self.start_states()[batch.rows]
        elapsed = batch.times - batch.start.unsqueeze(1)
        if self.compiled is not None:
            out = self.compiled.march(own, batch.start, elapsed, y, steps or self.steps)
        else:
            out = recorded_steps.march(self._equations, own, batch.start, elapsed, y, steps or self.steps)
        if not torch.isfinite(out).all():
            bad = int((~torch.isfinite(out).flatten(1).all(dim=1)).nonzero()[0])
            name, start = batch.experiments[bad].name, float(batch.start[bad])
            raise SolveError(f"experiment {name}: the window from t = {start:g} on is no longer finite; {STIFF}")
        return out

    @torch.no_grad()
    def joined_states(self, before: Sequence[FloatArray]) -> list[FloatArray]:
        """y at every time of every series, [T, S] each: the mean over the windows that cover it, else as `before`."""
        batch = self.everything()
        p = self.problem.binding.local_tensor(self.problem.table.natural_tensor(self.u), self.owner)
        solved = self.solve(p, batch).to(torch.float64).cpu().numpy()
        total, count = [np.zeros_like(y) for y in before], [np.zeros((len(y), 1)) for y in before]
        for w, experiment in enumerate(self.windows.experiments):
            e, first, n = self.windows.owner[w], self.windows.first[w], len(experiment.times)
            total[e][first : first + n] += solved[w, :n]
            count[e][first : first + n] += 1
        pairs = zip(total, count, before, strict=True)
        return [np.where(k > 0, y / np.maximum(k, 1), old) for y, k, old in pairs]

    @torch.no_grad()
    def _enough_steps(self) -> int:
        """As many as it takes for half the steps to be exact enough at the present parameters."""
        batch = self.everything()
        p = self.problem.binding.local_tensor(self.problem.table.natural_tensor(self.u), self.owner)
        steps, coarse = 1, None
        while steps < MAX_STEPS:
            try:
                fine = self.solve(p, batch, 2 * steps)
                coarse = self.solve(p, batch, steps) if coarse is None else coarse
                if float(((fine - coarse) / self.scale).abs().max()) < STEP_TOLERANCE:
                    return steps
                coarse = fine
            except SolveError:
                coarse = None
            steps *= 2
        return steps
