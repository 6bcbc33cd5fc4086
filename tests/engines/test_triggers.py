"""Events that come by conditions: times and jumps in closed form, derivatives two ways, delays, order, and limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interrupted_systems import Array, engine_of, experiment, interrupted, polygon, solved
from odefit.data.dataset import collate
from odefit.data.experiments import Dose
from odefit.engines.failure import FailureReason
from odefit.errors import SolveError
from odefit.model.system import Network, System
from small_problems import central_differences

BOTH = ("tsit45", "tsit5", "dopri5")

BALL = interrupted(
    {"h": "v", "v": "-g"}, {"h": "h0", "v": 0}, "g e h0", triggers=[{"when": "h < 0", "changes": {"h": 0, "v": "-e*v"}}]
)
NEURON = interrupted({"v": "I - v"}, {"v": 0}, "I top", triggers=[{"when": "v >= top", "changes": {"v": 0}}])
REFILL = interrupted(
    {"c": "-k*c"}, {"c": "c0"}, "k c0 low dose", triggers=[{"when": "c < low", "changes": {"c": "c + dose"}}]
)
HARVEST = interrupted(
    {"n": "r*n*(1 - n/K)", "catch": 0},
    {"n": "n0", "catch": 0},
    "r K n0 q",
    triggers=[{"when": "n > 0.8*K", "changes": {"n": "(1 - q)*n", "catch": "catch + q*n"}}],
)


def bounce_times(g: float, e: float, h0: float, count: int) -> Array:
    first = np.sqrt(2 * h0 / g)
    return np.asarray(first * (1 + 2 * np.concatenate([[0], np.cumsum(e ** np.arange(1, count))])))


@pytest.mark.parametrize("method", [*BOTH, "bdf"])
def test_a_bouncing_ball(method: str) -> None:
    g, e, h0 = 9.81, 0.8, 1.0
    times = bounce_times(g, e, h0, 6)
    middles = (times[:-1] + times[1:]) / 2
    one = experiment(middles, 0.0)
    found = solved(BALL, (g, e, h0), one, method)
    tops = h0 * e ** (2 * np.arange(1, 6))
    np.testing.assert_allclose(found.y, np.stack([tops, 0 * tops], axis=1), atol=2e-7)
    np.testing.assert_allclose(engine_of(BALL, method).jumps(np.array([g, e, h0]), one), times[:5], rtol=1e-8)
    # dh at a fixed time: the top's own, for there the ball stands still.
    np.testing.assert_allclose(found.dy[:, 0, 1], 2 * np.arange(1, 6) * tops / e, rtol=1e-6)


@pytest.mark.parametrize("method", BOTH)
def test_an_integrate_and_fire_neuron(method: str) -> None:
    """Of period P = ln(i/(i - top)): v(t) is the way since the last of its resets."""
    i, top = 1.5, 1.0
    period = np.log(i / (i - top))
    t = np.array([0.5, 1.5, 4.0, 9.7])
    found = solved(NEURON, (i, top), experiment(t), method)
    n = np.floor(t / period)
    decay = np.exp(n * period - t)
    np.testing.assert_allclose(found.y[:, 0], i * (1 - decay), atol=1e-7)
    dP = np.array([1 / i - 1 / (i - top), 1 / (i - top)])
    expected = -i * (decay * n)[:, None] * dP + np.outer(1 - decay, [1, 0])
    np.testing.assert_allclose(found.dy[:, 0], expected, atol=1e-6)


CASES: dict[str, tuple[System, tuple[float, ...], float]] = {
    "ball": (BALL, (9.81, 0.8, 1.0), 2.0),
    "neuron": (NEURON, (1.5, 1.0), 5.0),
    "refill": (REFILL, (0.7, 4.0, 1.0, 2.5), 8.0),
    "harvest": (HARVEST, (1.1, 5.0, 1.0, 0.3), 9.0),
    "delay": (
        interrupted(
            {"x": "-k*x", "y": "x - y"},
            {"x": 2, "y": 0},
            "k low lag jump",
            triggers=[{"when": "x < low", "delay": "lag*y", "changes": {"x": "x + jump", "y": "y + k*t"}}],
        ),
        (0.9, 0.8, 0.7, 1.1),
        6.0,
    ),
    "delay with early values": (
        interrupted(
            {"x": "-k*x", "y": "x - y"},
            {"x": 2, "y": 0},
            "k low lag jump",
            triggers=[
                {"when": "x < low", "delay": "lag", "early_values": True, "changes": {"x": "jump*x + 1.5", "y": "y*t"}}
            ],
        ),
        (0.9, 0.8, 0.3, 1.1),
        6.0,
    ),
    "input": (
        interrupted(
            {"x": "u - k*x"},
            {"x": 0},
            "k top",
            inputs=("u",),
            triggers=[{"when": "x - u/4 > top and t > 1", "changes": {"x": "x/3 + u/10"}}],
        ),
        (0.4, 1.5),
        6.0,
    ),
    "dose and event": (
        interrupted(
            {"x": "-k*x", "n": 0},
            {"x": 0, "n": 0},
            "k lag top",
            dosing=("lag", "1"),
            events=[("2 + lag", {"x": "2*x"})],
            triggers=[{"when": "x > top", "changes": {"x": "x - k*top", "n": "n + x"}}],
        ),
        (0.5, 0.3, 1.2),
        5.0,
    ),
    "two delays that end together": (
        interrupted(
            {"x": "-k*x", "y": 0},
            {"x": 2, "y": 0},
            "k one other dose",
            triggers=[
                {"when": "t > 1", "delay": "one", "changes": {"x": "x + dose"}},
                {"when": "t > 1", "delay": "other", "changes": {"x": "x + 3", "y": "y + t*dose"}},
            ],
        ),
        (0.6, 1.4, 1.4, 0.8),
        5.0,
    ),
    "time of a parameter": (
        interrupted({"x": "-k*x"}, {"x": 1}, "k t0", triggers=[{"when": "t^2 > t0", "changes": {"x": "x + 1"}}]),
        (0.5, 1.3),
        3.0,
    ),
}


def case(name: str) -> tuple[System, Array, list[object]]:
    system, p, end = CASES[name]
    doses = (Dose(0.5, "x", 1.0), Dose(1.5, "x", 1.0)) if system.dosing is not None else ()
    inputs = {"u": polygon([0.0, 2.0, 6.0], [1.0, 3.0, 1.0])} if system.inputs else None
    return system, np.array(p), [experiment(np.linspace(0, end, 9)[1:], doses=doses, inputs=inputs)]


@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_differences_and_with_autograd(name: str) -> None:
    system, p, (one,) = case(name)
    engine = engine_of(system, "auto", 1e-10)
    assert len(engine.jumps(p, one)) >= 1
    found = engine.solve(p[None], [one], sensitivities=True)[0]
    assert found.failure is None
    differences = central_differences(lambda q: engine.solve(q[None], [one])[0].y, p, 1e-5)
    np.testing.assert_allclose(found.dy, differences, rtol=2e-5, atol=2e-5)
    of_torch = engine_of(system, "dopri5", 1e-9)
    leaf = torch.tensor(p[None], requires_grad=True)
    y = of_torch.solve_batch(leaf, collate([(0, one)]))[0]
    np.testing.assert_allclose(y.detach().numpy(), found.y, rtol=1e-6, atol=1e-6)
    weights = torch.as_tensor(np.random.default_rng(1).normal(size=y.shape))
    (slopes,) = torch.autograd.grad((weights * y).sum(), leaf)
    np.testing.assert_allclose(
        slopes[0].numpy(), np.einsum("ts,tsk->k", weights.numpy(), found.dy), rtol=1e-5, atol=1e-5
    )


def test_many_experiments_at_once_are_each_their_own() -> None:
    engine = engine_of(REFILL, "tsit45")
    parts = [experiment([1.0, 3.0]), experiment([0.5, 4.0, 7.0])]
    p = np.array([[0.7, 4.0, 1.0, 2.5], [1.4, 2.0, 0.5, 1.0]])
    together = engine.solve(p, parts, sensitivities=True)
    for m in range(2):
        alone = engine.solve(p[m : m + 1], [parts[m]], sensitivities=True)[0]
        np.testing.assert_allclose(together[m].y, alone.y, rtol=1e-9)
        np.testing.assert_allclose(together[m].dy, alone.dy, rtol=1e-8, atol=1e-10)


def counter(when: str, **options: object) -> System:
    """x goes up and down; n counts the events."""
    return interrupted(
        {"x": "cos(t)", "n": 0},
        {"x": "a", "n": 0},
        "a",
        triggers=[{"when": when, "changes": {"n": "n + 1"}, **options}],
    )


@pytest.mark.parametrize(
    ("when", "options", "times", "counts"),
    [
        ("x > 0.5", {}, [0.4, 0.6, 6.7, 6.9, 13.2], [0, 1, 1, 2, 3]),  # sin(t) > 1/2
        ("x > 0.5", {"at_start": True}, [0.1, 0.6], [0, 1]),
        ("x < 0.5", {}, [0.0, 2.5, 2.7, 8.8, 9.0], [0, 0, 1, 1, 2]),
        ("x < 0.5", {"at_start": True}, [0.0, 2.5, 2.7], [1, 1, 2]),
        ("x > 0.999999", {}, [1.5, 1.6], [0, 1]),  # true for 0.003 of a time
        ("x >= 1.000001", {}, [1.5, 20.0], [0, 0]),  # never quite
        ("abs(x) > 0.5 and t > 2", {}, [1.9, 2.1, 3.6, 3.7], [0, 1, 1, 2]),
        ("not (x <= 0.5 or t < 7)", {}, [6.9, 7.1, 13.0, 13.2], [0, 1, 1, 2]),
        ("x > 0", {}, [0.0, 0.1, 6.2, 6.4], [1, 1, 1, 2]),  # true at once after the start
        ("x >= 0", {}, [0.0, 0.1, 6.2, 6.4], [0, 0, 0, 1]),  # true at the start
        ("x < 0.5", {"delay": "1"}, [2.7, 3.5, 3.7], [0, 0, 1]),  # pi - pi/6 + 1 = 3.618
        ("x > 0.5", {"delay": "2.2"}, [2.6, 2.8], [0, 1]),
        ("x > 0.5", {"delay": "2.2", "persistent": False}, [2.6, 3.0, 6.8], [0, 0, 0]),  # it lasts for 2.094
        ("x > 0.5", {"delay": "2", "persistent": False}, [2.4, 2.6], [0, 1]),
        ("x > 0.5", {"delay": "0"}, [0.4, 0.6], [0, 1]),
        ("a > 1", {"at_start": True}, [1.0], [0]),
        ("a < 1", {"at_start": True}, [1.0], [1]),
    ],
)
def test_when_events_come(when: str, options: dict[str, object], times: list[float], counts: list[int]) -> None:
    found = solved(counter(when, **options), (0.0,), experiment(times, 0.0))
    np.testing.assert_array_equal(found.y[:, 1], counts)


def test_the_order_of_events_that_come_together() -> None:
    """The one with the higher priority first; early values are those from before either."""

    def ends(**second: object) -> Array:
        triggers = [
            {"when": "t >= 1", "changes": {"x": "x + 1"}, "priority": "p"},
            {"when": "t >= 1", "changes": {"x": "10*x"}, "priority": "2", **second},
        ]
        system = interrupted({"x": 0}, {"x": 1}, "p", triggers=triggers)
        return np.array([solved(system, (p,), experiment([2.0])).y[0, 0] for p in (1.0, 3.0)])

    np.testing.assert_allclose(ends(), [11, 20])
    np.testing.assert_allclose(ends(early_values=True), [11, 10])


def test_an_event_that_makes_another_condition_true_brings_that_event_at_once() -> None:
    triggers = [
        {"when": "t > 1", "changes": {"x": 5}},
        {"when": "x > 4", "changes": {"y": "y + x"}},
        {"when": "y > 4", "changes": {"z": "y"}},
    ]
    system = interrupted({"x": 0, "y": 0, "z": 0}, {"x": 0, "y": 1, "z": 0}, "k", triggers=triggers)
    np.testing.assert_allclose(solved(system, (1.0,), experiment([0.9, 1.1])).y, [[0, 1, 0], [5, 6, 6]])


def test_a_dose_that_makes_a_condition_true_at_the_start() -> None:
    system = interrupted(
        {"x": 0, "n": 0},
        {"x": 0, "n": 0},
        "k",
        dosing=("0", "1"),
        triggers=[{"when": "x > 0.5", "changes": {"n": "x"}}],
    )
    one = experiment([0.0, 1.0], doses=[Dose(0.0, "x", 1.0)])
    np.testing.assert_allclose(solved(system, (1.0,), one).y, [[1, 1], [1, 1]])


@pytest.mark.parametrize(("side", "expected"), [(-1, 10.0), (0, 4.0), (1, 4.0)])
def test_a_row_at_the_time_of_an_event_has_a_side(side: int, expected: float) -> None:
    from dataclasses import replace

    system = interrupted({"x": 1}, {"x": 0}, "k", triggers=[{"when": "x >= 10", "changes": {"x": "4*k"}}])
    one = replace(experiment([5.0, 10.0, 11.0], 0.0), side=np.array([0, side, 0], dtype=np.int8))
    np.testing.assert_allclose(solved(system, (1.0,), one).y[:, 0], [5, expected, 5], rtol=1e-9)
    last = replace(experiment([10.0], 0.0), side=np.array([side], dtype=np.int8))
    np.testing.assert_allclose(solved(system, (1.0,), last).y[0, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("method", BOTH)
def test_a_reset_that_comes_before_the_solution_blows_up(method: str) -> None:
    """v' = 1 + v^2, reset at v = 20 to 0: v = tan(t) since the last reset."""
    system = interrupted({"v": "1 + v^2"}, {"v": 0}, "top", triggers=[{"when": "v > top", "changes": {"v": 0}}])
    t = np.array([1.0, 5.0, 11.0])
    found = solved(system, (20.0,), experiment(t, 0.0), method)
    period = np.arctan(20.0)
    np.testing.assert_allclose(found.y[:, 0], np.tan(t % period), rtol=1e-5)


