"""Large systems: sparse matrices of the stiff method, and sensitivities that go through segments as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from test_diffsol_engine import make, measured

from interrupted_systems import experiment, interrupted, polygon
from odefit.data.experiments import Dose, Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.engines.kernel import model_ir
from odefit.engines.kernel.elimination import add_to_diagonal, factorize, substitute
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.engines.kernel.model_ir import stiff_text
from odefit.engines.kernel.sparsity import pattern_of
from odefit.engines.pilot import Pilot
from odefit.model.functions import numpy_function
from odefit.model.system import System
from odefit.problem.state_sizes import state_sizes

pytest.importorskip("llvmlite")

N = 24


def sparse_matrix(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a = np.where(rng.random((n, n)) < 2.5 / n, rng.standard_normal((n, n)), 0.0)
    return a + np.diag(3.0 + rng.random(n))


@pytest.mark.parametrize("seed", range(3))
def test_sparse_equations_are_solved_as_dense_ones(seed: int) -> None:
    """The stepper's text as Python; its pattern has no more than what fills in."""
    n = 30
    a = sparse_matrix(n, seed)
    pattern = pattern_of([np.flatnonzero(row).tolist() for row in a])
    assert np.count_nonzero(a) <= pattern.entries < n * n
    entries, room = np.zeros(pattern.entries), np.zeros(n)
    for (i, j), place in pattern.places().items():
        entries[place] = a[i, j]
    add_to_diagonal(n, pattern.numbers, 0.5, entries)
    a = a + 0.5 * np.eye(n)
    assert factorize(n, pattern.numbers, entries, room)
    for width in (1, 4):
        b = np.random.default_rng(9).standard_normal((n, width))
        found = b.ravel().copy()
        substitute(n, width, pattern.numbers, entries, room, found)
        np.testing.assert_allclose(found.reshape(n, width), np.linalg.solve(a, b), rtol=1e-10, atol=1e-12)


def test_a_pivot_without_digits_is_refused() -> None:
    pattern = pattern_of([[0, 1], [0, 1]])
    places = pattern.places()
    entries = np.zeros(4)
    for place, value in zip([places[i, j] for i in (0, 1) for j in (0, 1)], [1.0, 2.0, 3.0, 6.0], strict=True):
        entries[place] = value
    assert not factorize(2, pattern.numbers, entries, np.zeros(2))


def test_the_order_of_elimination_keeps_an_arrow_sparse() -> None:
    """What is coupled to all comes last, else everything fills in."""
    n = 40
    pattern = pattern_of([[*range(n)], *([0, i] for i in range(1, n))])
    assert pattern.order[-1] == 0 or pattern.order[-2] == 0
    assert pattern.entries == 3 * n - 2


def chain(n: int = N) -> System:
    """Reversible steps along a chain, fast at its end: stiff, and sparse."""
    rates = {f"x{i}": f"-k*x{i} + c*x{i + 1}" for i in range(n - 1)}
    rates = {s: f"{r} + (k*x{i - 1} - c*x{i})" if i else r for i, (s, r) in enumerate(rates.items())}
    rates[f"x{n - 1}"] = f"k*x{n - 2} - c*x{n - 1} - fast*x{n - 1}^2"
    return make(rates, dict.fromkeys(rates, "1"), "k c fast")


def test_a_sparse_stiff_system_beside_scipy_and_its_own_dense_self(monkeypatch: pytest.MonkeyPatch) -> None:
    system, p, times = chain(), [3.0, 1.0, 1e6], [0.1, 2.0]
    assert stiff_text(system, system.parameters).pattern is not None
    sparse = KernelEngine(system, SolverOptions("rodas5p", 1e-8, 1e-12), system.parameters)
    found = sparse.solve(np.array([p]), [measured(times)], True)[0]
    function = numpy_function(list(system.rhs), (*system.states, "t", *system.parameters))
    reference = solve_ivp(
        lambda t, y: np.array(function(*y, t, *p)), (0, 2), np.ones(N), "BDF", times, rtol=1e-8, atol=1e-12
    )
    np.testing.assert_allclose(found.y, reference.y.T, rtol=1e-6, atol=1e-10)
    monkeypatch.setattr(model_ir, "MAX_SHARE", 0.0)
    assert stiff_text(system, system.parameters).pattern is None
    # In another order, for programs are kept by their formulas and parameters.
    dense = KernelEngine(system, sparse.options, ("fast", "c", "k"))
    expected = dense.solve(np.array([p]), [measured(times)], True)[0]
    np.testing.assert_allclose(found.dy, expected.dy[:, :, ::-1], rtol=1e-6, atol=1e-12)


