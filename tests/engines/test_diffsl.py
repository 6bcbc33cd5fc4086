"""SymPy -> DiffSL: every function of the formula language, its value and its derivatives, two ways.

Whatever is compiled here is compiled in a process of its own, since a fault in the generated text may end the process.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from odefit import algebra as sp
from odefit.engines.diffsol.diffsl import MUTED, diffsl_code, jumps, operations
from odefit.errors import ModelError
from odefit.model.derivatives import derivatives
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.system import Network, NetworkCall, System, symbol

NAMES = ("x", "y", "k", "m")
K, M = 0.7, 2.5

# Formula, and the values of x at which it is checked (y = 1.3, k = 0.7, m = 2.5, t = 0.4).
POINTS: dict[str, list[float]] = {
    "sin(x)": [-3, 0.1, 5],
    "cos(x)": [-3, 0, 5],
    "tan(x)": [-1.2, 0.3, 2],
    "asin(x)": [-0.999, -0.3, 0, 1e-9, 0.7],
    "acos(x)": [-0.999, -0.3, 0, 1e-9, 0.7],
    "atan(x)": [-1e300, -1e9, -1.5, -1, -0.5, -1e-12, 0, 0.3, 1, 1.0001, 7, 1e5],
    "sinh(x)": [-5, -0.51, -0.4, -1e-9, 0, 0.3, 0.5, 2],
    "cosh(x)": [-3, 0, 2],
    "tanh(x)": [-1000, -19.9, -2, -0.3, -1e-10, 0, 0.4, 3, 800],
    "asinh(x)": [-1e200, -1e9, -1e4, -1.01, -1, -0.6, -1e-9, 0, 0.2, 0.99, 1, 5, 2e8],
    "acosh(x)": [1.0001, 1.5, 30, 1e9],
    "atanh(x)": [-0.999, -0.5, -1e-9, 0, 0.3, 0.99],
    "exp(x)": [-700, -1, 2],
    "log(x)": [1e-300, 0.5, 3],
    "log10(x)": [5.0],
    "log2(x)": [5.0],
    "sqrt(x)": [0.1, 4.0],
    "abs(x)": [-2, 3],
    "sign(x)": [-2, 0, 3],
    "heaviside(x)": [-1, 0, 2],
    "sigmoid(x)": [-1000, -2, 0, 3, 1000],
    "max(x, k)": [-2, 3],
    "min(x, k, 1)": [-2, 3],
    "max(log(x), k)": [0.5, 10.0],
    "x^2": [-3, 0],
    "x^3": [-2, 0, 1],
    "x^7": [-1.5, 0],
    "x^-3": [-2.0, 0.5],
    "x^2.5": [0, 0.5, 3],
    "x^0.3": [0.5, 3],
    "x^-0.5": [2.0],
    "x^1.5": [0, 2.0],
    "x^m": [0.5, 3],
    "2^x": [-1, 3],
    "x^y": [0.5, 2],
    "piecewise(x^2, x < 1, 3*x, x <= 2, sqrt(x))": [-1, 1, 1.5, 2, 3],
    "piecewise(log(x), x > 0, 0)": [-1, 0, 2],
    "piecewise(1, x > 0 and k > x or not x > -1, 2)": [-2, -0.5, 0.5, 9],
    "piecewise(x, x == 2, y, x != 3, k)": [2, 3, 4],
    "x > 1": [0, 1, 2],
    "x >= 1": [0, 1, 2],
    "1/(1 + exp(-x))": [-300, -3, 1, 800],
    "k*exp(x)/(1 + exp(x))^2": [-800, -3, 0, 1, 110, 310],
    "k/cosh(x)^2": [-310, -3, 0, 2, 290, 340],
    "x/(k + x)": [2.0],
    "-x^2": [3.0],
    "2*pi*x/3 - e": [1.0],
    "exp(-k*t)*sin(3*x*t) + exp(-k*t)": [1.0],
    "x*y*k*m*t": [-3.0],
    "x - (y - k) - 3": [1.5],
    "x/y/k": [1.5],
}


def a_system(*rates: Any, start: tuple[float, ...] = (0.0, 0.0)) -> System:
    states = ("x", "y")[: len(rates)]
    return System(
        "test",
        states,
        ("k", "m"),
        dict(zip(states, rates, strict=True)),
        {state: sp.Float(value) for state, value in zip(states, start, strict=False)},
        {},
    )


def random_formula(rng: random.Random, depth: int, smooth: bool) -> str:
    """A formula in x, y, k, m, t that any user might write."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(["x", "y", "k", "m", "t", "x", "y", f"{rng.uniform(0.1, 4):.3g}", "2", "-1.5e-1"])

    def part() -> str:
        return random_formula(rng, depth - 1, smooth)

    kinds = ["add", "mul", "div", "call", "power", "add", "mul"]
    kind = rng.choice(kinds if smooth else [*kinds, "piecewise", "extreme", "power2"])
    if kind == "call":
        plain = ["sin", "cos", "tanh", "atan", "asinh", "sigmoid", "exp"]
        name = rng.choice(
            plain if smooth else [*plain, *["tan", "sinh", "cosh", "log", "sqrt", "abs", "sign", "heaviside", "asin"]]
        )
        return f"{name}({part()})"
    if kind == "power":
        return f"({part()})^{rng.choice(['2', '3'] if smooth else ['2', '3', '5', '-1', '-2', '1.5', '0.5'])}"
    if kind == "power2":
        return f"abs({part()})^({part()})"
    if kind == "piecewise":
        relation = rng.choice(["<", "<=", ">", ">="])
        return f"piecewise({part()}, {part()} {relation} {part()}, {part()})"
    if kind == "extreme":
        return f"{rng.choice(['max', 'min'])}({part()}, {part()})"
    if kind == "div":
        return f"({part()})/(1.1 + ({part()})^2)" if smooth else f"({part()})/({part()})"
    return f"({part()} {rng.choice('+-') if kind == 'add' else '*'} {part()})"


