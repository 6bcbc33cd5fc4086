"""The Adam loop on functions with known minima: no ODE is solved here."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from odefit.errors import SolveError
from odefit.training.adam import AdamOptions, minimize_adam
from odefit.training.adam_steps import AdamSteps
from odefit.training.best_state import Keeper, LowestScore
from odefit.training.learning_rate import LearningRate, Schedule
from odefit.training.loss_history import Epoch, Thinned, TrainingOutcome

ONE = [None]
"""One batch, of which the objective knows all it needs."""


class Bowl(nn.Module):
    """sum scale (u - centre)², with a record of what was asked."""

    def __init__(self, start: Sequence[float], centre: float = 1.0, scale: float = 1.0) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.centre, self.scale = centre, scale
        self.asked: list[tuple[float, list[float]]] = []

    def forward(self, batch: Any) -> Tensor:
        loss = self.scale * (self.u - (self.centre if batch is None else batch)).square().sum()
        self.asked.append((loss.item(), self.u.tolist()))
        return loss


class Rosenbrock(Bowl):
    def forward(self, batch: Any) -> Tensor:
        x, y = self.u
        return (1 - x).square() + 100 * (y - x.square()).square()


def test_a_quadratic_reaches_its_minimum() -> None:
    module = Bowl([5.0, -3.0])
    found = minimize_adam(module, ONE, AdamOptions(400, 0.1, Schedule("cosine")))
    torch.testing.assert_close(module.u.detach(), torch.ones(2, dtype=torch.float64), atol=1e-4, rtol=0)
    assert found.best_loss < 1e-8


def test_rosenbrock_reaches_its_minimum() -> None:
    module = Rosenbrock([-1.2, 1.0])
    found = minimize_adam(module, ONE, AdamOptions(2000, 0.2, Schedule("exponential", final=2e-2)))
    torch.testing.assert_close(module.u.detach(), torch.ones(2, dtype=torch.float64), atol=1e-2, rtol=0)
    assert found.best_loss < 1e-4


@pytest.mark.parametrize("kind", ["cosine", "exponential", "constant"])
@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_a_schedule_goes_from_the_first_rate_to_the_last(kind: Any, epochs: int) -> None:
    found = minimize_adam(Bowl([5.0]), ONE, AdamOptions(epochs, 0.1, Schedule(kind, final=1e-3)))
    rates = [epoch.learning_rate for epoch in found.history]
    assert rates[0] == pytest.approx(0.1)
    if epochs > 1:
        assert rates[-1] == pytest.approx(0.1 if kind == "constant" else 1e-3)
    assert rates == sorted(rates, reverse=True)
    if kind == "exponential" and epochs == 30:
        assert rates[1] / rates[0] == pytest.approx(rates[-1] / rates[-2])


def test_a_plateau_lowers_the_rate_to_its_floor() -> None:
    class Flat(Bowl):
        def forward(self, batch: Any) -> Tensor:
            return 1.0 + 0.0 * self.u.sum()

    found = minimize_adam(Flat([0.0]), ONE, AdamOptions(60, 0.1, Schedule("plateau", 1e-3, factor=0.1, patience=5)))
    rates = [epoch.learning_rate for epoch in found.history]
    assert rates[0] == 0.1
    assert rates[-1] == pytest.approx(1e-3)
    assert len(set(rates)) == 3


def test_a_long_gradient_is_clipped_and_its_length_told() -> None:
    lengths = []

    class Watched(Bowl):
        def project(self) -> None:
            assert self.u.grad is not None
            lengths.append(float(self.u.grad.norm()))

    found = minimize_adam(Watched([3.0, 4.0], 0.0, 1e3), ONE, AdamOptions(3, 0.1, gradient_clip=0.5))
    assert lengths[0] == pytest.approx(0.5, rel=1e-3)
    assert found.history[0].gradient_norm == pytest.approx(1e4)
    free = minimize_adam(Watched([3.0, 4.0], 0.0, 1e3), ONE, AdamOptions(1, 0.1))
    assert lengths[-1] == pytest.approx(free.history[0].gradient_norm) == pytest.approx(1e4)


def test_weight_decay_pulls_weights_and_nothing_else() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.u = nn.Parameter(torch.ones(2))
            self.networks = nn.ModuleDict({"net": nn.Linear(1, 1)})

        def forward(self, batch: Any) -> Tensor:
            return 0.0 * sum((q.sum() for q in self.parameters()), start=torch.zeros(()))

    for decay in (0.0, 0.1):
        module = Idle()
        before = [q.detach().clone() for q in module.networks.parameters()]
        moved: list[bool] = []
        minimize_adam(
            module, ONE, AdamOptions(5, 0.01, weight_decay=decay),
            lambda epoch, m, now=moved, old=before: now.append(
                any(not torch.equal(a, b) for a, b in zip(m.networks.parameters(), old, strict=True))
                and torch.equal(m.u, torch.ones(2))
            ),
        )  # fmt: skip
        assert moved == [decay > 0] * 5


def test_patience_ends_a_training_that_gets_no_better() -> None:
    found = minimize_adam(Bowl([1.0]), ONE, AdamOptions(500, 0.1, patience=7))
    # At the minimum from the first epoch on.
    assert len(found.history) == 8
    assert found.status == "converged"
    assert "7 epochs" in found.message


def test_the_best_is_the_state_whose_loss_was_the_lowest() -> None:
    """With one batch the loss is that of the parameters before the step."""
    module = Bowl([0.6])
    found = minimize_adam(module, ONE, AdamOptions(30, 0.3))  # too large a rate: it swings about the minimum
    best_loss, best_u = min(module.asked)
    assert found.best_epoch == [loss for loss, _ in module.asked].index(best_loss) + 1
    assert 1 < found.best_epoch < 30
    assert found.best_loss == best_loss
    assert module.u.tolist() == best_u
    assert found.best["u"].tolist() == best_u
    assert module(None).item() == best_loss


@dataclass
class Weighted:
    """A batch as the loop sees it: how many cells are measured."""

    mask: Tensor
    centre: float


class Batched(Bowl):
    def forward(self, batch: Any) -> Tensor:
        return super().forward(batch.centre)


def test_the_loss_of_several_batches_is_their_mean_by_cells() -> None:
    batches = [Weighted(torch.ones(3, 1), 0.0), Weighted(torch.ones(1, 1), 2.0)]
    module = Batched([1.0])
    found = minimize_adam(module, batches, AdamOptions(1, 1e-3))
    (first, _), (second, _) = module.asked
    assert found.history[0].loss == pytest.approx((3 * first + second) / 4)
    # What is kept is the state at the epoch's end.
    assert found.best_epoch == 1
    assert module.u.item() != 1.0


def test_a_batch_without_measurements_is_passed_over() -> None:
    batches = [Weighted(torch.zeros(2, 1), math.nan), Weighted(torch.ones(2, 1), 2.0)]
    module = Batched([1.0])
    found = minimize_adam(module, batches, AdamOptions(5, 1e-2))
    assert found.status == "stopped"
    assert len(found.history) == 5
    assert len(module.asked) == 5


class Failing(Bowl):
    """Something goes wrong in the third epoch."""

    def __init__(self, what: str) -> None:
        super().__init__([5.0])
        self.what, self.calls = what, 0

    def forward(self, batch: Any) -> Tensor:
        self.calls += 1
        loss = super().forward(batch)
        if self.calls < 3:
            return loss
        if self.what == "solve":
            raise SolveError("experiment A: the solution is no longer finite")
        if self.what == "backward":
            loss.register_hook(self._fail)
        if self.what == "gradient":
            return loss + (self.u - self.u.detach()).abs().sqrt().sum()
        return loss * math.nan if self.what == "loss" else loss

    @staticmethod
    def _fail(_gradient: Tensor) -> None:
        raise SolveError("the adjoint crawls")


CAUSES = {
    "loss": "the loss is nan",
    "gradient": "the gradient is not finite",
    "solve": "no longer finite",
    "backward": "the adjoint crawls",
}


@pytest.mark.parametrize("what", CAUSES)
def test_a_failure_stops_with_its_cause_and_keeps_the_best(what: str) -> None:
    module = Failing(what)
    found = minimize_adam(module, ONE, AdamOptions(10, 0.1))
    assert found.status == "stopped"
    assert "epoch 3" in found.message
    assert CAUSES[what] in found.message
    assert "best" in found.message
    assert len(found.history) == 2
    assert found.best_epoch == 2
    assert module.u.tolist() == module.asked[1][1]


def test_a_failure_at_once_is_a_failure_and_keeps_the_start() -> None:
    module = Failing("loss")
    module.calls = 5
    found = minimize_adam(module, ONE, AdamOptions(10, 0.1))
    assert found.status == "failed"
    assert "epoch 1" in found.message
    assert "start" in found.message
    assert module.u.tolist() == [5.0]
    assert found.best_loss == math.inf


@pytest.mark.parametrize("at", ["callback", "forward", "first"])
def test_an_interrupt_keeps_what_was_reached(at: str) -> None:
    module = Bowl([5.0])

    def interrupt(epoch: Epoch, _: nn.Module) -> None:
        if at == "callback" and epoch.epoch == 4:
            raise KeyboardInterrupt

    if at != "callback":
        last = 4 if at == "forward" else 0
        forward = module.forward

        def interrupted(batch: Any) -> Tensor:
            if len(module.asked) == last:
                raise KeyboardInterrupt
            return forward(batch)

        module.forward = interrupted
    found = minimize_adam(module, ONE, AdamOptions(10, 0.1), interrupt)
    assert found.status == "interrupted"
    assert len(found.history) == (0 if at == "first" else 4)
    assert found.best_epoch == (0 if at == "first" else 4)
    assert ("start" in found.message) == (at == "first")
    assert module.u.tolist() == ([5.0] if at == "first" else module.asked[3][1])


def test_the_same_seed_gives_the_same_bits() -> None:
    def train() -> tuple[list[Epoch], Tensor]:
        generator = torch.Generator().manual_seed(7)
        data = torch.linspace(-1, 1, 12, dtype=torch.float64)
        loader: Any = torch.utils.data.DataLoader(data.tolist(), 3, shuffle=True, generator=generator)
        module = Batched([0.3, 0.4])
        batches = _Mapped(loader, lambda b: Weighted(torch.ones(3), float(b.mean())))
        found = minimize_adam(module, batches, AdamOptions(8, 0.05, Schedule("cosine")))
        return list(found.history), module.u.detach()

    state = torch.random.get_rng_state()
    (first, u), (second, v) = train(), train()
    assert first == second
    assert torch.equal(u, v)
    assert torch.equal(state, torch.random.get_rng_state())


class _Mapped:
    def __init__(self, loader: Any, function: Callable[[Any], Any]) -> None:
        self.loader, self.function = loader, function

    def __iter__(self) -> Any:
        return map(self.function, self.loader)


def test_every_step_ends_within_the_bounds() -> None:
    class Bounded(Bowl):
        @torch.no_grad()
        def project(self) -> None:
            self.u.clamp_(-0.5, 0.5)

    module = Bounded([0.0])
    inside: list[bool] = []
    minimize_adam(module, ONE, AdamOptions(40, 0.1), lambda _, m: inside.append(bool((m.u.abs() <= 0.5).all())))
    assert all(inside)
    assert module.u.item() == 0.5


def test_buffers_are_part_of_the_state() -> None:
    class Counting(Bowl):
        def __init__(self) -> None:
            super().__init__([0.6])
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, batch: Any) -> Tensor:
            loss = super().forward(batch)
            self.seen += 1
            return loss

    module = Counting()
    found = minimize_adam(module, ONE, AdamOptions(30, 0.3))
    assert found.best["seen"].item() == found.best_epoch
    assert module.seen.item() == found.best_epoch


def test_nothing_grows_but_the_history() -> None:
    """The state is copied into the same two places, however many epochs there are."""
    module = Bowl([5.0])
    keeper = Keeper(module)
    addresses: list[set[int]] = []

    def tensors(_: Epoch, __: nn.Module) -> None:
        addresses.append({t.data_ptr() for t in (*keeper.best, *keeper.spare, *keeper.live)})

    minimize_adam(module, ONE, AdamOptions(50, 0.1), tensors, keeper=keeper)
    assert all(found == addresses[0] for found in addresses)
    assert len(addresses[0]) == 3


def test_a_module_is_only_as_large_as_its_best() -> None:
    # `best` is a copy: a later step on the module does not move it.
    module = Bowl([5.0])
    found = minimize_adam(module, ONE, AdamOptions(3, 0.1))
    kept = copy.deepcopy(found.best)
    with torch.no_grad():
        module.u += 1
    assert torch.equal(found.best["u"], kept["u"])
    module.load_state_dict(found.best)
    assert torch.equal(module.u, kept["u"])


@pytest.mark.parametrize(
    ("losses", "status"), [([1.0] * 40, "converged"), ([1.0 / k for k in range(1, 41)], "stopped")]
)
def test_the_verdict_says_whether_the_loss_had_settled(losses: list[float], status: str) -> None:
    class Given(Bowl):
        def forward(self, batch: Any) -> Tensor:
            return super().forward(batch) * 0 + losses[len(self.asked) - 1]

    found = minimize_adam(Given([1.0]), ONE, AdamOptions(40, 0.1))
    assert found.status == status
    assert len(found.message) > 20


def test_a_mask_on_a_plain_object_is_enough() -> None:
    batch = SimpleNamespace(mask=torch.ones(4), centre=2.0)
    found = minimize_adam(Batched([1.0]), [batch], AdamOptions(2, 0.1))
    assert found.history[0].loss == pytest.approx(1.0)


EVERYTHING = "all draws"


class Judged(Bowl):
    """The mean over all draws of (u - draw)² is u² + 1."""

    def forward(self, batch: Any) -> Tensor:
        return self.u.square().sum() + 1 if batch == EVERYTHING else super().forward(batch)


class Draws:
    """In each epoch another number from a normal distribution."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def __iter__(self) -> Any:
        yield float(torch.randn((), generator=self.generator, dtype=torch.float64))


