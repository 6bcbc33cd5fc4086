"""Systems to which something happens on the way, from texts, and their engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from odefit.data.experiments import Dose, Experiment, Input
from odefit.engines.base import SolverOptions, Trajectory
from odefit.engines.choice import make_engine
from odefit.engines.methods import methods_of
from odefit.model.formulas import parse_formula
from odefit.model.rest import rest_under
from odefit.model.system import Dosing, Event, Network, Spread, System, Trigger

Array = NDArray[np.float64]
Texts = Mapping[str, str | float]


def interrupted(
    equations: Texts,
    initial: Texts,
    parameters: str,
    inputs: Sequence[str] = (),
    events: Sequence[tuple[str, Texts]] = (),
    dosing: tuple[str, str] | None = None,
    rest: Texts | None = None,
    networks: Mapping[str, Network] | None = None,
    triggers: Sequence[Mapping[str, Any]] = (),
    spreads: Sequence[tuple[str, str]] = (),
) -> System:
    """events: (time, changes); dosing: (lag, fraction), and how long infusions take, (`duration` or `rate`, formula);
    triggers: what `Trigger` takes, formulas as texts."""
    names = {*equations, *parameters.split(), *inputs}

    def read(texts: Texts) -> dict[str, Any]:
        return {key: parse_formula(str(text), names, networks=networks) for key, text in texts.items()}

    def trigger(given: Mapping[str, Any]) -> Trigger:
        formulas = {k: read({"": given[k]})[""] for k in ("when", "delay", "priority") if k in given}
        flags = {k: v for k, v in given.items() if k not in (*formulas, "changes")}
        return Trigger(changes=read(given["changes"]), **formulas, **flags)

    found = tuple(trigger(given) for given in triggers)
    before = None if rest is None else rest_under(read(equations), read(initial), read(rest), triggers=found)
    return System(
        "test",
        tuple(equations),
        tuple(parameters.split()),
        read(equations),
        read(initial),
        read({state: state for state in equations}),
        networks or {},
        tuple(inputs),
        tuple(Event(read({"": time})[""], read(changes)) for time, changes in events),
        dosing
        and Dosing(
            tuple(equations),
            *read({"lag": dosing[0], "fraction": dosing[1]}).values(),
            tuple(Spread(kind, text, read({"": text})[""]) for kind, text in spreads),
        ),
        before,
        triggers=found,
    )


def experiment(
    times: Sequence[float] | Array,
    start: float = 0.0,
    doses: Sequence[Dose] = (),
    inputs: Mapping[str, Input] | None = None,
    name: str = "e",
) -> Experiment:
    t = np.asarray(times, dtype=np.float64)
    return Experiment(name, t, np.full((len(t), 1), np.nan), start, doses=tuple(doses), inputs=inputs or {})


def polygon(times: Sequence[float], values: Sequence[float]) -> Input:
    """Straight lines between points, constant after the last."""
    t, v = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    slopes = np.append(np.diff(v) / np.diff(t), 0.0)
    return Input(t, np.stack([v, slopes, 0 * v, 0 * v], axis=1))


def engine_of(system: System, method: str = "tsit45", rtol: float = 1e-9, **options: Any) -> Any:
    """An engine sensitive to all parameters; skipped where the compiled one is not to be had."""
    if method in (*methods_of("diffsol"), "auto"):
        pytest.importorskip("pydiffsol")
    tolerances = SolverOptions(method=method, rtol=rtol, atol=rtol * 1e-2, **options)
    sensitive = system.parameters if system.is_mechanistic else ()
    return make_engine(system, tolerances, sensitive)


def solved(system: System, p: Sequence[float], one: Experiment, method: str = "tsit45", **options: Any) -> Trajectory:
    """With sensitivities; it must not fail."""
    engine = engine_of(system, method, **options)
    found: Trajectory = engine.solve(np.array([p], dtype=np.float64), [one], sensitivities=True)[0]
    assert found.failure is None
    return found