def random_rates(rng: random.Random) -> list[Any]:
    """Two formulas of any kind."""
    rates: list[Any] = []
    while len(rates) < 2:
        try:
            rates.append(parse_formula(random_formula(rng, 4, smooth=False), NAMES))
        except ModelError:
            continue  # such as log(-1)
    return rates


def slopes(rates: list[Any]) -> Any:
    """f, df/dstate and df/dparameter as formulas, as one NumPy function of x, y, k, m, t."""
    formulas = [*rates, *(slope for row in derivatives(rates, NAMES) for slope in row)]
    return numpy_function(formulas, (*NAMES, "t"))


def compare_points() -> list[str]:
    """Every function of POINTS: f and df/dx of the compiled text against NumPy."""
    import pydiffsol

    faults = []
    for text, xs in POINTS.items():
        rate = parse_formula(text, NAMES)
        code = diffsl_code(a_system(rate, sp.Float(0)))
        ode = pydiffsol.Ode(code, matrix_type=pydiffsol.nalgebra_dense, ode_solver=pydiffsol.tsit45)
        exact = slopes([rate])
        q = np.array([K, M, 9 * MUTED, 9 * MUTED])
        for x in map(float, xs):
            values = np.array([x, 1.3])
            wanted = [float(v) for v in exact(x, 1.3, K, M, 0.4)[:2]]
            got = [
                ode.rhs(q, 0.4, values)[0],
                ode.rhs_jac_mul(q, 0.4, values, np.array([1.0, 0.0]))[0],
            ]
            if not np.allclose(got, wanted, rtol=1e-12, atol=1e-15):
                faults.append(f"{text} at x = {x}: {got}, not {wanted}")
    return faults