def judged(module: Judged, options: AdamOptions) -> TrainingOutcome:
    keeper = LowestScore(module, lambda: float(module(EVERYTHING)))
    return minimize_adam(module, Draws(), options, keeper=keeper)


def test_random_parts_are_judged_by_everything() -> None:
    """The luckiest draw is not the best state: u = 0 is, where the loss on all is 1."""
    module = Judged([3.0])
    lucky = minimize_adam(Judged([3.0]), Draws(), AdamOptions(200, 0.1))
    found = judged(module, AdamOptions(200, 0.1))
    assert lucky.best_loss < 1e-2
    assert found.best_epoch % 10 == 0
    assert found.best_loss == module(EVERYTHING).item() >= 1
    # A start that is the best is kept.
    at_best = Judged([0.0])
    kept = judged(at_best, AdamOptions(30, 0.1))
    assert (kept.best_epoch, kept.best_loss, at_best.u.item()) == (0, 1.0, 0.0)
    # The last state is judged, whatever its number.
    far = Judged([100.0])
    short = judged(far, AdamOptions(17, 0.1))
    assert short.best_epoch == 17
    patient = judged(Judged([0.0]), AdamOptions(500, 0.1, patience=35))
    assert len(patient.history) == 40


@pytest.mark.parametrize("kind", ["constant", "cosine", "plateau"])
def test_a_rate_that_warms_up_ends_as_scheduled(kind: Any) -> None:
    found, plain = (
        minimize_adam(Bowl([5.0]), ONE, AdamOptions(50, 0.1, Schedule(kind), warm_up=share)) for share in (0.2, 0.0)
    )
    rates, scheduled = ([e.learning_rate for e in one.history] for one in (found, plain))
    assert rates[:10] == pytest.approx([r * (k + 1) / 10 for k, r in enumerate(scheduled[:10])])
    assert rates[10:] == scheduled[10:]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 16, 17, 100, 1001])
