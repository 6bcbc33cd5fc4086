"""What engines learn on their way (which method suits, which parameters are safe), as plain values for a checkpoint.

A search that goes on in another process gives the same numbers only with an engine that knows the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odefit.engines.base import Engine


def memory_of(engine: Engine) -> Any:
    """None for an engine that learns nothing."""
    from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
    from odefit.engines.segments.segmented_engine import SegmentedEngine

    if isinstance(engine, DiffsolEngine):
        return {
            "method": engine.method_in_use,
            "solved": engine._solved,
            "scaled": sorted(engine._scaled),
            "trusted": [[*key, box.low, box.high, box.span] for key, box in engine._trusted.items()],
            "notes": list(engine.notes),
        }
    if isinstance(engine, SegmentedEngine):
        plans = [[kind.degree, list(kind.infused), memory_of(plan.base)] for kind, plan in engine._plans.items()]
        steady = None if engine._steady is None else memory_of(engine._steady.engine)
        return {"plans": plans, "steady": steady, "notes": list(engine.notes)}
    return None


def recall(engine: Engine, memory: Any) -> None:
    """The inverse of `memory_of`, for an engine of the same system and options."""
    from odefit.engines.diffsol.diffsol_engine import DiffsolEngine, _Box
    from odefit.engines.segments.segment_system import Kind
    from odefit.engines.segments.segmented_engine import SegmentedEngine

    if isinstance(engine, DiffsolEngine):
        engine.method_in_use, engine._solved = memory["method"], memory["solved"]
        engine._scaled, engine._compiled = frozenset(memory["scaled"]), None
        engine._trusted = {}
        for method, sensitivities, low, high, span in memory["trusted"]:
            box = engine._trusted[method, sensitivities] = _Box()
            box.low, box.high, box.span = _array(low), _array(high), span
        engine.notes = list(memory["notes"])
    elif isinstance(engine, SegmentedEngine):
        for degree, infused, base in memory["plans"]:
            recall(engine._plan(Kind(degree, tuple(infused))).base, base)
        if engine._steady is not None:
            recall(engine._steady.engine, memory["steady"])
        engine.notes = list(memory["notes"])


def _array(value: Any) -> Any:
    return None if value is None else np.asarray(value)