def compare_random(seed: int, n_systems: int) -> list[str]:
    """Random formulas at random points, singular ones included: f and df/dy, or no number at all."""
    import pydiffsol

    faults = []
    rng = random.Random(seed)
    for _ in range(n_systems):
        rates = random_rates(rng)
        code = diffsl_code(a_system(*rates))
        ode = pydiffsol.Ode(code, matrix_type=pydiffsol.nalgebra_dense, ode_solver=pydiffsol.tsit45)
        exact = slopes(rates)
        for _ in range(6):
            x, y, k, m, t = (rng.uniform(-2, 3) for _ in range(5))
            wanted = np.array([float(v) for v in exact(x, y, k, m, t)])
            q = np.array([k, m, 9 * MUTED, 9 * MUTED])
            state = np.array([x, y])
            value = ode.rhs(q, t, state)  # first: the derivatives use the shared parts that it leaves behind
            columns = [ode.rhs_jac_mul(q, t, state, unit) for unit in np.eye(2)]
            got = [*value, *(columns[j][i] for i in (0, 1) for j in (0, 1))]
            wanted = wanted[[0, 1, 2, 3, 6, 7]]
            size = 1 + np.abs(wanted)
            if not np.isfinite(wanted[:2]).all():
                wanted[2:] = np.nan  # SymPy has derivatives of parts of what is not a number
            for value, reference, limit in zip(got, wanted, 1e-8 * size, strict=True):
                if np.isfinite(reference) and abs(reference) < 1e8 and not abs(value - reference) < limit:
                    faults.append(f"{rates} at {(x, y, k, m, t)}: {value}, not {reference}\n{code}")
            for value, reference in zip(got[:2], wanted[:2], strict=True):
                if not np.isfinite(reference) and np.isfinite(value):
                    faults.append(f"{rates} at {(x, y, k, m, t)}: {value}, though f is {reference}\n{code}")
    return faults


def compare_sensitivities(seed: int, n_systems: int) -> list[str]:
    """Random smooth systems: y and dy/dp against SciPy on the variational equations made by SymPy."""
    import pydiffsol

    faults = []
    rng = random.Random(seed)
    for _ in range(n_systems):
        texts = [f"sin({random_formula(rng, 3, smooth=True)})" for _ in range(2)]
        rates = [parse_formula(text, NAMES) for text in texts]
        system = a_system(*rates, start=(0.4, -0.3))
        ode = pydiffsol.Ode(diffsl_code(system), matrix_type=pydiffsol.nalgebra_dense, ode_solver=pydiffsol.tsit45)
        ode.rtol = ode.sens_rtol = 1e-9
        ode.atol = ode.sens_atol = 1e-11
        exact = slopes(rates)

        def both(t: float, z: Any, exact: Any = exact) -> Any:
            v = [float(value) for value in exact(z[0], z[1], K, M, t)]
            table = np.array(v[2:]).reshape(2, 4)
            return [*v[:2], *(table[:, :2] @ z[2:].reshape(2, 2) + table[:, 2:]).ravel()]

        times = np.array([0.3, 0.8])
        found = ode.solve_fwd_sens(np.array([K, M, 0.9 * MUTED, 0.9 * MUTED]), np.array([*times, 1.0]))
        reference = solve_ivp(both, (0, 0.8), [0.4, -0.3, 0, 0, 0, 0], "DOP853", times, rtol=1e-10, atol=1e-12)
        got = np.concatenate(
            [found.ys[:, :2].T, np.stack(found.sens[:2], -1)[:, :2].transpose(1, 0, 2).reshape(2, 4)], 1
        )
        if not np.allclose(got, reference.y.T, rtol=1e-6, atol=1e-8):
            faults.append(f"{texts}: {got.tolist()}, not {reference.y.T.tolist()}")
    return faults


def test_compiled_formulas_agree_with_sympy() -> None:
    checks = ["compare_points()", "compare_random(1, 8)", "compare_sensitivities(2, 4)"]
    found = ", ".join(f"*t.{check}" for check in checks)
    script = f"import json, test_diffsl as t; print(json.dumps([{found}]))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == []


def test_the_program_of_a_small_system() -> None:
    x, y, k, m = map(symbol, NAMES)
    code = diffsl_code(a_system(-k * x, m * y))
    assert code.splitlines()[0] == "in_i { p0 = 1.0, p1 = 1.0, event = 1.0, last = 1.0 }"
    assert "F_i { (-1.0)*p0*y0" in code.replace("((", "(") or "F_i" in code
    assert "k" not in code.replace("stop", "")


