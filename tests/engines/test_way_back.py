"""Gradients back through segments: as by sensitivities, by differences, and digit for digit those of the same steps."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from interrupted_systems import engine_of, experiment, interrupted, polygon
from odefit.data.experiments import Dose, Experiment
from odefit.engines.base import Engine
from odefit.engines.kernel import kernel_engine
from odefit.engines.segments import segmented_engine
from odefit.engines.segments.plan import Plan
from odefit.model.system import System
from small_problems import central_differences

pytest.importorskip("llvmlite")

TIMES = np.array([0.0, 0.4, 1.0, 1.7, 2.5, 3.1, 4.0, 6.0])
SAME_STEPS = {"sensitivity_rtol": 1e20, "sensitivity_atol": 1e20}
"""Sensitivities that have no part in choosing the steps are derivatives of the numbers of these steps."""
EQUATIONS = {"x": "u - a*x + b*z/(1 + z)", "y": "a*x - c*y**2/(1 + y)", "z": "c*y - b*z + s*cos(t)/5"}
INITIAL = {"x": "s", "y": "b*c", "z": 0.2}
NAMES = "a b c s"
DOSING = {"dosing": ("lag", "F/(1 + F)")}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "doses": (NAMES, {"dosing": ("0.05", "1")}),
    "fractions": (f"{NAMES} F", {"dosing": ("0", "F*c")}),
    "known doses": (NAMES, {"dosing": ("0.05", "1")}),
    "known fractions": (f"{NAMES} F", {"dosing": ("0", "F*c")}),
    "lags": (f"{NAMES} lag F", DOSING),
    "spreads": (f"{NAMES} lag F D", {**DOSING, "spreads": [("duration", "D*a"), ("rate", "F/D")]}),
    "events": (f"{NAMES} when", {"events": [("1 + when", {"x": "x*z + b", "y": "t*y"}), ("3*c", {"z": "when"})]}),
    "resets": (f"{NAMES} F", {"dosing": ("0", "F"), "events": [("2.2", {"x": 0, "y": "b", "z": "0.2"})]}),
    "conditions": (
        f"{NAMES} low",
        {
            "triggers": [
                {"when": "x < low/2", "changes": {"x": "x + c"}},
                {"when": "z > y + low", "changes": {"z": "y/2"}},
            ]
        },
    ),
    "delays": (
        f"{NAMES} low wait",
        {"triggers": [{"when": "x < low/2", "changes": {"x": "x + y", "y": "a*y"}, "delay": "wait/3"}]},
    ),
    "rest": (f"{NAMES} before F", {"rest": {"s": "before/9", "b": "b + before"}, "dosing": ("0", "F")}),
    "all": (
        f"{NAMES} lag F when low",
        {
            **DOSING,
            "events": [("1 + when/2", {"y": "y/2 + when"})],
            "triggers": [{"when": "x < low/2", "changes": {"x": "x + c"}}],
        },
    ),
}
SWITCHED = {**EQUATIONS, "x": EQUATIONS["x"] + " + piecewise(0, t < 2, 0.3) - piecewise(s, t < 1 + a, b)/4"}


@pytest.fixture(autouse=True, params=[False, True], ids=["each", "along"])
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few the parameters are; and whether sensitivities go through segments as they are, or to their starts."""
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 0)
    monkeypatch.setattr(segmented_engine, "MIN_PULLED", 0)
    if not request.param:
        monkeypatch.setattr(kernel_engine.KernelEngine, "takes_tangents", False)


def system_of(name: str, equations: Any = EQUATIONS) -> System:
    """Those at known times have no cos(t), at the turns of which others stop: only then all members go together."""
    names, more = CASES[name]
    if name.startswith("known"):
        equations = {**equations, "z": "c*y - b*z + s/5"}
    return interrupted(equations, INITIAL, names, ["u"], **more)


