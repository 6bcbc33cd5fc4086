"""Equations with networks as machine code: values by torch's operations, gradients by torch and by differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from odefit.data.dataset import collate
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.kernel import machine
from odefit.engines.networks import adaptive_steps, backwards, dense, fields, fixed_steps
from odefit.engines.networks.autograd import CompiledField, compiled_field
from odefit.engines.networks.program import ACTIVATIONS, ADAPTIVE, MAX_RTOL_CUT, FieldProgram, Members, Path
from odefit.engines.torch_fields import Equations
from odefit.errors import ConfigError, ModelError
from odefit.model import networks as modules
from odefit.model.system import Network, System
from odefit.training import recorded_steps
from small_problems import Array, central_differences, make_system, series

pytest.importorskip("llvmlite")
RTOL_ATOL = np.array([1e-9, 1e-10, 1e-10])


def hybrid(*networks: Network, x: str = "a*x - net(x, y)[0]*x", y: str = "net(x, y)[1] - b*y") -> System:
    return make_system({"x": x, "y": y}, {"x": 1.0, "y": 0.5}, ("a", "b"), networks={n.name: n for n in networks})


SYSTEMS = {
    "one network": hybrid(Network("net", 2, 2, (5, 3), "tanh")),
    "its only layer": hybrid(Network("net", 2, 2, (), "tanh"), x="a*net(x, y)[0] - x*y/(1 + x^2)"),
    "a positive output": hybrid(Network("net", 2, 2, (6,), "silu", output="positive")),
    "of the time": hybrid(Network("net", 2, 2, (4,), "gelu"), y="net(sin(t), x*y)[1] - b*y"),
    "twice, of other things": hybrid(
        Network("net", 2, 2, (4,), "tanh"), x="a*net(y, x)[0] - x", y="net(x, b*y)[1]*net(y, x)[1] - y"
    ),
    "two networks": hybrid(
        Network("net", 2, 2, (4, 4), "sigmoid"), Network("m", 1, 1, (3,), "tanh"), y="m(exp(-b*x)) - net(x, y)[1]"
    ),
    "one within another": hybrid(
        Network("net", 2, 2, (4,), "tanh"), Network("m", 1, 1, (3,), "softplus"), y="net(m(x*a), m(b*y))[0] - y"
    ),
    "no network": make_system({"x": "a*x*(1 - x) + y", "y": "-b*y"}, {"x": 1, "y": 1}, ("a", "b")),
}


def trained(system: System, seed: int = 0, units: bool = True) -> nn.ModuleDict:
    """Networks with units that are not 0 and 1."""
    built = modules.build_networks(system.networks.values(), seed).to(torch.float64)
    rng = np.random.default_rng(seed)
    for module in built.values():
        parts = [torch.as_tensor(rng.uniform(0.5, 1.5, b.shape)) for b in (module.centre, module.scale)]
        if units:
            module.set_units(*parts, torch.as_tensor(rng.uniform(0.5, 1.5, module.output_scale.shape)))
    return built


def compiled(system: System, networks: nn.ModuleDict) -> CompiledField:
    field = compiled_field(system, networks, torch.empty(0, dtype=torch.float64))
    assert field is not None
    return field


def members(seed: int = 1) -> dict[str, Tensor]:
    """Three members of six times each; the first begins at its start, the last pads its times."""
    rng = np.random.default_rng(seed)
    elapsed = np.cumsum(rng.uniform(0.05, 0.4, (3, 6)), axis=1)
    elapsed[0, 0], elapsed[2, 4:] = 0.0, elapsed[2, 3]
    given = {"p": rng.uniform(0.3, 1.2, (3, 2)), "start": rng.uniform(-1, 1, 3), "elapsed": elapsed}
    return {key: torch.as_tensor(a) for key, a in (given | {"y": rng.uniform(0.5, 1.5, (3, 2))}).items()}


def gradients(y: Tensor, of: list[Tensor]) -> list[Array]:
    """Of a sum of all states, each by a weight of its own."""
    weight = torch.as_tensor(np.random.default_rng(3).normal(size=y.shape))
    found = torch.autograd.grad((weight * y).sum(), of, allow_unused=True)
    return [np.zeros(q.shape) if g is None else g.numpy() for g, q in zip(found, of, strict=True)]


@pytest.mark.parametrize("name", SYSTEMS)
def test_fixed_steps_and_their_gradients_are_those_that_torch_records(name: str) -> None:
    networks = trained(SYSTEMS[name])
    given = members()
    of = [given["p"].requires_grad_(), given["y"].requires_grad_(), *networks.parameters()]
    ours = compiled(SYSTEMS[name], networks).march(**given, steps=3)
    theirs = recorded_steps.march(Equations(SYSTEMS[name], (), networks), **given, steps=3)
    np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-12)
    for a, b in zip(gradients(ours, of), gradients(theirs, of), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SYSTEMS)
def test_sensitivities_are_the_gradients_of_each_state(name: str) -> None:
    networks, given = trained(SYSTEMS[name]), members()
    field = compiled(SYSTEMS[name], networks)
    of = [given["p"].requires_grad_(), given["y"].requires_grad_(), *networks.parameters()]
    y, of_p, of_y, of_w = field.march_with_derivatives(**given, steps=2)
    path = field.march(**given, steps=2)
    np.testing.assert_array_equal(y, path.detach())
    weight = torch.as_tensor(np.random.default_rng(3).normal(size=y.shape))
    by_p, by_y, *by_w = gradients(path, of)
    np.testing.assert_allclose(torch.einsum("mts,mtsl->ml", weight, of_p), by_p, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(torch.einsum("mts,mtsl->ml", weight, of_y), by_y, rtol=1e-9, atol=1e-12)
    flat = np.concatenate([np.empty(0), *(b.ravel() for b in by_w)])
    np.testing.assert_allclose(torch.einsum("mts,mtsl->l", weight, of_w), flat, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_its_slope_is_torchs(activation: str) -> None:
    system = hybrid(Network("net", 2, 2, (9, 5), activation))
    networks, given = trained(system), members()
    of = [given["y"].requires_grad_(), *networks.parameters()]
    ours = compiled(system, networks).march(**given, steps=1)
    theirs = recorded_steps.march(Equations(system, (), networks), **given, steps=1)
    np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-12)
    for a, b in zip(gradients(ours, of), gradients(theirs, of), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_every_activation_that_a_config_may_name_is_compiled() -> None:
    assert ACTIVATIONS.keys() == modules.ACTIVATIONS.keys()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_far_out_are_finite_and_torchs(activation: str) -> None:
    z = np.array([-800.0, -30.0, -1e-3, 0.5, 19.9, 20.1, 800.0])
    h, s = np.empty(7), np.empty(7)
    dense.activate(ACTIVATIONS[activation], 7, z, h)
    dense.steepness(ACTIVATIONS[activation], 7, z, s, h)
    x = torch.as_tensor(z).requires_grad_()
    y = modules.ACTIVATIONS[activation]()(x)
    np.testing.assert_allclose(h, y.detach(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(s, torch.autograd.grad(y.sum(), x)[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["of the time", "one within another"])
def test_adaptive_steps_keep_to_their_tolerance(name: str) -> None:
    networks, given = trained(SYSTEMS[name]), members()
    field = compiled(SYSTEMS[name], networks)
    exact = field.march(**given, steps=64)
    errors = []
    for rtol in (1e-5, 1e-9):
        found = field.drive(**given, tolerances=np.array([rtol, rtol, rtol]))
        assert found is not None
        errors.append(float((found - exact).detach().abs().max()))
    assert errors[0] < 1e-4
    assert errors[1] < 1e-8


def along_a_direction(
    found: torch.Tensor, of: list[torch.Tensor], solve: Callable[[], torch.Tensor], step: float
) -> tuple[float, float]:
    """How a weighted sum of states moves along a direction of all parameters: by gradients, and by differences."""
    weight = torch.as_tensor(np.random.default_rng(3).normal(size=found.shape))
    flat = nn.utils.parameters_to_vector(of).detach()
    direction = torch.as_tensor(0.1 * np.random.default_rng(0).normal(size=len(flat)))

    def value(length: Array) -> float:
        with torch.no_grad():
            nn.utils.vector_to_parameters(flat + float(length[0]) * direction, of)
            return float((weight * solve()).sum())

    ours = np.concatenate([g.ravel() for g in gradients(found, of)]) @ direction.numpy()
    return float(ours), float(central_differences(value, np.zeros(1), step)[0])


@pytest.mark.parametrize("name", SYSTEMS)
def test_gradients_of_adaptive_steps_are_those_of_the_states_by_differences(name: str) -> None:
    networks, given = trained(SYSTEMS[name]), members()
    field = compiled(SYSTEMS[name], networks)
    of = [given["p"].requires_grad_(), given["y"].requires_grad_(), *networks.parameters()]
    found = field.drive(**given, tolerances=RTOL_ATOL)
    assert found is not None
    ours, theirs = along_a_direction(found, of, lambda: field.march(**given, steps=40), 1e-3)
    assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("output", ["linear", "positive"])
def test_gradients_over_kinks_are_as_exact_as_states(activation: str, output: str) -> None:
    system = hybrid(Network("net", 2, 2, (6, 4), activation, output), y="net(y, sin(3*t))[1] - b*y + cos(2*t)")
    networks, given = trained(system), members()
    field = compiled(system, networks)
    of = [given["p"].requires_grad_(), given["y"].requires_grad_(), *networks.parameters()]
    found = field.drive(**given, tolerances=RTOL_ATOL)
    assert found is not None

    def solved() -> torch.Tensor:
        states = field.drive(**given, tolerances=np.array([1e-13, 1e-14, 1e-14]))
        assert states is not None
        return states

    ours, theirs = along_a_direction(found, of, solved, 1e-5)
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_a_kink_at_a_known_time_has_the_gradient_of_its_formula() -> None:
    system = make_system({"x": "net(t)"}, {"x": 0}, (), networks={"net": Network("net", 1, 1, (1,), "relu")})
    networks = trained(system, units=False)
    with torch.no_grad():
        for q, given in zip(networks.parameters(), (2.0, -2.0, 0.5, 0.0), strict=True):
            q.fill_(given)  # x' = 0.5 relu(2 t - 2)
    field = compiled(system, networks)
    tensors = {"p": torch.empty(1, 0).double(), "start": torch.zeros(1).double(), "y": torch.zeros(1, 1).double()}
    tensors["elapsed"] = torch.tensor([[0.5, 1.0, 1.5, 3.0]]).double()
    found = field.drive(**tensors, tolerances=np.array([1e-8, 1e-8]))
    assert found is not None
    np.testing.assert_allclose(found.detach().ravel(), [0, 0, 0.125, 2], atol=1e-12)
    # x(T) = c a (T - s)^2 / 2 from the kink at s = -b/a on: dx/da = c (T^2 - s^2) / 2, dx/db = c (T - s), ...
    slopes = torch.autograd.grad(found[0, 3, 0], list(networks.parameters()))
    np.testing.assert_allclose([float(slope) for slope in slopes], [2, 1, 4, 3], rtol=1e-9)


def test_a_unit_that_leaves_its_kink_at_the_start_is_seen() -> None:
    system = make_system({"x": "net(t)"}, {"x": 0}, (), networks={"net": Network("net", 1, 1, (1,), "relu")})
    networks = trained(system, units=False)
    with torch.no_grad():
        for q, given in zip(networks.parameters(), (1.0, 0.0, 1.0, 0.0), strict=True):
            q.fill_(given)
    tensors = {"p": torch.empty(1, 0).double(), "start": torch.zeros(1).double(), "y": torch.zeros(1, 1).double()}
    found = compiled(system, networks).drive(
        **tensors, elapsed=torch.tensor([[2.0]]).double(), tolerances=np.array([1e-8, 1e-8])
    )
    assert found is not None
    assert float(found.detach()) == pytest.approx(2.0, rel=1e-12)


def test_the_last_bits_of_a_gradient_do_not_depend_on_how_often_it_is_asked() -> None:
    networks, given = trained(SYSTEMS["two networks"]), members()
    field = compiled(SYSTEMS["two networks"], networks)
    of = list(networks.parameters())
    first, second = (gradients(field.march(**given, steps=2), of) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_member_that_blows_up_is_no_solution() -> None:
    system = make_system({"x": "a*x^2 + b"}, {"x": 1}, ("a", "b"))
    field = compiled(system, nn.ModuleDict())
    given = {"p": [[1.0, 0.0]], "start": [0.0], "elapsed": [[0.5, 2.0]], "y": [[1.0]]}
    tensors: dict[str, Any] = {key: torch.tensor(value, dtype=torch.float64) for key, value in given.items()}
    assert field.drive(**tensors, tolerances=np.array([1e-6, 1e-8])) is None
    reached = field.drive(**tensors | {"elapsed": torch.tensor([[0.5]]).double()}, tolerances=np.array([1e-6, 1e-8]))
    assert reached is not None
    assert float(reached.detach()) == pytest.approx(2.0, rel=1e-5)


def test_a_solution_of_very_many_steps_finds_room() -> None:
    system = make_system({"x": "b*cos(400*t) - a*x"}, {"x": 0}, ("a", "b"))
    given = {"p": [[0.0, 400.0]], "start": [0.0], "elapsed": [[10.0]], "y": [[0.0]]}
    tensors: dict[str, Any] = {key: torch.tensor(value, dtype=torch.float64) for key, value in given.items()}
    found = compiled(system, nn.ModuleDict()).drive(**tensors, tolerances=np.array([1e-6, 1e-8]))
    assert found is not None
    assert float(found.detach()) == pytest.approx(math.sin(4000.0), abs=1e-3)


def test_what_is_not_compiled_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    system = SYSTEMS["one network"]
    assert compiled_field(system, trained(system), torch.empty(0, dtype=torch.float32)) is None
    gradient = make_system(
        {"x": "net(x)"}, {"x": 1}, (), networks={"net": Network("net", 1, 1, (3,), "tanh", gradient=-1)}
    )
    assert compiled_field(gradient, trained(gradient), torch.empty(0, dtype=torch.float64)) is None
    with pytest.raises(ModelError, match="are not compiled"):
        FieldProgram(gradient)
    monkeypatch.setattr(machine, "available", lambda: (False, "llvmlite cannot be imported"))
    other = hybrid(Network("net", 2, 2, (7,), "elu"))
    assert compiled_field(other, trained(other), torch.empty(0, dtype=torch.float64)) is None


# the engine


def engine_of(system: System, method: str = "auto", **options: Any) -> Any:
    return make_engine(system, SolverOptions(method, **options), (), trained(system))


def test_auto_is_tsit5_for_networks_and_agrees_with_torchs_method() -> None:
    system = SYSTEMS["two networks"]
    ours, theirs = engine_of(system, rtol=1e-8), engine_of(system, "dopri5", rtol=1e-10, atol=1e-12)
    assert (ours.method_in_use, theirs.method_in_use) == ("tsit5", "dopri5")
    assert engine_of(system, dtype="float32").method_in_use == engine_of(system, adjoint=True).method_in_use == "dopri5"
    experiments = [series("a", [0.0, 1.0, 2.5]), series("b", [0.5, 0.7], start=0.5)]
    p = np.array([[0.4, 0.6], [0.8, 0.9]])
    solved, wanted = (engine.solve(p, experiments) for engine in (ours, theirs))
    np.testing.assert_allclose(solved.y, wanted.y, rtol=1e-6)
    assert ours.count_steps(p, experiments) > 4
    assert theirs.count_steps(p, experiments) is None
    batch, both = collate(list(enumerate(experiments))), []
    for engine in (ours, theirs):
        of = [torch.as_tensor(p).requires_grad_(), *engine.networks.parameters()]
        both.append(gradients(engine.solve_batch(of[0], batch), of))
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9)


def test_the_method_may_be_named_where_it_is_compiled() -> None:
    assert engine_of(SYSTEMS["one network"], "tsit5").method_in_use == "tsit5"
    with pytest.raises(ModelError, match="tsit5 is machine code, which these networks or options are not"):
        engine_of(SYSTEMS["one network"], "tsit5", dtype="float32")
    with pytest.raises(ConfigError, match="rodas5p needs formulas"):
        engine_of(SYSTEMS["one network"], "rodas5p")


def test_what_fails_is_said_in_torchs_words() -> None:
    network = Network("net", 1, 1, (2,), "tanh")
    system = make_system({"x": "x^2 + a*net(x)"}, {"x": 1}, ("a",), networks={"net": network})
    experiments = [series("short", [0.5], start=0.0), series("long", [0.5, 3.0], start=0.0)]
    p = np.array([[0.0], [0.0]])
    ours, theirs = (engine_of(system, method).solve(p, experiments) for method in ("auto", "dopri5"))
    assert ours.failed == theirs.failed == 1
    assert ours.failures[1] == theirs.failures[1]
    np.testing.assert_allclose(ours.y[0], 2.0, rtol=1e-4)


# the same text as Python


def inputs(t: float, y: Array, p: Array, o: Array, x: Array) -> None:
    """Those of `one network`."""
    x[:2] = y[:2]


def rates(t: float, y: Array, p: Array, o: Array, f: Array) -> None:
    """Those of `one network`."""
    f[0], f[1] = p[0] * y[0] - o[0] * y[0], o[1] - p[1] * y[1]


def partials(t: float, y: Array, p: Array, o: Array, entries: Array) -> None:
    """Of `one network`, in the order of its plan: of the first rate to a, x and o, of the second to o, b and y."""
    entries[:8] = y[0], p[0] - o[0], -y[0], 1.0, -y[1], -p[1], 1.0, 1.0


def test_machine_code_and_python_of_fixed_steps_agree() -> None:
    system = SYSTEMS["one network"]
    field = compiled(system, trained(system))
    given, w = {key: value.numpy() for key, value in members().items()}, field.weights()
    machine_code = field.program.march(Members(**given), 2, w)
    path, work = room_for(field.program, given, 12), np.empty(12 + int(field.program.plan[fields.KEPT]))
    fixed_steps.march(
        3, 6, 2, field.program.plan, w.units, w.turned, inputs, rates,
        *(given[key].ravel() for key in ("p", "start", "elapsed", "y")), *(a.ravel() for a in path[1:]), work,
        path[0].ravel(),
    )  # fmt: skip
    check_same(path, machine_code)


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu"])
def test_machine_code_and_python_of_adaptive_steps_agree_both_ways(activation: str) -> None:
    system = hybrid(Network("net", 2, 2, (5, 3), activation))
    field = compiled(system, trained(system))
    given, w = {key: value.numpy() for key, value in members().items()}, field.weights()
    program, tolerances = field.program, np.array([1e-3 if activation == "tanh" else MAX_RTOL_CUT, 1e-3, 1e-3])
    machine_code = program.drive(Members(**given), tolerances, w)
    assert machine_code is not None
    kept = int(program.plan[fields.KEPT])
    path, status = room_for(program, given, *machine_code.record.shape[1:]), np.ones(3, np.int64)
    common = (program.plan if activation == "tanh" else program.held_plan, w.units, w.turned)
    adaptive_steps.drive(
        3, 6, machine_code.record.shape[1], tolerances, ADAPTIVE.tableau, *common, inputs, rates,
        *(given[key].ravel() for key in ("p", "start", "elapsed", "y")), *(a.ravel() for a in path[1:]),
        np.empty(100 + kept), path[0].ravel(), status,
    )  # fmt: skip
    assert not status.any()
    check_same(path, machine_code)
    gradient = np.random.default_rng(4).normal(size=(3, 6, 2))
    bars = np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(program.n_weights)
    backwards.go_back_all(
        3, 6, machine_code.record.shape[1], 7, ADAPTIVE.tableau, *common, w.own, inputs, rates, partials,
        given["p"].ravel(), given["start"], *(a.ravel() for a in path[1:]), gradient.ravel(), np.empty(1000 + 7 * kept),
        *(bar.reshape(-1) for bar in bars),
    )  # fmt: skip
    for ours, theirs in zip(bars, program.go_back(machine_code, gradient, w), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)


def room_for(program: FieldProgram, given: dict[str, Array], steps: int, width: int = 4) -> tuple[Array, ...]:
    """States, record, number of steps, the step of each time and how far along."""
    m, count = given["elapsed"].shape
    step_of, theta = np.empty((m, count), np.int64), np.empty((m, count))
    return np.empty((m, count, program.states)), np.empty((m, steps, width)), np.empty(m, np.int64), step_of, theta


def check_same(path: tuple[Array, ...], machine_code: Path) -> None:
    np.testing.assert_allclose(path[0], machine_code.y, rtol=1e-10)
    np.testing.assert_array_equal(path[2], machine_code.taken)
    np.testing.assert_array_equal(path[3], machine_code.step_of)
    np.testing.assert_allclose(path[4], machine_code.theta, rtol=1e-4)  # widths follow the last bits of an error
