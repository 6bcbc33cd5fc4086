"""The torchdiffeq engine: any torch method, networks, hybrids, autograd.

Experiments are solved together, as one batch in elapsed time s = t - start on the union of their
grids: a sequential step costs the same for one series as for hundreds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torchdiffeq
from torch import Tensor, nn
from torchdiffeq._impl.odeint import SOLVERS

from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment, FloatArray
from odefit.engines.base import SolverOptions, Trajectory
from odefit.errors import SolveError
from odefit.model.derivatives import derivatives
from odefit.model.functions import torch_function
from odefit.model.system import TIME, System

# Returns tensors without gradient, and without error; through the adjoint it does give gradients.
ADJOINT_ONLY = {"scipy_solver"}
RUNGE_KUTTA = {"euler", "midpoint", "heun2", "heun3", "rk4"}
ADAMS = {"explicit_adams", "implicit_adams", "fixed_adams"}
# torchdiffeq checks its step size with `assert`, which `python -O` removes: a limit of our own ends
# a solve that crawls, after as many evaluations as no sensible problem needs.
MAX_EVALUATIONS = 200_000


def methods() -> tuple[str, ...]:
    """The methods of the installed torchdiffeq; its table is the truth, not its documentation."""
    return tuple(sorted(SOLVERS))


class VectorField(nn.Module):
    """dy/ds of a batch: y [E, S] at elapsed time s, with p [E, L] and start [E] set by `at`."""

    def __init__(self, system: System, networks: nn.ModuleDict, limit: float) -> None:
        super().__init__()
        self.networks = networks
        arguments = (*system.states, TIME, *system.parameters)
        self._function = torch_function(list(system.rhs), arguments, dict(networks.items()))
        self._p: Tensor = torch.empty(0)
        self._start: Tensor = torch.empty(0)
        self.evaluations = 0
        self.limit = limit

    def at(self, p: Tensor, start: Tensor) -> VectorField:
        self._p, self._start, self.evaluations = p, start, 0
        return self

    def forward(self, s: Tensor, y: Tensor) -> Tensor:
        self.evaluations += 1
        if self.evaluations > self.limit:
            raise SolveError(f"the solver crawls: {self.limit} evaluations without reaching the end; {STIFF}")
        slopes = self._function(*y.unbind(-1), self._start + s, *self._p.unbind(-1))
        return stack(slopes, y)


STIFF = "the system may be stiff or blow up; try solver.method: bdf, other starting values, or bounds"


def stack(columns: Sequence[Any], like: Tensor) -> Tensor:
    """Columns (tensors [E] or numbers) as the last axis of a tensor shaped like `like`."""
    shape = like.shape[:-1]
    full = [c.expand(shape) if isinstance(c, Tensor) else like.new_full(shape, float(c)) for c in columns]
    return torch.stack(full, dim=-1)


class SensitivityField(nn.Module):
    """The vector field with its forward sensitivities: Y = [y, dy/dp_1, ..., dy/dp_K] as [E, S (1 + K)].

    s_k' = (df/dy) s_k + df/dp_k with derivatives from SymPy: a Runge-Kutta step of this system is
    exactly the derivative of the step of the original.
    """

    def __init__(self, system: System, sensitive: Sequence[str], limit: float) -> None:
        super().__init__()
        self.n, self.k = len(system.states), len(sensitive)
        arguments = (*system.states, TIME, *system.parameters)
        table = derivatives(list(system.rhs), [*system.states, *sensitive])
        formulas = [*system.rhs, *(entry for row in table for entry in row)]
        self._function = torch_function(formulas, arguments)
        self._p: Tensor = torch.empty(0)
        self._start: Tensor = torch.empty(0)
        self.evaluations = 0
        self.limit = limit

    def at(self, p: Tensor, start: Tensor) -> SensitivityField:
        self._p, self._start, self.evaluations = p, start, 0
        return self

    def forward(self, s: Tensor, augmented: Tensor) -> Tensor:
        self.evaluations += 1
        if self.evaluations > self.limit:
            raise SolveError(f"the solver crawls: {self.limit} evaluations without reaching the end; {STIFF}")
        n, k = self.n, self.k
        y, dy = augmented[..., :n], augmented[..., n:].reshape(-1, n, k)
        values = stack(self._function(*y.unbind(-1), self._start + s, *self._p.unbind(-1)), y)
        jacobian = values[..., n:].reshape(-1, n, n + k)
        slope = jacobian[..., :n] @ dy + jacobian[..., n:]
        return torch.cat((values[..., :n], slope.flatten(-2)), dim=-1)


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
        self.dtype = torch.float64 if options.dtype == "float64" else torch.float32
        self.device = torch.device(options.device)
        self.networks = (networks or nn.ModuleDict()).to(self.device, self.dtype)
        # A fixed-step method ends by itself.
        self._limit = math.inf if self.method_in_use in RUNGE_KUTTA | ADAMS else MAX_EVALUATIONS
        self._field = VectorField(system, self.networks, self._limit)
        self._initial = torch_function(list(system.start), system.parameters)

    def initial(self, p: Tensor) -> Tensor:
        """y [E, S] at the start, from local values p [E, L]."""
        return stack(self._initial(*p.unbind(-1)), p)

    def solve_batch(self, p: Tensor, batch: Batch) -> Tensor:
        """States [E, T, S] at each experiment's own times (padded), differentiable in p and the networks."""
        field = self._field.at(p, batch.start)
        parameters = (p, *self.networks.parameters())
        y = self._integrate(field, self.initial(p), batch.grid, parameters)
        rows = torch.arange(len(p), device=y.device).unsqueeze(1)
        states = y[batch.index, rows]
        if not torch.isfinite(states).all():
            raise SolveError(_blow_up(states, batch))
        return states

    def solve(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """States of each experiment at its times, [T, S] each."""
        with torch.no_grad():
            return self._trajectories(p, experiments, self._field, lambda tensor: self.initial(tensor), 0)

    def solve_with_sensitivities(self, p: FloatArray, experiments: Sequence[Experiment]) -> list[Trajectory]:
        """The same with dy [T, S, K], by the forward sensitivity equations."""
        if not self.system.is_mechanistic:
            raise SolveError("sensitivities need formulas; a system with a network is fitted with fit.method: adam")
        with torch.no_grad():
            return self._trajectories(
                p, experiments, self._sensitivity_field, self._initial_with_sensitivities, len(self.sensitive)
            )

    @cached_property
    def _sensitivity_field(self) -> SensitivityField:
        return SensitivityField(self.system, self.sensitive, self._limit)

    @cached_property
    def _initial_slopes(self) -> Callable[..., Any]:
        table = derivatives(list(self.system.start), list(self.sensitive))
        return torch_function([entry for row in table for entry in row], self.system.parameters)

    def _initial_with_sensitivities(self, p: Tensor) -> Tensor:
        slopes = stack(self._initial_slopes(*p.unbind(-1)), p) if self.sensitive else p[:, :0]
        return torch.cat((self.initial(p), slopes), dim=-1)

    def _trajectories(
        self,
        p: FloatArray,
        experiments: Sequence[Experiment],
        field: Any,
        initial: Callable[[Tensor], Tensor],
        k: int,
    ) -> list[Trajectory]:
        batch = collate(list(enumerate(experiments)), dtype=self.dtype, device=self.device)
        local = torch.as_tensor(p, dtype=self.dtype, device=self.device)
        n = len(self.system.states)
        try:
            y = self._integrate(field.at(local, batch.start), initial(local), batch.grid, ())
        except SolveError as error:
            # One bad experiment spoils the batch: solve each alone to tell which.
            if len(experiments) > 1:
                return [self._trajectories(p[i : i + 1], [e], field, initial, k)[0] for i, e in enumerate(experiments)]
            return [failed(experiments[0], n, k, str(error))]
        rows = torch.arange(len(local), device=y.device).unsqueeze(1)
        states = y[batch.index, rows].to(torch.float64).cpu().numpy()
        out = []
        for e, experiment in enumerate(experiments):
            own = states[e, : len(experiment.times)]
            if not np.isfinite(own).all():
                bad = experiment.times[np.flatnonzero(~np.isfinite(own).all(axis=1))[0]]
                out.append(failed(experiment, n, k, f"the solution is no longer finite at t = {bad:g}; {STIFF}"))
            else:
                dy = own[:, n:].reshape(-1, n, k) if k else None
                out.append(Trajectory(own[:, :n], dy))
        return out

    def _integrate(self, field: Any, y0: Tensor, grid: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        """Solve on the elapsed-time grid: [G, E, ...]. Every way in which torchdiffeq fails becomes SolveError."""
        if not torch.isfinite(y0).all():
            raise SolveError("an initial value is not finite")
        if len(grid) == 1:
            return y0.unsqueeze(0)
        keywords: dict[str, Any] = {
            "method": self.method_in_use,
            "rtol": self.options.rtol,
            "atol": self.options.atol,
            "options": self._method_options(grid),
        }
        adjoint = self.options.adjoint or self.method_in_use in ADJOINT_ONLY
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                if adjoint and torch.is_grad_enabled():
                    wanted = tuple(q for q in parameters if q.requires_grad)
                    y = torchdiffeq.odeint_adjoint(field, y0, grid, adjoint_params=wanted, **keywords)
                else:
                    y = torchdiffeq.odeint(field, y0, grid, **keywords)
        except AssertionError as error:
            raise SolveError(_sentence(str(error))) from error
        return y  # type: ignore[no-any-return]

    def _method_options(self, grid: Tensor) -> dict[str, Any]:
        method, step = self.method_in_use, self.options.step
        if method in RUNGE_KUTTA:
            # torchdiffeq's own `step_size` interpolates linearly between its steps, which spoils the
            # order at times that are no multiple of the step: subdivide the wanted grid instead.
            return {} if step is None else {"grid_constructor": lambda _f, _y0, t: subdivide(t, step)}
        if method in ADAMS:
            # Multistep formulas need equal steps.
            return {"step_size": step or float(grid.diff().min()), "interp": "cubic"}
        if method in ADJOINT_ONLY:
            return {"solver": "LSODA"}
        return {"max_num_steps": MAX_EVALUATIONS}


def subdivide(grid: Tensor, step: float) -> Tensor:
    """The grid [G] with every interval cut into equal parts no longer than `step`."""
    parts = torch.ceil(grid.diff() / step * (1 - 1e-12)).clamp(min=1).to(torch.int64)
    left = grid[:-1].repeat_interleave(parts)
    width = (grid.diff() / parts).repeat_interleave(parts)
    first = (parts.cumsum(0) - parts).repeat_interleave(parts)
    position = torch.arange(int(parts.sum()), device=grid.device) - first
    return torch.cat((left + width * position, grid[-1:]))


def failed(experiment: Experiment, n_states: int, n_sensitive: int, sentence: str) -> Trajectory:
    """A trajectory that can never be taken for a solution: NaN everywhere, and the reason."""
    shape = (len(experiment.times), n_states)
    return Trajectory(np.full(shape, np.nan), np.full((*shape, n_sensitive), np.nan), sentence)


def _blow_up(states: Tensor, batch: Batch) -> str:
    bad = ~torch.isfinite(states).all(dim=-1)
    e = int(bad.any(dim=1).nonzero()[0])
    t = float(batch.times[e, int(bad[e].nonzero()[0])])
    return f"experiment {batch.experiments[e].name}: the solution is no longer finite at t = {t:g}; {STIFF}"


def _sentence(message: str) -> str:
    if "underflow" in message:
        return f"the step size became too small; {STIFF}"
    if "max_num_steps" in message:
        return f"the solver crawls: too many steps; {STIFF}"
    if "non-finite" in message:
        return f"the solution is no longer finite; {STIFF}"
    return f"the solver gave up ({message or 'no reason given'}); {STIFF}"