def random_experiments(name: str, rng: np.random.Generator) -> list[Experiment]:
    """Ragged ones, with boluses and infusions at random times, two of them at once, and an input with kinks or none."""
    found = []
    spreads = CASES[name][1].get("spreads", [])
    for rows in (TIMES, TIMES[2:5], TIMES[:1], np.sort(rng.uniform(0, 6, 11))):
        doses = list[Dose]()
        if "dosing" in CASES[name][1]:
            times = [0.0, 1.0, *rng.uniform(0, 5, 3)]
            doses += [Dose(float(t), "xyz"[rng.integers(3)], float(rng.uniform(0.2, 2))) for t in times]
            doses += [Dose(1.0, "x", 0.7), Dose(float(rng.uniform(0, 3)), "y", 1.5, float(rng.uniform(0.3, 3)))]
            doses += [
                Dose(0.3 + i, "x", 1.0, 0.0, **{f"{kind}_formula": text}) for i, (kind, text) in enumerate(spreads)
            ]
        values = rng.uniform(0.2, 1.5, 3) if rng.integers(2) else np.full(3, 0.4)
        known = {"u": polygon([0.0, 1.5, 3.0], values)}
        found.append(experiment(rows, doses=doses, inputs=known, name=f"e{len(found)}"))
    return found


def case(name: str, seed: int, rows: int = 9) -> tuple[Any, list[Experiment], Any]:
    """p [M, L], experiments, members."""
    rng = np.random.default_rng(seed)
    experiments = random_experiments(name, rng)
    p = rng.uniform(0.4, 1.3, (rows, len(CASES[name][0].split())))
    return p, experiments, np.arange(rows) % len(experiments)


def weights(experiments: Any, members: Any, states: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(sum(len(experiments[e].times) for e in members), states))


@pytest.mark.parametrize("equations, method", [(EQUATIONS, "rodas5p"), (SWITCHED, "tsit5")], ids=["plain", "switched"])
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_derivative_of_the_steps(
    name: str, equations: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plan, "compiled", lambda *_: None)  # whole ways find events by steps of their own
    system, (p, experiments, members) = system_of(name, equations), case(name, 1, 5)
    engine, exact = engine_of(system, method, rtol=1e-6), engine_of(system, method, rtol=1e-6, **SAME_STEPS)
    worth = weights(experiments, members, 3)
    assert engine.pulls
    assert not any(engine.solve(p, experiments, False, members).failures)
    found, wanted = engine.pull(p, experiments, worth, members), Engine.pull(exact, p, experiments, worth, members)
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_sensitivities_and_with_differences(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.startswith("known"):
        monkeypatch.delattr(segmented_engine, "pull_marched")
    system, (p, experiments, members) = system_of(name), case(name, 10, 4)
    engine, worth = engine_of(system, "auto", rtol=1e-10), weights(experiments, members, 3)
    found, wanted = engine.pull(p, experiments, worth, members), Engine.pull(engine, p, experiments, worth, members)
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7 * np.abs(wanted).max())

    def objective(q: Any) -> Any:
        """Of one member, the one with the most rows."""
        own = worth[-len(experiments[3].times) :]
        return np.array([(own * engine.solve(np.asarray(q)[None], experiments[3:]).y).sum()])

    by_differences = central_differences(objective, p[3])[0]
    np.testing.assert_allclose(found[3], by_differences, rtol=2e-4, atol=2e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("name", CASES)
def test_members_grouped_otherwise_give_the_same_numbers(name: str) -> None:
    system, (p, experiments, members) = system_of(name), case(name, 2, 6)
    engine, worth = engine_of(system, "auto", rtol=1e-6), weights(experiments, members, 3)
    together = engine.pull(p, experiments, worth, members)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(engine)).pull(p, experiments, worth, members), together)  # noqa: S301
    first = np.cumsum([0, *(len(experiments[e].times) for e in members)])
    for m, e in enumerate(members):
        own = worth[first[m] : first[m + 1]]
        alone = engine.reset_copy().pull(p[m : m + 1], experiments, own, members[m : m + 1])
        np.testing.assert_array_equal(alone[0], together[m])
        if np.ptp(experiments[e].inputs["u"].coefficients[:, 0]) > 0 or not name.startswith("known"):
            # Where no input of any experiment moves another program serves, which rounds otherwise.
            alone = engine.reset_copy().pull(p[m : m + 1], [experiments[e]], own)
            np.testing.assert_array_equal(alone[0], together[m])
    order = np.random.default_rng(3).permutation(6)
    moved = np.concatenate([worth[first[m] : first[m + 1]] for m in order])
    np.testing.assert_array_equal(engine.pull(p[order], experiments, moved, members[order]), together[order])


