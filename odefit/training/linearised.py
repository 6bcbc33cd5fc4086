"""The windows' residuals with all their derivatives, for Gauss-Newton steps of small networks.

A window solves dy/ds = f(s, y; q), q [Q] the free parameters u and all weights. Its sensitivities S = dy/dq and
Z = dy/dz (z its own start state, where that is free) go along in the same Runge-Kutta steps,

    S' = (df/dy) S + df/dq,   Z' = (df/dy) Z,   so they are the exact derivatives of the steps.

The start state of a window moves its own residuals only: it is eliminated window by window, and what is left is a
system of the size of q. With B = dr/dz of a window, of full rank, and P = 1 - B (B'B)^-1 B',

    matrix = sum over windows of (dr/dq)' P (dr/dq),   gradient = sum of (dr/dq)' P r,

    dz = -(B'B)^-1 B' (r + (dr/dq) dq).

Networks that are penalised add rows: their outputs at every time, scaled so that their squares sum up to the penalty.

The matrix is formed as it is needed, a few windows at a time, so that memory does not grow with the data. Its
condition is bad, but redundant weights make it singular anyway: the step is damped (`levenberg_marquardt.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from odefit.data.dataset import Batch
from odefit.model.functions import torch_function
from odefit.model.system import TIME
from odefit.records import dataclass
from odefit.training.limits_torch import off
from odefit.training.penalty import Penalty
from odefit.training.windows import WindowObjective

MAX_HELD = 10_000_000
"""The most numbers of sensitivities at one time that a chunk of windows may have."""


@dataclass(frozen=True)
class Linearised:
    """The sum of squares at one point.

    Parameters
    ----------
    matrix
        [Q, Q], the Gauss-Newton matrix.
    gradient
        [Q], half the gradient.
    chunks
        What moves the start states: rows, constant and slope for a few windows each.
    """

    matrix: Tensor
    gradient: Tensor
    chunks: list[tuple[Tensor, Tensor, Tensor]]

    def start_steps(self, dq: Tensor, like: Tensor) -> Tensor:
        """dz of all windows that follows from a step dq, [W, S]; zero where the starts are not free."""
        dz = torch.zeros_like(like)
        for rows, constant, slope in self.chunks:
            dz[rows] = -(constant + slope @ dq)
        return dz


@dataclass(frozen=True)
class Solved:
    """E windows with their derivatives.

    Parameters
    ----------
    p, p_u
        [E, L] and [E, L, n_u], local values and their derivatives to u.
    y
        [E, T, S], states.
    of_q, of_z
        [E, T, S, Q] and [E, T, S, S], their derivatives to q and to the own start state.
    """

    p: Tensor
    p_u: Tensor
    y: Tensor
    of_q: Tensor
    of_z: Tensor


class Linearisation:
    """Linearises a `WindowObjective` with a squared-error loss and no weight on its gaps."""

    def __init__(self, objective: WindowObjective) -> None:
        self.objective = objective
        problem, networks = objective.problem, objective.networks
        system = problem.engine.system
        self.calls = {name: _Call(module) for name, module in networks.items()}
        self.named = [(f"{name}.{key}", q) for name, m in networks.items() for key, q in m.named_parameters()]
        arguments = (*system.states, TIME, *system.parameters)
        self._slopes = torch_function(list(system.rhs), arguments, dict(self.calls))
        self._start = torch_function(list(system.start), system.parameters)
        self._penalty = Penalty(system, dict(self.calls))
        self.n_u = objective.u.numel()

    @property
    def q(self) -> Tensor:
        """u and all weights, [Q]."""
        return torch.cat([self.objective.u.detach(), *(q.detach().reshape(-1) for _, q in self.named)])

    @torch.no_grad()
    def put(self, q: Tensor) -> None:
        """Set u and all weights, within the bounds of u."""
        parts = torch.split(q[self.n_u :], [p.numel() for _, p in self.named]) if self.named else ()
        self.objective.u.copy_(q[: self.n_u])
        for (_, parameter), part in zip(self.named, parts, strict=True):
            parameter.copy_(part.view(parameter.shape))
        self.objective.project()

    def _f(self, weights: tuple[Tensor, ...], y: Tensor, t: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """f [S] of one window, twice (to differentiate one and keep the other): y [S], t [], p [L]."""
        self._set_weights(weights)
        f = _stacked(self._slopes(*y.unbind(), t, *p.unbind()), y)
        return f, f

    def _roots(self, weights: tuple[Tensor, ...], y: Tensor, t: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """The penalised outputs at one point, [K], twice."""
        self._set_weights(weights)
        roots = self._penalty.roots(*y.unbind(), t, *p.unbind())
        return roots, roots

    def _set_weights(self, weights: tuple[Tensor, ...]) -> None:
        for name, call in self.calls.items():
            call.weights = {
                key.removeprefix(f"{name}."): weight
                for (key, _), weight in zip(self.named, weights, strict=True)
                if key.startswith(f"{name}.")
            }

    @torch.no_grad()
    def at(self, batch: Batch) -> Linearised:
        """The residuals of a batch and their derivatives at the present parameters."""
        n, u = self.q.numel(), self.objective.u
        matrix, gradient = u.new_zeros((n, n)), u.new_zeros(n)
        chunks = []
        # The loss divides residuals by the cells, and the penalty by the points.
        share = float((batch.mask.sum() / batch.inside.sum()).sqrt())
        for part in self._chunks(batch, n):
            solved = self.solve(part)
            r, of_q, of_z = self.residuals(part, solved)
            if self._penalty:
                more = self.penalties(part, solved)
                r, of_q, of_z = (torch.cat((a, share * b), dim=1) for a, b in zip((r, of_q, of_z), more, strict=True))
            if self.objective.start_kind == "free":
                # Tiny, so that a window that says nothing of its start leaves it where it is.
                inner = of_z.mT @ of_z
                ridge = 1e-10 * inner.diagonal(dim1=1, dim2=2).amax(dim=1).clamp(min=1e-30)
                inner = inner + ridge[:, None, None] * torch.eye(inner.shape[1]).to(inner)
                right = torch.cat((of_z.mT @ r.unsqueeze(-1), of_z.mT @ of_q), dim=2)
                step = torch.linalg.solve(inner, right)
                chunks.append((part.rows, step[..., 0], step[..., 1:]))
                r = r - (of_z @ step[..., :1]).squeeze(-1)
                of_q = of_q - of_z @ step[..., 1:]
            flat = of_q.reshape(-1, n)
            matrix += flat.T @ flat
            gradient += flat.T @ r.reshape(-1)
        return Linearised(matrix, gradient, chunks)

    @torch.no_grad()
    def rows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The derivatives to q of the residuals [E, T, O, Q] and of the penalised outputs [E, T, K, Q].

        They are 0 where nothing is measured, and outside of a series.
        """
        n, times = self.q.numel(), batch.times.shape[1]
        measured, penalised = [], []
        for part in self._chunks(batch, n):
            solved = self.solve(part)
            of_q = self.residuals(part, solved)[1]
            measured.append(of_q.reshape(len(of_q), times, -1, n))
            outputs = self.penalties(part, solved)[1] if self._penalty else of_q[:, :0]
            penalised.append(outputs.reshape(len(outputs), times, len(self._penalty), n))
        return torch.cat(measured), torch.cat(penalised)

    def _chunks(self, batch: Batch, n: int) -> Iterator[Batch]:
        size = max(MAX_HELD // (batch.times.shape[1] * len(self.objective.problem.engine.system.states) * n), 1)
        for begin in range(0, len(batch.rows), size):
            yield batch.some(slice(begin, begin + size))

    def solve(self, batch: Batch) -> Solved:
        """The windows of a batch, with their derivatives."""
        p, p_u = self._local(self.objective.owner_of(batch))
        n = self.objective.problem.n_system
        return Solved(p, p_u, *self._trajectories(batch, p[:, :n], p_u[:, :n]))

    def residuals(self, batch: Batch, solved: Solved | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """r [E, M], dr/dq [E, M, Q], dr/dz [E, M, S] of a batch, 0 where nothing is measured."""
        problem, u = self.objective.problem, self.objective.u.detach()
        solved = solved or self.solve(batch)
        y, p = solved.y, solved.p

        m, m_y, m_p = self._moments(y, batch.clock, p)
        of_q = m_y @ solved.of_q
        of_q[..., : self.n_u] += m_p @ solved.p_u.unsqueeze(1)
        names = problem.observation.names
        is_log = torch.tensor([problem.observation.noise[name].is_log for name in names], device=u.device)
        values = torch.where(is_log, torch.where(is_log & batch.mask, batch.values, 1.0).log(), batch.values)
        far = None if batch.ends is None else torch.where(is_log, batch.ends.log(), batch.ends)
        difference, kept = off(m, values, batch.censored, far)
        counts = batch.mask if kept is None else batch.mask & kept
        r = torch.where(counts, difference, 0.0)
        mask = counts.unsqueeze(-1)
        flat = (len(r), -1)
        of_q, of_z = torch.where(mask, of_q, 0.0), torch.where(mask, m_y @ solved.of_z, 0.0)
        return r.reshape(flat), of_q.reshape(*flat, of_q.shape[-1]), of_z.reshape(*flat, of_z.shape[-1])

    def _moments(self, y: Tensor, t: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is predicted, [E, T, O], and its derivatives [E, T, O, ...] to the states and local values there."""
        observation = self.objective.problem.observation
        y = y.detach().requires_grad_()
        own = p.detach().unsqueeze(1).expand(-1, y.shape[1], -1).clone().requires_grad_()
        of = (y, own)
        values, slopes = [], []
        with torch.enable_grad():
            # A covariate has a part in noise levels only, which this loss does not know.
            ones = own.new_ones((*own.shape[:2], len(observation.covariates)))
            for k in range(len(observation.names)):
                m = observation.moment_tensors(k, y, t, torch.cat([own, ones], dim=-1))[0].expand(t.shape)
                # No prediction depends on the states beside another.
                found = torch.autograd.grad(m.sum(), of, allow_unused=True) if m.requires_grad else (None, None)
                slopes.append([torch.zeros_like(q) if g is None else g for g, q in zip(found, of, strict=True)])
                values.append(m.detach())
        by_y, by_p = zip(*slopes, strict=True)
        return torch.stack(values, dim=-1), torch.stack(by_y, dim=-2), torch.stack(by_p, dim=-2)

    def penalties(self, batch: Batch, solved: Solved) -> tuple[Tensor, Tensor, Tensor]:
        """The same for the penalised outputs, one row for each and every time: their mean over times is the penalty."""
        n = self.objective.problem.n_system
        weights = tuple(q.detach() for _, q in self.named)
        jacobian = vmap(jacrev(self._roots, argnums=(0, 1, 3), has_aux=True), in_dims=(None, 0, 0, None))
        (of_w, of_y, of_p), r = vmap(jacobian, in_dims=(None, 0, 0, 0))(weights, solved.y, batch.clock, solved.p[:, :n])
        of_q = of_y @ solved.of_q
        of_q += torch.cat((of_p @ solved.p_u[:, :n].unsqueeze(1), *(w.flatten(3) for w in of_w)), dim=3)
        outside = ~batch.inside.unsqueeze(-1)
        r = r.masked_fill(outside, 0.0).flatten(1)
        outside = outside.unsqueeze(-1)
        of_z = (of_y @ solved.of_z).masked_fill(outside, 0.0)
        return r, of_q.masked_fill(outside, 0.0).flatten(1, 2), of_z.flatten(1, 2)

    def _local(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Local values p [E, L] of some series, and dp/du [E, L, n_u]."""
        problem, u = self.objective.problem, self.objective.u.detach().requires_grad_()
        with torch.enable_grad():
            theta = problem.table.natural_tensor(u)
            # Each theta follows from its own u.
            (slope,) = torch.autograd.grad(theta.sum(), u) if self.n_u else (u.detach(),)
        theta = theta.detach()
        theta_u = theta.new_zeros((len(theta), self.n_u))
        theta_u[torch.as_tensor(problem.table.estimated), torch.arange(self.n_u)] = slope
        p = problem.binding.local_tensor(theta, rows)
        index = torch.as_tensor(problem.binding.index, device=u.device)[rows]
        if not len(theta):
            return p, p.new_zeros((*p.shape, 0))
        return p, torch.where((index >= 0).unsqueeze(-1), theta_u[index], 0.0)

    def _trajectories(self, batch: Batch, p: Tensor, p_u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y [E, T, S], dy/dq [E, T, S, Q], dy/dz [E, T, S, S] by the steps of `WindowObjective.solve`."""
        weights = tuple(q.detach() for _, q in self.named)
        y, y_q, y_z = self._starts(batch, p, p_u)
        if (compiled := self.objective.compiled) is not None:
            elapsed = batch.times - batch.start.unsqueeze(1)
            y, of_p, of_y, of_w = compiled.march_with_derivatives(p, batch.start, elapsed, y, self.objective.steps)
            of_u = of_p @ p_u.unsqueeze(1) + of_y @ y_q[..., : self.n_u].unsqueeze(1)
            return y, torch.cat((of_u, of_w), dim=-1), of_y @ y_z.unsqueeze(1)
        jacobian = vmap(jacrev(self._f, argnums=(0, 1, 3), has_aux=True), in_dims=(None, 0, 0, 0))
        n_q = self.q.numel()

        def field(t: Tensor, y: Tensor, both: Tensor) -> tuple[Tensor, Tensor]:
            (f_w, f_y, f_p), f = jacobian(weights, y, t, p)
            slope = f_y @ both
            slope[..., :n_q] += torch.cat((f_p @ p_u, *(w.flatten(2) for w in f_w)), dim=2)
            return f, slope

        both = torch.cat((y_q, y_z), dim=2)
        path, paths = [y], [both]
        n = self.objective.steps
        for k in range(batch.times.shape[1]):
            before = batch.times[:, k - 1] if k else batch.start
            h = (batch.times[:, k] - before) / n
            for i in range(n if k or bool(h.any()) else 0):
                y, both = _step(field, before + i * h, y, both, h)
            path.append(y)
            paths.append(both)
        solved = torch.stack(paths[1:], dim=1)
        return torch.stack(path[1:], dim=1), solved[..., :n_q], solved[..., n_q:]

    def _starts(self, batch: Batch, p: Tensor, p_u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y, dy/dq, dy/dz at the start."""
        objective = self.objective
        n_q = self.q.numel()
        states = len(objective.problem.engine.system.states)
        none = p.new_zeros((len(p), states, states))
        if objective.start_kind == "model":

            def start(own: Tensor) -> Tensor:
                return _stacked(self._start(*own.unbind()), own)

            of_q = p.new_zeros((len(p), states, n_q))
            of_q[..., : self.n_u] = vmap(jacrev(start))(p) @ p_u
            return vmap(start)(p), of_q, none
        y = objective.start_states().detach()[batch.rows]
        of_z = torch.diag_embed(objective.start_slopes().detach()[batch.rows])
        return y, p.new_zeros((len(p), states, n_q)), of_z


class _Call:
    """A network with weights that are handed to it from outside."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.weights: dict[str, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        result: Tensor = functional_call(self.module, self.weights, (x,))
        return result


def _stacked(values: list[Any], like: Tensor) -> Tensor:
    return torch.stack([v if isinstance(v, Tensor) else like.new_tensor(float(v)) for v in values])


def _step(field: Any, t: Tensor, y: Tensor, both: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """One classical Runge-Kutta step of width h [E] of y [E, S] and its derivatives [E, S, Q]."""
    a, b = h[:, None], h[:, None, None]
    k1, s1 = field(t, y, both)
    k2, s2 = field(t + h / 2, y + a / 2 * k1, both + b / 2 * s1)
    k3, s3 = field(t + h / 2, y + a / 2 * k2, both + b / 2 * s2)
    k4, s4 = field(t + h, y + a * k3, both + b * s3)
    return y + a / 6 * (k1 + 2 * (k2 + k3) + k4), both + b / 6 * (s1 + 2 * (s2 + s3) + s4)
