"""Interrupted within a fold, or within a round of any optimizer, a training goes on from there to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from listeners import StopAt
from network_problems import base_of, neural
from odefit.config.load import load_config
from odefit.fitting.cross_validation import WithinFold, cross_validate, make_folds
from odefit.fitting.network_training import train
from odefit.problem.preparation import prepare
from odefit.runs import checkpoint
from odefit.runs.checkpoint import Checkpoint
from odefit.training.adam import AdamOptions, minimize_adam
from odefit.training.best_state import LowestScore
from odefit.training.learning_rate import Schedule
from odefit.training.levenberg_marquardt import minimize_damped
from odefit.training.linearised import Linearisation
from odefit.training.loss_history import Epoch, TrainingOutcome
from odefit.training.smoothing import smooth
from odefit.training.whole_batch import minimize_whole
from odefit.training.windows import RandomWindows, WindowObjective, cut_windows, start_states

CONFIG = """\
model: {name: mlp, states: [x, y], hidden: [4], activation: tanh, initial: first}
data:
  simulate:
    model: {name: van_der_pol}
    initial: {x: 1, y: 0}
    spread: 0.3
    experiments: 4
    times: {stop: 2, count: 8}
    noise: 0.02
    seed: 2
solver: {method: rk4, step: 0.3}
fit: {FIT, folds: 2, match: 4, windows: {points: [4], epochs: [3]RANDOM}, epochs: 3, seed: 3}
"""
IDENTITY = {"config": {}, "data": {}, "versions": {}}
METHODS = {"adam": "method: adam", "lbfgs": "method: lbfgs", "least_squares": "method: least_squares"}


# Within a round


class Kept:
    """A Memory of one optimizer: the state after `number` offers, and no later one."""

    def __init__(self, number: int, state: Any = None) -> None:
        self.number, self.state, self.offers = number, state, 0
        self.module: dict[str, torch.Tensor] = {}
        self.watched: torch.nn.Module | None = None

    def restored(self) -> Any:
        return self.state

    def offer(self, state: Callable[[], Any]) -> None:
        self.offers += 1
        if self.offers == self.number and self.watched is not None:
            self.state = state()
            self.module = {name: q.detach().clone() for name, q in self.watched.state_dict().items()}


def minimise(
    kind: str, memory: Kept, begin: Mapping[str, torch.Tensor] | None = None
) -> tuple[TrainingOutcome, list[Epoch]]:
    """A short training from the same start or, where `begin` is given, from that state of the module."""
    assembled, networks = neural(0.05)
    windows = cut_windows(assembled.experiments, 8, 4 if kind != "adam" else 7)
    states = start_states(assembled, smooth(assembled), assembled.table.values)
    module = WindowObjective(base_of(assembled, "mse", networks), windows, states)
    memory.watched = module
    if begin is not None:
        module.load_state_dict(dict(begin))
    heard: list[Epoch] = []

    def hear(epoch: Epoch, _: Any) -> None:
        heard.append(epoch)

    low, high = assembled.table.search_bounds()
    if kind == "least_squares":
        box = (torch.as_tensor(low), torch.as_tensor(high))
        linear = Linearisation(module)
        return minimize_damped(module, linear, module.everything(), 8, box, module.starts, 1e-6, hear, memory), heard
    if kind == "lbfgs":
        return minimize_whole(module, module.everything(), 25, {"u": (low, high)}, 1e-6, hear, memory), heard
    generator = torch.Generator().manual_seed(3)
    batches = RandomWindows(windows, 9, generator, torch.float64, torch.device("cpu"))
    if memory.state is not None:  # what `TrainingCheckpoint` puts back for it
        for _ in range(memory.number):
            next(iter(batches))
    options = AdamOptions(25, 0.02, Schedule("plateau", patience=10), patience=500, warm_up=0.2)
    everything = module.everything()
    judged = LowestScore(module, lambda: float(module(everything)))
    return minimize_adam(module, batches, options, hear, memory, judged), heard


@pytest.mark.parametrize("after", [1, 5])
@pytest.mark.parametrize("kind", METHODS)
def test_a_round_goes_on_where_it_was(kind: str, after: int) -> None:
    memory = Kept(after)
    whole, heard = minimise(kind, memory)
    again, heard_later = minimise(kind, Kept(after, memory.state), memory.module)
    # What was told of before is not told again.
    assert len(heard) == len(heard_later) + after
    assert [str(e) for e in heard[after:]] == [str(e) for e in heard_later]  # NaN is NaN
    assert [str(e) for e in again.history] == [str(e) for e in whole.history]
    assert (again.status, again.message, again.best_loss) == (whole.status, whole.message, whole.best_loss)
    assert whole.best.keys() == again.best.keys()
    assert all(torch.equal(whole.best[name], again.best[name]) for name in whole.best)


def test_lbfgs_asks_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    genuine = WindowObjective.forward

    def forward(self: WindowObjective, batch: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return genuine(self, batch)

    monkeypatch.setattr(WindowObjective, "forward", forward)
    memory = Kept(20)
    minimise("lbfgs", memory)
    first, calls = calls, 0
    minimise("lbfgs", Kept(20, memory.state), memory.module)
    assert first == calls + len(memory.state["values"])


def test_a_search_too_large_to_be_kept_goes_on_from_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    free, bounded = Kept(-1), Kept(8)
    whole, _ = minimise("lbfgs", free)
    assert free.offers == len(whole.history)
    n = sum(len(q) for q in (torch.cat([v.flatten() for v in whole.best.values()]),))
    monkeypatch.setattr("odefit.training.whole_batch.MAX_ANSWERS", 12 * n)
    minimise("lbfgs", bounded)
    assert 8 <= bounded.offers < free.offers
    again, _ = minimise("lbfgs", Kept(8, bounded.state), bounded.module)
    assert all(torch.equal(whole.best[name], again.best[name]) for name in whole.best)


# Within a fold


@pytest.mark.parametrize("method", METHODS)
def test_a_fold_goes_on_where_it_was(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    random = ", random: true" if method == "adam" else ""
    (tmp_path / "c.yaml").write_text(CONFIG.replace("FIT", METHODS[method]).replace("RANDOM", random))

    def score(memory: Checkpoint, progress: StopAt) -> Any:
        assembly, _ = prepare(load_config(tmp_path / "c.yaml"))
        theta = assembly.problem.table.values
        return cross_validate(make_folds(assembly), theta, lambda one, kept: train(one, progress, memory=kept), memory)

    alone = StopAt()
    expected = score(Checkpoint(tmp_path, IDENTITY, print), alone)
    for epochs in (7, len(alone.seen) - 4):
        first = Checkpoint(tmp_path, IDENTITY, print)
        with pytest.raises(KeyboardInterrupt):
            score(first, StopAt(in_all=epochs))
        resumed = Checkpoint(tmp_path, IDENTITY, print)
        resumed.resume()
        later = StopAt()
        found = score(resumed, later)
        assert found == expected
        # The epoch that was interrupted is done again, and none before it.
        assert len(later.seen) == len(alone.seen) - epochs + 1
        first.remove()


def test_another_fold_does_not_go_on_from_this_one(tmp_path: Path) -> None:
    memory = Checkpoint(tmp_path, IDENTITY, print)
    WithinFold(memory, 1).offer("training", lambda: {"epoch": 4})
    memory.write()
    again = Checkpoint(tmp_path, IDENTITY, print)
    again.resume()
    assert WithinFold(again, 1).restored("training") == {"epoch": 4}
    assert WithinFold(again, 2).restored("training") is None
    assert WithinFold(again, 1).restored("starts") is None
    assert again.restored("training") is None