def put_back(value: str, when: str = "x < k") -> System:
    """x falls from 4, and is put to a value when it passes k."""
    return interrupted({"x": "-x/2"}, {"x": 4}, "k", triggers=[{"when": when, "changes": {"x": value}}])


@pytest.mark.parametrize("method", BOTH)
def test_what_is_put_where_its_condition_still_holds_goes_on(method: str) -> None:
    """x <= 2 holds at 2; and a multiple of the state is 2 but for rounding, so that its condition was never false."""
    t = np.array([1.0, 4.0])
    for system in (put_back("2", "x <= k"), put_back("x*3/3")):
        found = solved(system, (2.0,), experiment(t, 0.0), method)
        np.testing.assert_allclose(found.y[:, 0], 4 * np.exp(-t / 2), rtol=1e-5)


@pytest.mark.parametrize("method", BOTH)
def test_a_time_that_waits_for_a_state_comes_once_for_each_of_its_values(method: str) -> None:
    """t > y at 1.5 puts y to 2, which t passes at 2: it is put to 2 again, and t stays above it."""
    system = interrupted({"y": 0}, {"y": 1.5}, "k", triggers=[{"when": "t > y", "changes": {"y": "k"}}])
    found = solved(system, (2.0,), experiment(np.array([1.0, 1.8, 2.5, 9.0]), 0.0), method)
    np.testing.assert_allclose(found.y[:, 0], [1.5, 2.0, 2.0, 2.0], rtol=1e-12)


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("early", [True, False])
def test_a_delayed_event_that_is_due_again_on_its_way(method: str, early: bool) -> None:
    """x = sin(w t) passes k at (asin(k) + 2 pi n)/w, and d later this time, or that later one, is added to y."""
    value = "t + c" if early else "y + t"
    trigger = {"when": "x > k", "delay": "d", "changes": {"y": value}, "early_values": early}
    system = interrupted({"x": "w*cos(w*t)", "y": 0}, {"x": 0, "y": 0}, "k w d c", triggers=[trigger])
    k, w, d, c = 0.5, 3.0, 7.0, 0.25
    t = np.array([6.0, 7.1, 8.0, 10.0, 12.5])  # four are on their way at most
    found = solved(system, (k, w, d, c), experiment(t, 0.0), method)
    phase, n = np.arcsin(k), np.arange(8)
    came = (phase + 2 * np.pi * n) / w
    slopes = np.stack([np.full(8, 1 / (w * np.sqrt(1 - k**2))), -came / w, np.zeros(8), np.zeros(8)], axis=1)
    if early:
        last = np.array([np.sum(came + d < at) for at in t]) - 1
        y, dy = np.where(last >= 0, came[last] + c, 0), slopes[last] + [0, 0, 0, 1]
        dy[last < 0] = 0
    else:
        over = came + d < t[:, None]
        y, dy = over @ (came + d), over @ (slopes + np.array([0, 0, 1, 0]))
    assert y[-1] > y[-2] > y[-3] > 0
    np.testing.assert_allclose(found.y[:, 1], y, rtol=1e-6)
    assert found.dy is not None
    np.testing.assert_allclose(found.dy[:, 1], dy, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("system", "p", "reason"),
    [
        (BALL, (9.81, 0.3, 1.0), FailureReason.FIRES_WITHOUT_END),
        (put_back("2"), (2.0,), FailureReason.FIRES_WITHOUT_END),
        (put_back("k + 1e-8"), (2.0,), FailureReason.FIRES_WITHOUT_END),
        (
            interrupted({"x": 1}, {"x": 0}, "k", triggers=[{"when": "x > k", "delay": "-1", "changes": {"x": 0}}]),
            (1.0,),
            FailureReason.DELAY_NEGATIVE,
        ),
        (
            interrupted(
                {"x": "cos(t)"}, {"x": 0}, "k", triggers=[{"when": "x > k", "delay": "9", "changes": {"x": 0}}]
            ),
            (0.5,),
            FailureReason.DELAYS_OVERLAP,
        ),
    ],
)
def test_what_fails(
    system: System, p: tuple[float, ...], reason: FailureReason, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odefit.engines.segments.plan.MOST_ROOM", 1)  # for those on their way at once
    found = engine_of(system).solve(np.array([p]), [experiment([10.0])])[0]
    assert found.failure is not None
    assert found.failure.reason is reason
    assert np.isnan(found.y).all()
    with pytest.raises(SolveError, match=r"experiment e: .*event 1"):
        engine_of(system, "dopri5").solve_batch(
            torch.tensor([p], dtype=torch.float64), collate([(0, experiment([10.0]))])
        )


def test_a_network_is_trained_through_its_events() -> None:
    system = interrupted(
        {"x": "net(x)"},
        {"x": 0},
        "top",
        networks={"net": Network("net", 1, 1)},
        triggers=[{"when": "x > top", "changes": {"x": "x/4"}}],
    )
    from odefit.engines.base import SolverOptions
    from odefit.engines.torch_engine import TorchEngine

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    torch.nn.init.constant_(net[2].bias, 1.0)
    from odefit.engines.choice import make_engine

    engine = make_engine(system, SolverOptions(rtol=1e-9, atol=1e-11), (), torch.nn.ModuleDict({"net": net}))
    assert not isinstance(engine, TorchEngine)
    batch, p = collate([(0, experiment([0.5, 1.0, 2.0, 3.0]))]), torch.tensor([[0.8]], dtype=torch.float64)

    def loss() -> torch.Tensor:
        return engine.solve_batch(p, batch).square().sum()

    loss().backward()
    weight = net[0].weight
    expected = weight.grad[2, 0].item()
    h = 1e-5
    with torch.no_grad():
        weight[2, 0] += h
        up = loss().item()
        weight[2, 0] -= 2 * h
        down = loss().item()
    assert expected == pytest.approx((up - down) / (2 * h), rel=1e-4)
