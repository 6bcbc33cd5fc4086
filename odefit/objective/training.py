"""The objective as a torch module: what the Dataset / DataLoader / Adam loop minimises."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from odefit.data.dataset import Batch
from odefit.data.experiments import FloatArray
from odefit.errors import FitError, SolveError
from odefit.objective.likelihood import NOT_FINITE
from odefit.objective.priors import HALF_LOG_2PI
from odefit.objective.problem import Problem

Loss = Literal["mse", "nll"]


class TrainingObjective(nn.Module):
    """Search vector u [P] and network weights as `nn.Parameter`s; forward(batch) is the loss.

    mse: the mean of (m - T(d))² over the batch's measured cells, T the noise model's own scale.
    nll: the negative log-likelihood per measured cell, and the priors' share of it; over all data it is
    `Likelihood.value` divided by the number of measurements.

    forward raises SolveError where the model fails or the loss is not finite.
    """

    _low: Tensor
    _high: Tensor

    def __init__(self, problem: Problem, networks: nn.ModuleDict, loss: Loss, u: Tensor) -> None:
        super().__init__()
        self.problem, self.loss, self.networks = problem, loss, networks
        self.u = nn.Parameter(u.detach().clone())
        low, high = problem.table.search_bounds()
        self.register_buffer("_low", _rounded(low, np.inf, u))
        self.register_buffer("_high", _rounded(high, -np.inf, u))
        self.project()

    def forward(self, batch: Batch) -> Tensor:
        problem = self.problem
        theta = problem.table.natural_tensor(self.u)
        p = problem.binding.local_tensor(theta, batch.rows)
        y = problem.engine.solve_batch(p[:, : problem.n_system], batch)
        total = theta.new_zeros(())
        for position in range(len(problem.observation.names)):
            total = total + self._column(position, y, p, batch)
        total = total / batch.mask.sum()
        if self.loss == "nll":
            total = total + self._prior(theta) / problem.n_measured
        if not torch.isfinite(total):
            raise SolveError(NOT_FINITE)
        return total

    def _column(self, position: int, y: Tensor, p: Tensor, batch: Batch) -> Tensor:
        """The sum over the measured cells of one observable."""
        observation = self.problem.observation
        mask, values = batch.mask[..., position], batch.values[..., position]
        sigma = None if batch.sigma is None else batch.sigma[..., position]
        if mask.all():
            m, s = observation.moment_tensors(position, y, batch.times, p.unsqueeze(1))
        else:
            e, k = mask.nonzero(as_tuple=True)
            m, s = observation.moment_tensors(position, y[e, k], batch.times[e, k], p[e])
            values, sigma = values[mask], None if sigma is None else sigma[mask]
        noise = observation.noise[observation.names[position]]
        scaled = values.log() if noise.is_log else values
        if self.loss == "mse":
            return (m - scaled).square().sum()
        if noise.sigma is None:
            s = sigma
        if s is None:
            raise FitError("the noise level is to come from the data, but the data bring none")
        nll = 0.5 * ((m - scaled) / s).square() + s.log() + HALF_LOG_2PI
        return (nll + scaled).sum() if noise.is_log else nll.sum()

    def _prior(self, theta: Tensor) -> Tensor:
        total = theta.new_zeros(())
        for position, parameter in enumerate(self.problem.table):
            prior, value = parameter.prior, theta[position]
            if prior is None or not parameter.estimate:
                continue
            total = total + prior.constant
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


def _rounded(bound: FloatArray, inwards: float, like: Tensor) -> Tensor:
    """A bound [P] in the dtype of `like`, rounded towards the inside: float32 may lie a trifle outside."""
    near = torch.as_tensor(bound, dtype=like.dtype, device=like.device)
    outside = (near.to(torch.float64) - torch.as_tensor(bound, device=like.device)) * inwards < 0
    return torch.where(outside, torch.nextafter(near, torch.full_like(near, inwards)), near)