def test_its_error_falls_with_the_tolerance() -> None:
    system, (p, experiments, members) = system_of("all"), case("all", 4, 8)
    worth = weights(experiments, members, 3)
    exact = Engine.pull(engine_of(system, "tsit5", rtol=1e-12), p, experiments, worth, members)
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        found = engine_of(system, "tsit5", rtol=rtol).pull(p, experiments, worth, members)
        errors.append(np.abs(found - exact).max() / np.abs(exact).max())
    assert errors[1] < errors[0] / 15
    assert errors[2] < errors[1] / 15
    assert errors[2] < 1e-6


def test_doses_into_one_compartment_by_hand() -> None:
    """A bolus a at lag leaves F a exp(-k (t - lag))."""
    system = interrupted({"C": "-k*C"}, {"C": 0}, "k lag F", dosing=("lag", "F"))
    k, lag, F, t = 0.7, 0.13, 0.8, 2.0
    one = experiment([0.0, t], doses=(Dose(0.0, "C", 3.0),))
    found = engine_of(system, "auto", rtol=1e-11).pull(np.array([[k, lag, F]]), [one], np.array([[5.0], [2.0]]))
    C = 3 * F * np.exp(-k * (t - lag))
    np.testing.assert_allclose(found[0], [-2 * (t - lag) * C, 2 * k * C, 2 * C / F], rtol=1e-8)


def test_rows_at_jumps_and_segments_without_length() -> None:
    """A row just before a jump is worth something to what was before it, the one after it to what comes."""
    system = interrupted({"C": "-k*C"}, {"C": "c0"}, "k c0 F", dosing=("0", "F"))
    doses = (Dose(0.0, "C", 3.0), Dose(2.0, "C", 1.0), Dose(2.0, "C", 1.5))
    t, side = [0.0, 0.0, 2.0, 2.0], np.array([-1, 1, -1, 1], dtype=np.int8)
    one = replace(experiment(t, doses=doses), side=side)
    k, c0, F, fall = 0.4, 1.2, 0.6, np.exp(-0.8)
    slopes = np.array([[0, 1, 0], [0, 1, 3], [-2 * (c0 + 3 * F) * fall, fall, 3 * fall], [0, 0, 2.5]])
    slopes[3] += slopes[2]
    for lag in ("0", "zero"):
        names = "k c0 F zero" if lag == "zero" else "k c0 F"
        moving = interrupted({"C": "-k*C"}, {"C": "c0"}, names, dosing=(lag, "F"))
        p = np.array([[k, c0, F, 0.0][: len(names.split())]])
        for row in range(4):
            worth = np.eye(4)[:, row : row + 1]
            found = engine_of(moving, "auto", rtol=1e-11).pull(p, [one], worth)[0]
            np.testing.assert_allclose(found[:3], slopes[row], rtol=1e-8, atol=1e-12)
    assert system.dosing is not None


def test_the_state_at_infinite_time() -> None:
    system = interrupted({"x": "k - m*x", "y": "x - n*y"}, {"x": 0, "y": "s"}, "k m n s F", dosing=("0", "F"))
    one = experiment([1.0, np.inf], doses=(Dose(2.0, "x", 1.0),))
    p, worth = np.array([[0.7, 0.4, 1.3, 0.2, 0.5]]), np.array([[1.0, 0.5], [2.0, -3.0]])
    engine = engine_of(system, "auto", rtol=1e-10)
    np.testing.assert_allclose(engine.pull(p, [one], worth), Engine.pull(engine, p, [one], worth), rtol=1e-7, atol=1e-9)
    k, m, n, _, _ = p[0]
    found = engine.pull(p, [one], np.array([[0.0, 0.0], [1.0, 1.0]]))[0]
    x = k / m
    np.testing.assert_allclose(found, [(1 + 1 / n) / m, -(1 + 1 / n) * x / m, -x / n**2, 0, 0], rtol=1e-8, atol=1e-12)