def test_no_name_of_the_user_reaches_the_compiler() -> None:
    states, parameters = ("stop", "in"), ("F_i", "reset", "heaviside")
    system = System(
        "names",
        states,
        parameters,
        {"stop": symbol("F_i") * symbol("in"), "in": symbol("heaviside") * symbol("reset")},
        {"stop": sp.S.One, "in": symbol("reset")},
        {},
    )
    code = diffsl_code(system)
    assert not any(word in code for word in ("heaviside", "reset", "F_i *"))


def test_scaled_and_muted_parameters_enter_transformed() -> None:
    k, m = symbol("k"), symbol("m")
    code = diffsl_code(a_system(k + m), scaled=["k"], muted=["m"])
    assert code.startswith("in_i { q0 = 1.0, q1 = 1.0, event = 1.0, last = 1.0 }")
    assert "p0 { piecewise(q0 - 0.5, sinh(q0)" in code
    assert f"p1 {{ q1*{1 / MUTED!r} }}" in code


@pytest.mark.parametrize(
    "formula, message",
    [
        (sympy.Function("gamma")(sympy.Symbol("x")), "no function 'gamma'"),
        (sympy.floor(sympy.Symbol("x")), "no function 'floor'"),
        (symbol("z"), "'z' has no value here"),
        (sp.oo * symbol("x"), "not a finite real number"),
        (sympy.I * sympy.Symbol("x"), "not a finite real number"),
        (sp.Piecewise((1, symbol("x") > 0)), "needs a value for all other cases"),
        (NetworkCall(sp.Str("net"), 0, symbol("x")), "cannot call the network 'net'"),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_a_remedy(formula: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        diffsl_code(a_system(formula))
    assert "solver.method: dopri5" in str(caught.value)


def test_a_system_with_a_network_is_refused() -> None:
    system = System("net", ("x",), (), {"x": symbol("x")}, {"x": sp.S.One}, {}, {"net": Network("net", 1, 1)})
    with pytest.raises(ModelError, match="needs formulas"):
        diffsl_code(system)


def test_an_initial_value_may_not_depend_on_time() -> None:
    system = System("t", ("x",), (), {"x": symbol("x")}, {"x": symbol("t")}, {})
    with pytest.raises(ModelError, match="'t' has no value here"):
        diffsl_code(system)


def test_a_formula_with_more_operations_than_allowed_is_refused() -> None:
    x = symbol("x")
    system = a_system(sp.Add(*(sp.Mul(sp.Integer(i + 2), sp.sin(x + i), evaluate=False) for i in range(30))))
    size = operations(diffsl_code(system))
    assert diffsl_code(system, most=size) == diffsl_code(system)
    with pytest.raises(ModelError, match="too many to compile"):
        diffsl_code(system, most=size - 1)


def test_deep_nesting_becomes_shared_parts() -> None:
    deep = symbol("x")
    for _ in range(120):
        deep = sp.sin(deep + 1)
    code = diffsl_code(a_system(deep))
    assert max(line.count("(") for line in code.splitlines()) < 100


def test_a_shared_part_is_computed_once() -> None:
    x, y, k, m = map(symbol, NAMES)
    code = diffsl_code(a_system(sp.exp(-k * x) * y, sp.exp(-k * x) * m))
    assert code.count("exp(") == 1


@pytest.mark.parametrize(
    "text, sensitive, said",
    [
        ("piecewise(k, t < m, 0)", ("k", "m"), True),
        ("piecewise(k, t < m, 0)", ("k",), False),
        ("piecewise(k, t < 3, 0)", ("k",), False),
        ("piecewise(k, x < 3, 0)", ("k",), True),
        ("piecewise(k*x, x < 3, 3*k)", ("k",), False),
        ("k*heaviside(t - m)", ("m",), True),
        ("max(x, k)", ("k",), False),
    ],
)
def test_jumps_whose_place_moves_are_told(text: str, sensitive: tuple[str, ...], said: bool) -> None:
    sentences = jumps(a_system(parse_formula(text, NAMES)), sensitive)
    assert len(sentences) == int(said)
