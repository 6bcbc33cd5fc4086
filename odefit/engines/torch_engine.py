"""The torchdiffeq engine: any torch method, networks, hybrids, autograd.

Experiments are solved together, as one batch in elapsed time s = t - start on the union of their
grids: a sequential step costs the same for one series as for hundreds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn
from torchdiffeq._impl.odeint import SOLVERS

from odefit.arrays import FloatArray
from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions, Trajectory
from odefit.engines.torch_fields import (
    STIFF,
    Equations,
    Field,
    SensitivityField,
    VectorField,
    check_step,
    rows,
    worst_rms,
)
from odefit.errors import SolveError
from odefit.model.system import System

# Returns tensors without gradient, and without error; through the adjoint it does give gradients.
ADJOINT_ONLY = {"scipy_solver"}
RUNGE_KUTTA = {"euler", "midpoint", "heun2", "heun3", "rk4"}
ADAMS = {"explicit_adams", "implicit_adams", "fixed_adams"}
# torchdiffeq interpolates between their steps less exactly than they step.
COARSE = {"bosh3", "dopri8"}
# A solve that crawls ends after as many evaluations as no sensible problem needs: in 10 s and, with gradients,
# 1 GB. A fixed step is the user's word, within reason, and is refused before it begins.
MAX_EVALUATIONS = 100_000
MAX_STEPS = 1_000_000
# A step may be longer than asked for by as much as no one would notice: rounding must not make two of one.
SLACK = 1e-6


def methods() -> tuple[str, ...]:
    """The methods of the installed torchdiffeq; its table is the truth, not its documentation."""
    return tuple(sorted(SOLVERS))


class TorchEngine:
    """Engine protocol on torchdiffeq. `networks` are the modules that formulas call by name."""

    def __init__(
        self,
        system: System,
        options: SolverOptions,
        sensitive: Sequence[str] = (),
        networks: nn.ModuleDict | None = None,
    ) -> None:
        self.system = system
        self.options = options
        self.sensitive = tuple(sensitive)
        self.method_in_use = "dopri5" if options.method == "auto" else options.method
        self.notes: list[str] = []
        if self.method_in_use in COARSE and options.rtol < 1e-6:
            self.notes.append(
                f"{self.method_in_use} errs by up to a thousand times its tolerance between its steps; for a "
                "tolerance as small as this dopri5 is more exact."
            )
        if self.method_in_use in RUNGE_KUTTA | ADAMS and options.step is None:
            self.notes.append(
                f"{self.method_in_use} steps from one measured time to the next, and errs more the farther these are "
                "apart; set solver.step, or choose a method that finds its own steps."
            )
        self.dtype = torch.float64 if options.dtype == "float64" else torch.float32
        self.device = torch.device(options.device)
        self.networks = (networks or nn.ModuleDict()).to(self.device, self.dtype)
        self._equations = Equations(system, self.sensitive, self.networks)

    def fresh(self) -> TorchEngine:
        """This engine: it learns nothing."""
        return self

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States [E, T, S] at each experiment's own times (padded), differentiable in p [E, L] and the networks.

        Raises SolveError, which names the experiment, when an integration fails.
        """
        try:
            y = self._integrate(VectorField, p, batch, (p, *self.networks.parameters()))
            if not torch.isfinite(y).all():
                raise SolveError(_not_finite(y, batch))
            return _at_own_times(y, batch)
        except SolveError as error:
            if len(p) == 1:
                raise SolveError(f"experiment {batch.experiments[0].name}: {error}") from error
        # One bad experiment spoils the batch, and so does one that blows up after its own last time: 0 * inf
        # in the backward pass would be a NaN in everybody's gradient. Each alone, and no further than it goes.
        return torch.cat([self.solve_batch(p[e : e + 1], batch.some(slice(e, e + 1))) for e in range(len(p))])

    def solve(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """States of each experiment at its times, [T, S] each."""
        return self._trajectories(VectorField, p, experiments)

    def solve_with_sensitivities(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """The same with dy [T, S, K], by the forward sensitivity equations."""
        if not self.system.is_mechanistic:
            raise SolveError("sensitivities need formulas; a system with a network is fitted with fit.method: adam")
        if self.sensitive:
            return self._trajectories(SensitivityField, p, experiments)
        plain = self._trajectories(VectorField, p, experiments)
        return [replace(trajectory, dy=np.zeros((*trajectory.y.shape, 0))) for trajectory in plain]

    @torch.no_grad()
    def _trajectories(self, kind: type[Field], p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        batch = collate(list(enumerate(experiments)), dtype=self.dtype, device=self.device)
        local = torch.as_tensor(p, dtype=self.dtype, device=self.device)
        k = len(self.sensitive) if kind is SensitivityField else None
        try:
            y = self._integrate(kind, local, batch, ())
        except SolveError as error:
            # One bad experiment spoils the batch: solve each alone to tell which.
            if len(experiments) > 1:
                return [self._trajectories(kind, p[i : i + 1], [e])[0] for i, e in enumerate(experiments)]
            return [self._failed(experiments[0], k, str(error))]
        states = _at_own_times(y, batch).to(torch.float64).cpu().numpy()
        n = len(self.system.states)
        out = []
        for e, experiment in enumerate(experiments):
            own = states[e, : len(experiment.times)]
            bad = np.flatnonzero(~np.isfinite(own).all(axis=1))
            if bad.size and len(experiments) > 1:
                # Maybe not its own fault: to LSODA a batch is one system.
                out += self._trajectories(kind, p[e : e + 1], [experiment])
            elif bad.size:
                sentence = f"the solution is no longer finite at t = {experiment.times[bad[0]]:g}; {STIFF}"
                out.append(self._failed(experiment, k, sentence))
            else:
                out.append(Trajectory(own[:, :n], None if k is None else own[:, n:].reshape(-1, n, k)))
        return out

    def _failed(self, experiment: Experiment, k: int | None, sentence: str) -> Trajectory:
        """A trajectory that can never be taken for a solution: NaN everywhere, and the reason."""
        shape = (len(experiment.times), len(self.system.states))
        return Trajectory(np.full(shape, np.nan), None if k is None else np.full((*shape, k), np.nan), sentence)

    def _integrate(self, kind: type[Field], p: Tensor, batch: Batch, parameters: tuple[Tensor, ...]) -> Tensor:
        """Solve on the elapsed-time grid: [G, S, E]. Every way in which torchdiffeq fails becomes SolveError."""
        limit = math.inf if self.method_in_use in RUNGE_KUTTA | ADAMS else MAX_EVALUATIONS
        field = kind(self._equations, p, batch.start, limit)
        grid = batch.grid
        y0 = self._initial(p, kind is SensitivityField)
        if not torch.isfinite(y0).all():
            raise SolveError("an initial value is not finite")
        if len(grid) == 1:
            return y0.unsqueeze(0)
        try:
            y = self._odeint(field, y0, grid, parameters)
        except (AssertionError, Warning, SolveError) as error:
            raise SolveError(_sentence(error)) from error
        if len(y) < len(grid):
            raise SolveError(f"the solver gave up at t = {float(batch.start[0] + grid[len(y)]):g}; {STIFF}")
        return y

    def _odeint(self, field: Any, y0: Tensor, grid: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        method = self.method_in_use
        keywords: dict[str, Any] = {"method": method, "rtol": self.options.rtol, "atol": self.options.atol}
        keywords["options"] = self._method_options(grid)
        if method not in RUNGE_KUTTA | ADAMS | ADJOINT_ONLY:
            field.callback_step = field.callback_step_adjoint = check_step
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if torch.is_grad_enabled() and (self.options.adjoint or method in ADJOINT_ONLY):
                wanted = tuple(q for q in parameters if q.requires_grad)
                y = torchdiffeq.odeint_adjoint(field, y0, grid, adjoint_params=wanted, **keywords)
            else:
                y = torchdiffeq.odeint(field, y0, grid, **keywords)
        return y  # type: ignore[no-any-return]

    def _initial(self, p: Tensor, with_slopes: bool) -> Tensor:
        """y at the start, [S, E], with its derivatives below where they are wanted."""
        columns, like = p.unbind(-1), p.new_empty(len(p))
        y0 = rows(self._equations.start(*columns), like)
        if not with_slopes:
            return y0
        return torch.cat((y0, rows(self._equations.start_derivatives(*columns), like)))

    def _method_options(self, grid: Tensor) -> dict[str, Any]:
        method, step = self.method_in_use, self.options.step
        if method in RUNGE_KUTTA:
            # torchdiffeq's own `step_size` interpolates linearly between its steps, which spoils the
            # order at times that are no multiple of the step: subdivide the wanted grid instead.
            return {} if step is None else {"grid_constructor": lambda _f, _y0, t: subdivide(t, step)}
        if method in ADAMS:
            width = step or float(grid.diff().min())
            steps = {"grid_constructor": lambda _f, _y0, t: equal_steps(t, width), "interp": "cubic"}
            # torchdiffeq's default order of 12 is unstable: an oscillator grows to 1e24 at 200 steps per period.
            return steps | {"max_order": 5, "max_iters": 20}
        if method in ADJOINT_ONLY:
            return {"solver": "LSODA"}
        return {"max_num_steps": MAX_EVALUATIONS, "norm": worst_rms}


def subdivide(grid: Tensor, step: float) -> Tensor:
    """The grid [G], rising or falling, with every interval cut into equal parts no longer than `step`."""
    width = grid.diff()
    # float32 knows the width of an interval far from zero no better than this.
    rounding = 4 * torch.finfo(grid.dtype).eps * grid.abs().max()
    parts = torch.ceil((width.abs() - rounding) / step - SLACK).clamp(min=1)
    _check_number(float(parts.sum()), step)
    parts = parts.to(torch.int64)
    first = (parts.cumsum(0) - parts).repeat_interleave(parts)
    position = torch.arange(int(parts.sum()), device=grid.device) - first
    left = grid[:-1].repeat_interleave(parts)
    return torch.cat((left + (width / parts).repeat_interleave(parts) * position, grid[-1:]))


def equal_steps(grid: Tensor, step: float) -> Tensor:
    """From the first to the last point of the grid in equal parts no longer than `step`: for multistep formulas."""
    width = float(grid[-1] - grid[0])
    number = abs(width) / step
    _check_number(number, step)
    n = max(math.ceil(number - SLACK), 1)
    between = grid[0] + width / n * torch.arange(n, dtype=grid.dtype, device=grid.device)
    return torch.cat((between, grid[-1:]))


def _check_number(number: float, step: float) -> None:
    if not number <= MAX_STEPS:
        raise SolveError(
            f"a step of {step:g} makes {number:.1e} steps, and {MAX_STEPS} are too many; "
            "choose a larger solver.step, or a method that chooses its steps itself"
        )


def _at_own_times(y: Tensor, batch: Batch) -> Tensor:
    """[G, S, E] on the common grid -> [E, T, S] at each experiment's own times."""
    index = batch.index
    if (index == index[0]).all():
        return y[index[0]].permute(2, 0, 1)
    return y[index, :, torch.arange(len(index), device=y.device).unsqueeze(1)]


def _not_finite(y: Tensor, batch: Batch) -> str:
    first = int((~torch.isfinite(y).flatten(1).all(dim=1)).nonzero()[0])
    return f"the solution is no longer finite at t = {float(batch.start[0] + batch.grid[first]):g}; {STIFF}"


def _sentence(error: BaseException) -> str:
    message = str(error)
    if isinstance(error, SolveError):
        return message
    if "underflow" in message:
        return f"the step size became too small; {STIFF}"
    if "max_num_steps" in message:
        return f"the solver crawls: too many steps; {STIFF}"
    if "non-finite" in message:
        return f"the solution is no longer finite; {STIFF}"
    if "iteration did not converge" in message:
        return f"the implicit step did not converge; choose a smaller solver.step; {STIFF}"
    return f"the solver gave up ({message or 'no reason given'}); {STIFF}"
