"""The latest solutions at single points: what follows a search asks many things of one point.

Errors, noise levels, checks, tables and bands begin with the solution at the estimates, with derivatives or without.
"""

from __future__ import annotations

from collections.abc import Sequence

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions

MOST_KEPT = 3
"""Solutions that are kept: of large data they are large."""

Key = tuple[int, bytes, tuple[int, ...], bool]


class KeptSolutions:
    """Remembers the solutions that were asked for last.

    An engine that remembers what it solved is asked each time, for its answer may depend on what was before, and so is
    one of a system with networks, whose weights may have changed.
    """

    def __init__(self) -> None:
        self._kept: dict[Key, tuple[Engine, Sequence[Experiment], Solutions]] = {}

    def find(self, engine: Engine, p: FloatArray, experiments: Sequence[Experiment], derivatives: bool) -> Solutions:
        """What the engine says at p [E, L]."""
        if engine.remembers or not engine.system.is_mechanistic:
            return engine.solve(p, experiments, derivatives)
        key = id(engine), p.tobytes(), tuple(map(id, experiments)), derivatives
        # Engine and experiments are kept as well, so that no others can have their ids.
        found = self._kept.pop(key, None) or (engine, tuple(experiments), engine.solve(p, experiments, derivatives))
        self._kept[key] = found
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found[2]

    def __getstate__(self) -> dict[str, object]:
        """Without what is kept: engine and experiments are others in another process."""
        return {"_kept": {}}