def test_what_stands_still_goes_by_sensitivities() -> None:
    """At rest the steps of states are as long as all times; what a start is worth must not be read off them."""
    system = interrupted(
        {"x": "k - m*x", "y": "x - n*y"}, {"x": 0, "y": 0}, "k m n before F", rest={"k": "k*before"}, dosing=("0", "F")
    )
    one = experiment([1.0, 3.0, 60.0], doses=(Dose(3.0, "x", 1.0),))
    p = np.array([[0.7, 0.4, 1.3, 1.0, 0.5]])
    engine = engine_of(system, "auto", rtol=1e-9)
    k, m = p[0, :2]
    for row, t in enumerate((1.0, 3.0, 60.0)):
        found = engine.pull(p, [one], np.eye(3)[:, row : row + 1] * [1.0, 0.0])[0]
        assert found[3] == pytest.approx(k / m * np.exp(-m * t), rel=1e-6, abs=1e-9)


# what fails


def test_members_that_fail_are_no_numbers_and_cost_only_themselves() -> None:
    system, (p, experiments, members) = system_of("all"), case("all", 5, 8)
    engine, worth = engine_of(system, "auto", rtol=1e-6), weights(experiments, members, 3)
    whole = engine.pull(p, experiments, worth, members)
    p[1, 0], p[6, 4] = np.nan, np.inf
    found = engine.pull(p, experiments, worth, members)
    failures = engine.solve(p, experiments, False, members).failures
    assert [failure is not None for failure in failures] == [m in (1, 6) for m in range(8)]
    assert np.isnan(found[[1, 6]]).all()
    np.testing.assert_array_equal(found[[0, 2, 3, 4, 5, 7]], whole[[0, 2, 3, 4, 5, 7]])


@pytest.mark.parametrize("lag", ["0", "lag"])
def test_too_many_steps(lag: str) -> None:
    names = "k lag" if lag == "lag" else "k"
    system = interrupted({"x": "-k*x*sin(40*t)"}, {"x": 1}, names, dosing=(lag, "1"))
    p = np.full((2, len(names.split())), 0.3)
    far, near = experiment([1.0, 30.0], doses=(Dose(2.0, "x", 1.0),)), experiment([0.1], doses=(Dose(0.02, "x", 1.0),))
    engine = engine_of(system, "tsit5", rtol=1e-6, max_steps=30)
    first = engine.solve(p, [far, near]).failures
    assert "30 steps" in str(first[0])
    assert first[1] is None
    found = engine.pull(p, [far, near], np.ones((3, 1)))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_events_without_end() -> None:
    system = interrupted({"x": "k"}, {"x": 0}, "k", triggers=[{"when": "x > 1e-6", "changes": {"x": 0}}])
    engine, one = engine_of(system, "auto", rtol=1e-6), experiment([1.0, 2.0])
    p = np.array([[0.5], [-0.5]])
    failures = engine.solve(p, [one, one]).failures
    assert failures[0] is not None
    found = engine.pull(p, [one, one], np.ones((4, 1)))
    assert np.isnan(found[0]).all()
    assert found[1, 0] == pytest.approx(3.0, rel=1e-6)


# who goes back


def test_who_goes_back_and_who_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    system, (p, experiments, members) = system_of("fractions"), case("fractions", 6)
    worth = weights(experiments, members, 3)
    assert engine_of(system, "auto").pulls
    other = engine_of(system, "bdf")
    assert not other.pulls
    assert not other.can_pull
    exact = engine_of(system, "auto", rtol=1e-9).pull(p, experiments, worth, members)
    loose = engine_of(system, "bdf", rtol=1e-9).pull(p, experiments, worth, members)
    np.testing.assert_allclose(loose, exact, rtol=1e-3, atol=1e-3 * np.abs(exact).max())
    monkeypatch.setattr(segmented_engine, "MIN_PULLED", 16)
    assert not engine_of(system, "auto").pulls
    assert engine_of(system, "auto").can_pull


def test_gradients_in_torch_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from odefit.data.dataset import collate

    system, (p, experiments, _) = system_of("lags"), case("lags", 7, 4)
    engine, gradients = engine_of(system, "auto", rtol=1e-10), []
    batch = collate(list(enumerate(experiments)), dtype=torch.float64)
    for least in (0, 10**9):
        monkeypatch.setattr(segmented_engine, "MIN_PULLED", least)
        assert engine.pulls is (least == 0)
        values = torch.tensor(p, requires_grad=True)
        engine.solve_batch(values, batch).square().sum().backward()
        gradients.append(copy.deepcopy(values.grad.numpy()))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-6, atol=1e-7 * np.abs(gradients[1]).max())
