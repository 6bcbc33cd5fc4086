"""The torchdiffeq engine: any torch method, networks, hybrids, autograd.

Experiments are solved together, as one batch in elapsed time s = t - start on the union of their
grids: a sequential step costs the same for one series as for hundreds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn

from odefit.arrays import FloatArray, IntArray
from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions, Trajectory, members_of
from odefit.engines.failure import STIFF, Failure, FailureReason, IntegrationError, solve_error
from odefit.engines.methods import AUTO, AUTO_TORCH, METHODS
from odefit.engines.tolerances import parameter_sizes
from odefit.engines.torch_failures import failure_of
from odefit.engines.torch_fields import Equations, Field, SensitivityField, VectorField, check_step, rows, worst_rms
from odefit.errors import SolveError
from odefit.model.system import System
from odefit.model.time_formulas import time_formulas

# A solve that crawls ends after as many evaluations as no sensible problem needs: in 10 s and, with gradients,
# 1 GB. A fixed step is the user's word, within reason, and is refused before it begins.
MAX_EVALUATIONS = 100_000
MAX_STEPS = 1_000_000
# A step may be longer than asked for by as much as no one would notice: rounding must not make two of one.
SLACK = 1e-6


class TorchEngine(Engine):
    """Engine protocol on torchdiffeq. `networks` are the modules that formulas call by name.

    What bounds the work of one solution: MAX_EVALUATIONS of the right-hand side, or MAX_STEPS of a fixed step.
    """

    is_compiled = False

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
        self._name = AUTO_TORCH if options.method == AUTO else options.method
        self._method = METHODS[self._name]
        self._callback: Callable[[], None] | None = None
        self.notes: list[str] = []
        if self._method.is_coarse_between and options.rtol < 1e-6:
            self.notes.append(
                f"{self._name} errs by up to a thousand times its tolerance between its steps; for a "
                "tolerance as small as this dopri5 is more exact."
            )
        if self._method.is_fixed_step and options.step is None:
            self.notes.append(
                f"{self._name} steps from one measured time to the next, and errs more the farther these are "
                "apart; set solver.step, or choose a method that finds its own steps."
            )
        self.dtype = torch.float64 if options.dtype == "float64" else torch.float32
        self.device = torch.device(options.device)
        self.networks = (networks or nn.ModuleDict()).to(self.device, self.dtype)
        self._equations = Equations(system, self.sensitive, self.networks)
        self._follows_time = bool(time_formulas(system))
        known = dict(zip(system.parameters, parameter_sizes(system, options), strict=True))
        self._sizes = np.array([known[name] for name in self.sensitive], dtype=np.float64)

    @property
    def method_in_use(self) -> str:
        """The method of all solutions."""
        return self._name

    def reset_copy(self) -> TorchEngine:
        """This engine: it learns nothing."""
        return self

    def state(self) -> dict[str, Any]:
        """Empty: it learns nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing is to be done."""

    def watch(self, callback: Callable[[], None] | None) -> None:
        """Call back at each evaluation; those of the adjoint's backward pass are among them."""
        self._callback = callback

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States [E, T, S] at each experiment's own times (padded), differentiable in p [E, L] and the networks.

        Raises SolveError, which names the experiment, when an integration fails.
        """
        try:
            y = self._integrate(VectorField, p, batch, (p, *self.networks.parameters()))
            if not torch.isfinite(y).all():
                raise IntegrationError(_not_finite(y, batch))
            return _at_own_times(y, batch)
        except IntegrationError as error:
            if len(p) == 1:
                raise solve_error(batch.experiments[0].name, error.failure) from error
        # One bad experiment spoils the batch, and so does one that blows up after its own last time: 0 * inf
        # in the backward pass would be a NaN in everybody's gradient. Each alone, and no further than it goes.
        return torch.cat([self.solve_batch(p[e : e + 1], batch.some(slice(e, e + 1))) for e in range(len(p))])

    def solve(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        sensitivities: bool = False,
        members: IntArray | None = None,
    ) -> Solutions:
        """States of each member at the times of its experiment; sensitivities by the forward equations."""
        p, chosen = members_of(self.system, p, experiments, members)
        if not sensitivities:
            return Solutions.joined(self._trajectories(VectorField, p, chosen))
        if not self.system.is_mechanistic:
            raise SolveError("sensitivities need formulas; a system with a network is fitted with fit.method: adam")
        if self.sensitive:
            return Solutions.joined(self._trajectories(SensitivityField, p, chosen))
        plain = Solutions.joined(self._trajectories(VectorField, p, chosen))
        return replace(plain, dy=np.zeros((*plain.y.shape, 0)))

    @torch.no_grad()
    def _trajectories(self, kind: type[Field], p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        batch = collate(list(enumerate(experiments)), dtype=self.dtype, device=self.device)
        local = torch.as_tensor(p, dtype=self.dtype, device=self.device)
        k = len(self.sensitive) if kind is SensitivityField else None
        try:
            y = self._integrate(kind, local, batch, ())
        except IntegrationError as error:
            # One bad experiment spoils the batch: solve each alone to tell which.
            if len(experiments) > 1:
                return [self._trajectories(kind, p[i : i + 1], [e])[0] for i, e in enumerate(experiments)]
            return [self._failed(experiments[0], k, error.failure)]
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
                failure = Failure(FailureReason.NOT_FINITE, float(experiment.times[bad[0]]), advice=STIFF)
                out.append(self._failed(experiment, k, failure))
            else:
                out.append(Trajectory(own[:, :n], None if k is None else own[:, n:].reshape(-1, n, k)))
        return out

    def _failed(self, experiment: Experiment, k: int | None, failure: Failure) -> Trajectory:
        """A trajectory that can never be taken for a solution: NaN everywhere, and the reason."""
        shape = (len(experiment.times), len(self.system.states))
        return Trajectory(np.full(shape, np.nan), None if k is None else np.full((*shape, k), np.nan), failure)

    def _integrate(self, kind: type[Field], p: Tensor, batch: Batch, parameters: tuple[Tensor, ...]) -> Tensor:
        """Solve on the elapsed-time grid: [G, S, E]. Every way in which torchdiffeq fails becomes IntegrationError."""
        limit = math.inf if self._method.is_fixed_step else MAX_EVALUATIONS
        field = kind(self._equations, p, batch.start, limit, self._callback)
        grid = batch.grid
        y0 = self._initial(p, kind is SensitivityField)
        if not torch.isfinite(y0).all():
            raise IntegrationError(Failure(FailureReason.INITIAL_NOT_FINITE))
        if len(grid) == 1:
            return y0.unsqueeze(0)
        try:
            y = self._odeint(field, y0, grid, grid[torch.unique(batch.index[:, -1])], parameters)
        except (AssertionError, Warning, IntegrationError) as error:
            raise IntegrationError(failure_of(error)) from error
        if len(y) < len(grid):
            raise IntegrationError(Failure(FailureReason.GAVE_UP, float(batch.start[0] + grid[len(y)])))
        return y

    def _tolerances(self, y0: Tensor) -> dict[str, Any]:
        """atol, for each row of y0 [S (1 + K), E] where states have their own, and the adjoint equations' one."""
        if not isinstance(self.options.atol, tuple):
            return {"atol": self.options.atol}
        own = np.array(self.options.atol)
        atol = own if len(y0) == len(own) else np.concatenate([own, (own[:, None] / self._sizes).ravel()])
        rows = torch.as_tensor(atol, dtype=y0.dtype, device=y0.device).unsqueeze(1).expand_as(y0)
        return {"atol": rows.reshape(-1).cpu().numpy() if self._method.adjoint_only else rows}

    def _odeint(self, field: Any, y0: Tensor, grid: Tensor, ends: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        keywords: dict[str, Any] = {"method": self._name, "rtol": self.options.rtol, **self._tolerances(y0)}
        keywords["options"] = self._method_options(grid)
        if (
            self._follows_time
            and not self.options.adjoint
            and not (self._method.is_fixed_step or self._method.adjoint_only)
        ):
            # Else its last step may go beyond the end, and over what happens there.
            keywords["options"]["step_t"] = ends
        if not (self._method.is_fixed_step or self._method.adjoint_only):
            field.callback_step = field.callback_step_adjoint = check_step
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if torch.is_grad_enabled() and (self.options.adjoint or self._method.adjoint_only):
                wanted = tuple(q for q in parameters if q.requires_grad)
                least = float(np.min(self.options.atol))  # of all that it solves backwards: states, slopes and sums
                y = torchdiffeq.odeint_adjoint(field, y0, grid, adjoint_params=wanted, adjoint_atol=least, **keywords)
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
        method, step = self._method, self.options.step
        if method.is_fixed_step and not method.is_multistep:
            # torchdiffeq's own `step_size` interpolates linearly between its steps, which spoils the
            # order at times that are no multiple of the step: subdivide the wanted grid instead.
            return {} if step is None else {"grid_constructor": lambda _f, _y0, t: subdivide(t, step)}
        if method.is_fixed_step:
            width = step or float(grid.diff().min())
            steps = {"grid_constructor": lambda _f, _y0, t: equal_steps(t, width), "interp": "cubic"}
            # torchdiffeq's default order of 12 is unstable: an oscillator grows to 1e24 at 200 steps per period.
            return steps | {"max_order": 5, "max_iters": 20}
        if method.adjoint_only:
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
        subject = f"{step:g} makes {number:.1e} steps, and {MAX_STEPS}"
        raise IntegrationError(Failure(FailureReason.TOO_MANY_FIXED_STEPS, subject=subject))


def _at_own_times(y: Tensor, batch: Batch) -> Tensor:
    """[G, S, E] on the common grid -> [E, T, S] at each experiment's own times."""
    index = batch.index
    if (index == index[0]).all():
        return y[index[0]].permute(2, 0, 1)
    return y[index, :, torch.arange(len(index), device=y.device).unsqueeze(1)]


def _not_finite(y: Tensor, batch: Batch) -> Failure:
    first = int((~torch.isfinite(y).flatten(1).all(dim=1)).nonzero()[0])
    return Failure(FailureReason.NOT_FINITE, float(batch.start[0] + batch.grid[first]), advice=STIFF)