def test_more_states_than_dense_matrices_may_have() -> None:
    """Their stiff method is the kernel's still; derivatives beside a difference."""
    system = chain(120)
    engine = make_engine(system, SolverOptions(rtol=1e-7, atol=1e-10), system.parameters)
    found = engine.solve(np.array([[3.0, 1.0, 1e5]]), [measured([5.0])], True)[0]
    assert found.failure is None
    assert found.dy is not None
    assert engine.method_in_use == "rodas5p"
    ahead = engine.solve(np.array([[3.0, 1.0, 1.001e5]]), [measured([5.0])])[0]
    np.testing.assert_allclose((ahead.y - found.y) / 100, found.dy[:, :, 2], rtol=2e-3, atol=1e-9)


# sensitivities along segments


def fed_chain(n: int) -> tuple[System, np.ndarray, Experiment]:
    """A chain with an infusion of which a part arrives, and an event at an estimated time."""
    rates = {f"x{i}": f"k*(x{i - 1} - x{i})" if i else "-k*x0" for i in range(n)}
    events = [("when", {"x1": "x1/2 + c"})]
    initial = {s: "x_0" if s == "x0" else "0" for s in rates}
    system = interrupted(rates, initial, "k x_0 c when lag F", events=events, dosing=("lag", "F"))
    doses = (Dose(0.5, "x0", 2.0, 0.7), Dose(2.0, "x2", 1.0))
    return system, np.array([0.8, 1.5, 0.3, 1.4, 0.2, 0.6]), experiment([0.0, 0.6, 1.0, 1.5, 2.1, 3.0], doses=doses)


def test_sensitivities_that_go_on_are_those_of_the_chain_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    system, p, rows = fed_chain(14)
    options = SolverOptions("tsit5", 1e-9, 1e-12)
    names = ("F", "k", "c", "x_0", "when", "lag")
    along = make_engine(system, options, names).solve(p[None], [rows], True)[0]
    monkeypatch.setattr(KernelEngine, "takes_tangents", False)
    apart = make_engine(system, options, names).solve(p[None], [rows], True)[0]
    np.testing.assert_allclose(along.y, apart.y, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(along.dy, apart.dy, rtol=1e-6, atol=1e-8)


def test_so_they_are_where_nothing_on_the_way_depends_on_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doses, infusions and an input at known times, for several members in one call."""
    n = 14
    rates = {f"x{i}": f"k*(x{i - 1} - x{i})" if i else "u - k*x0" for i in range(n)}
    initial = {s: "x_0" if s == "x0" else "0" for s in rates}
    system = interrupted(rates, initial, "k x_0 F", inputs=("u",), dosing=("0", "F"))
    inputs = {"u": polygon([0.0, 1.0, 2.0], [0.0, 1.0, 0.2])}
    doses = (Dose(0.5, "x0", 2.0, 0.7), Dose(2.0, "x2", 1.0))
    rows = [
        experiment([0.0, 0.6, 1.5, 2.1], doses=doses, inputs=inputs),
        experiment([1.0, 3.0], inputs=inputs, name="f"),
    ]
    p, members = np.array([[0.8, 1.5, 0.6], [0.5, 1.0, 0.9], [1.1, 0.2, 0.4]]), np.array([1, 0, 0])
    options, names = SolverOptions("tsit5", 1e-9, 1e-12), ("F", "x_0", "k")
    along = make_engine(system, options, names).solve(p, rows, True, members)
    monkeypatch.setattr(KernelEngine, "takes_tangents", False)
    apart = make_engine(system, options, names).solve(p, rows, True, members)
    np.testing.assert_allclose(along.y, apart.y, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(along.dy, apart.dy, rtol=1e-6, atol=1e-8)


def test_sizes_of_a_large_system_that_begins_at_zero() -> None:
    """The end of a cascade is high powers of a short time at first: that is no size."""
    n = 70
    rates = {f"x{i}": f"k*(x{i - 1} - x{i})" if i else "k*(1 - x0)" for i in range(n)}
    system = make(rates, dict.fromkeys(rates, "0"), "k")
    rows = measured([0.0, 100.0, 400.0])
    record = Pilot(system).way(np.array([0.5]), rows)
    assert record.pieces[-1][0][-1] == 400.0
    sizes = state_sizes(system, [rows], np.array([[0.5]]))
    assert sizes[0] == 1.0
    assert sizes.min() > 1e-60