def test_a_thinned_list_keeps_equal_distances_and_both_ends(n: int) -> None:
    thinned = Thinned[int](most=8)
    for k in range(n):
        thinned.append(k)
        assert thinned[-1] == k
    assert len(thinned) == len(list(thinned)) <= 9
    assert thinned.seen == n
    kept = thinned.entries
    if n:
        assert (kept[0], kept[-1]) == (0, n - 1)
        assert set(np.diff(kept[:-1])) <= {thinned.stride}
        assert n <= 8 or len(thinned) > 4
    again = Thinned(kept, thinned.seen, thinned.stride, most=8)
    for k in range(n, n + 50):
        thinned.append(k)
        again.append(k)
    assert list(again) == list(thinned)


def test_steps_are_those_of_torchs_adam() -> None:
    """Weight decay on the second parameter only, a rate that changes, and a gradient that is missing once."""
    rng = np.random.default_rng(0)
    starts = [torch.as_tensor(rng.normal(size=shape)) for shape in ((3,), (2, 4))]
    ours, theirs = ([nn.Parameter(q.clone()) for q in starts] for _ in range(2))
    steps = AdamSteps(ours[:1], ours[1:], 0.1, 0.01)
    optimizer = torch.optim.Adam([{"params": theirs[:1]}, {"params": theirs[1:], "weight_decay": 0.01}], lr=0.1)
    for k in range(20):
        gradients = [torch.as_tensor(rng.normal(size=q.shape)) for q in starts]
        steps.rate = optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.1 / (k + 1)
        for pair in (ours, theirs):
            for q, g in zip(pair, gradients, strict=True):
                q.grad = g.clone()
        steps.step()
        optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_rates_on_a_plateau_are_those_of_torchs_schedule() -> None:
    rate = LearningRate(0.1, Schedule("plateau", final=0.01, factor=0.5, patience=2), 100)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, min_lr=0.01)
    scores = [3.0, 2.0, 2.0, 1.9999, 2.1, 2.2, 1.0, *[1.5] * 12]
    for k, score in enumerate(scores, 1):
        assert rate.begin(k) == optimizer.param_groups[0]["lr"]
        rate.advance(score)
        scheduler.step(score)
    assert rate.begin(99) == 0.01
