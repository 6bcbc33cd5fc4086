"""What is known of sets of experiments, by their identity: of the latest ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from odefit.data.experiments import Experiment

T = TypeVar("T")


class ExperimentSets(Generic[T]):
    """Remembers something of each of the latest sets, `most` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: dict[tuple[int, ...], tuple[tuple[Experiment, ...], T]] = {}
        self._last: tuple[tuple[Experiment, ...], T] | None = None

    def find(self, experiments: Sequence[Experiment], make: Callable[[], T]) -> T:
        """What `make` has made when these experiments were first asked for."""
        if self._last is not None and self._last[0] is experiments:  # which is no list, that may have changed
            return self._last[1]
        key = tuple(map(id, experiments))
        found = self._known.get(key)
        if found is None:
            while len(self._known) >= self.most:
                del self._known[next(iter(self._known))]
            # the experiments are kept there, so no other ones can have their ids
            found = self._known[key] = tuple(experiments), make()
        self._last = found
        return found[1]

    def __getstate__(self) -> dict[str, object]:
        """Without what is known: the experiments are others in another process."""
        return {"most": self.most, "_known": {}, "_last": None}
