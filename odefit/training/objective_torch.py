"""The objective as a torch module: what the Dataset / DataLoader / Adam loop minimises."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.data.dataset import Batch
from odefit.errors import FitError, SolveError
from odefit.objective.comparisons import SolvedRows, solved_rows
from odefit.objective.likelihood import NOT_FINITE
from odefit.objective.noise.censored_torch import tail_tensor
from odefit.objective.problem import FitProblem
from odefit.training.limits_torch import off
from odefit.training.penalty import Penalty

Loss = Literal["mse", "nll"]


class TrainingObjective(nn.Module):
    """The loss as a module, with the search vector u [P] and all weights as `nn.Parameter`s.

    Calling it with a `Batch` gives the loss; that raises SolveError where the model fails or the loss is not finite.
    Penalties of networks are added as they are (`training/penalty.py`).

    Parameters
    ----------
    problem
        The fit.
    networks
        The modules of its networks.
    loss
        `mse`: the mean of (m - T(d))² over the batch's measured cells, T the noise model's own scale; a censored cell
        counts only while m is on the wrong side of its limit. `nll`: the negative log-likelihood per measured cell, and
        the priors' share of it; over all data it is `Likelihood.value` divided by the number of measurements.
    u
        [P], where u starts; its dtype and device are those of the module.
    """

    _low: Tensor
    _high: Tensor

    def __init__(self, problem: FitProblem, networks: nn.ModuleDict, loss: Loss, u: Tensor) -> None:
        super().__init__()
        self.problem, self.loss, self.networks = problem, loss, networks
        self.penalty = Penalty(problem.engine.system, dict(networks.items()))
        self.u = nn.Parameter(u.detach().clone())
        low, high = problem.table.search_bounds()
        self.register_buffer("_low", _rounded(low, np.inf, u))
        self.register_buffer("_high", _rounded(high, -np.inf, u))
        self._compared: tuple[Batch, SolvedRows] | None = None
        self.project()

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch. Raises SolveError where the model fails or the loss is not finite."""
        return finite(self.loss_of(*self._solved(batch), batch))

    def _solved(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """theta [N], local values [E, L] and states [E, T, S] of a batch."""
        problem = self.problem
        theta = problem.table.natural_tensor(self.u)
        p = problem.binding.local_tensor(theta, batch.rows)
        return theta, p, problem.engine.solve_batch(p[:, : problem.n_system], batch)

    def outcomes(self, batch: Batch) -> tuple[list[Tensor], Tensor]:
        """What is predicted, in each noise model's own scale, where each observable is measured, and penalised outputs.

        Returns
        -------
        predicted, penalised
            [C_o] for each observable, in the order of its mask's cells; [E, T, K].
        """
        _, p, y = self._solved(batch)
        levels, columns = self._levels(y, p, batch), range(len(self.problem.observation.names))
        predicted = [self._measured(position, levels, p, batch)[0] for position in columns]
        return predicted, self.penalty.roots(*self._arguments(p, y, batch)) if self.penalty else y[..., :0]

    def loss_of(self, theta: Tensor, p: Tensor, y: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch that is solved.

        Parameters
        ----------
        theta
            [N].
        p
            [E, L], local values.
        y
            [E, T, S], states.
        batch
            What was measured, at all times that are needed (`FitProblem.solved`).
        """
        total, levels = theta.new_zeros(()), self._levels(y, p, batch)
        for position in range(len(self.problem.observation.names)):
            total = total + self._column(position, levels, p, batch)
        total = total / batch.mask.sum()
        if self.loss == "nll":
            total = total + self._prior(theta) / self.problem.n_measured
        if self.penalty:
            total = total + self.penalty(batch.inside, *self._arguments(p, y, batch))
        return total

    def _levels(self, y: Tensor, p: Tensor, batch: Batch) -> Tensor:
        """States [E, T, S], and behind them what is compared with an earlier value."""
        comparisons, inputs = self.problem.observation.comparisons, self._inputs(batch)
        if comparisons is None:
            return y
        if self._compared is None or self._compared[0] is not batch:
            self._compared = batch, solved_rows(batch.experiments, self.problem.observation.system)
        own = p.unsqueeze(1)
        if inputs is not None:
            own = torch.cat([own.expand(-1, y.shape[1], -1), inputs], dim=-1)
        return comparisons.level_tensors(y, batch.clock, own, self._compared[1])

    def _arguments(self, p: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """States, time, parameters of the equations and inputs at every time of a batch, [E, T] each."""
        own = p[:, : self.problem.n_system].unsqueeze(1).expand(-1, y.shape[1], -1)
        inputs = self._inputs(batch)
        return (*y.unbind(-1), batch.clock, *own.unbind(-1), *(() if inputs is None else inputs.unbind(-1)))

    def _inputs(self, batch: Batch) -> Tensor | None:
        """u(t) in the order of the system's inputs, [E, T, U]; None where it has none."""
        names = self.problem.engine.system.inputs
        if not names or batch.inputs is None:
            return None
        known = batch.input_names
        return batch.inputs[..., [known.index(name) for name in names]]

    def _given(self, batch: Batch) -> Tensor | None:
        """Inputs and, beside each measurement, covariates, [E, T, U]; None where there are none."""
        inputs = self._inputs(batch)
        beside = [batch.covariates[name][..., column] for name, column in self.problem.observation.covariates]
        parts = [*([] if inputs is None else [inputs]), *([torch.stack(beside, dim=-1)] if beside else [])]
        return torch.cat(parts, dim=-1) if parts else None

    def _measured(self, position: int, y: Tensor, p: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """m and s of one observable where it is measured."""
        e, k = batch.mask[..., position].nonzero(as_tuple=True)
        given = self._given(batch)
        own = p[e] if given is None else torch.cat([p[e], given[e, k]], dim=-1)
        return self.problem.observation.moment_tensors(position, y[e, k], batch.clock[e, k], own)

    def _column(self, position: int, y: Tensor, p: Tensor, batch: Batch) -> Tensor:
        """The sum over the measured cells of one observable."""
        observation, given = self.problem.observation, self._given(batch)
        mask, values = batch.mask[..., position], batch.values[..., position]
        sigma = None if batch.sigma is None else batch.sigma[..., position]
        side = None if batch.censored is None else batch.censored[..., position]
        far = None if batch.ends is None else batch.ends[..., position]
        if mask.all() and given is None and side is None:
            m, s = observation.moment_tensors(position, y, batch.clock, p.unsqueeze(1))
        else:
            m, s = self._measured(position, y, p, batch)
            values = values[mask]
            sigma, side, far = (None if x is None else x[mask] for x in (sigma, side, far))
        noise = observation.noise[observation.names[position]]
        scaled = values.log() if noise.is_log else values
        far = far.log() if noise.is_log and far is not None else far
        if self.loss == "mse":
            return off(m, scaled, side, far)[0].square().sum()
        if noise.sigma is None:
            s = None if sigma is None else sigma * noise.unit
        if not noise.family.has_scale:
            s = torch.zeros_like(m)
        if s is None:
            raise FitError("the noise level is to come from the data, but the data bring none")
        total = m.new_zeros(())
        if side is not None and (side != 0).any():
            limits = side != 0
            end = None if far is None else torch.where(far.isfinite(), far, torch.nan)[limits]
            total = tail_tensor(noise.family, side[limits], scaled[limits], m[limits], s[limits], end).sum()
            scaled, m, s = scaled[side == 0], m[side == 0], s[side == 0]
        nll = noise.family.nll_tensor(scaled, m, s)
        return total + ((nll + scaled).sum() if noise.is_log else nll.sum())

    def _prior(self, theta: Tensor) -> Tensor:
        total = theta.new_zeros(())
        for position, parameter in enumerate(self.problem.table):
            if parameter.prior is not None and parameter.estimate:
                total = total + parameter.prior.value_tensor(theta[position])
        for weights in self.problem.weight_priors:
            total = total + weights.value_tensor()
        return total

    @torch.no_grad()
    def project(self) -> None:
        """Bring u back into its bounds, after a step."""
        self.u.clamp_(self._low, self._high)


def finite(loss: Tensor) -> Tensor:
    """The loss itself. Raises SolveError where it is no finite number."""
    if not torch.isfinite(loss):
        raise SolveError(NOT_FINITE)
    return loss


def _rounded(bound: FloatArray, inwards: float, like: Tensor) -> Tensor:
    """A bound [P] in the dtype of `like`, rounded towards the inside: float32 may lie a trifle outside."""
    near = torch.as_tensor(bound, dtype=like.dtype, device=like.device)
    outside = (near.to(torch.float64) - torch.as_tensor(bound, device=like.device)) * inwards < 0
    return torch.where(outside, torch.nextafter(near, torch.full_like(near, inwards)), near)
