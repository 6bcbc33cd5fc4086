"""The objective as a torch module: what the Dataset / DataLoader / Adam loop minimises."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from odefit.data.dataset import Batch
from odefit.errors import FitError
from odefit.objective.problem import Problem

Loss = Literal["mse", "nll"]


class TrainingObjective(nn.Module):
    """Search vector u [P] and network weights as `nn.Parameter`s; forward(batch) is the loss.

    mse: the mean of (m - T(d))² over the batch's measured cells, T the noise model's own scale.
    nll: the negative log-likelihood per measured cell, and the priors' share of it.
    """

    _is_log: Tensor
    _low: Tensor
    _high: Tensor

    def __init__(self, problem: Problem, networks: nn.ModuleDict, loss: Loss, u: Tensor) -> None:
        super().__init__()
        self.problem, self.loss, self.networks = problem, loss, networks
        self.u = nn.Parameter(u.detach().clone())
        observation = problem.observation
        is_log = [observation.noise[name].is_log for name in observation.names]
        self.register_buffer("_is_log", torch.tensor(is_log, device=u.device))
        self._any_log = any(is_log)
        low, high = problem.table.search_bounds()
        self.register_buffer("_low", torch.as_tensor(low, dtype=u.dtype, device=u.device))
        self.register_buffer("_high", torch.as_tensor(high, dtype=u.dtype, device=u.device))

    def forward(self, batch: Batch) -> Tensor:
        problem = self.problem
        theta = problem.table.natural_tensor(self.u)
        p = problem.binding.local_tensor(theta, batch.rows)
        y = problem.engine.solve_batch(p[:, : problem.n_system], batch)
        m, sigma = problem.observation.moments_tensor(y, batch.times, p)
        difference = torch.where(batch.mask, m - self.scaled(batch), 0.0)
        count = batch.mask.sum()
        if self.loss == "mse":
            return difference.square().sum() / count
        s = self._sigma(sigma, batch)
        nll = 0.5 * (difference / s).square() + s.log() + 0.5 * math.log(2 * math.pi)
        total = torch.where(batch.mask, nll, 0.0).sum() / count
        return total + self._prior(theta) / problem.n_measured

    def scaled(self, batch: Batch) -> Tensor:
        """T(d), [E, T, O]; harmless numbers where nothing is measured."""
        if not self._any_log:
            return batch.values
        logarithm = torch.where(batch.mask & self._is_log, batch.values, 1.0).log()
        return torch.where(self._is_log, logarithm, batch.values)

    def _sigma(self, sigma: list[Tensor | None], batch: Batch) -> Tensor:
        columns = []
        for position, s in enumerate(sigma):
            if s is None:
                if batch.sigma is None:
                    raise FitError("the noise level is to come from the data, but the data bring none")
                s = batch.sigma[..., position]
            columns.append(s)
        return torch.stack(columns, dim=-1)

    def _prior(self, theta: Tensor) -> Tensor:
        total = theta.new_zeros(())
        for position, parameter in enumerate(self.problem.table):
            prior, value = parameter.prior, theta[position]
            if prior is None or not parameter.estimate:
                continue
            if prior.kind == "normal":
                total = total + 0.5 * ((value - prior.a) / prior.b).square()
            elif prior.kind == "lognormal":
                total = total + 0.5 * ((value.log() - math.log(prior.a)) / prior.b).square() + value.log()
            elif prior.kind == "laplace":
                total = total + (value - prior.a).abs() / prior.b
        return total

    @torch.no_grad()
    def project(self) -> None:
        """Bring u back into its bounds, after a step."""
        self.u.clamp_(self._low, self._high)
