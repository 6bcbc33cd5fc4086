"""The built-in systems: against functions written by hand, and against what is known of each."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

from odefit.errors import ModelError
from odefit.model.catalogue import describe, entry, linear_equations, mlp_equations, names, potential_equations
from odefit.model.formulas import free_names, name_fault, parse_formula
from odefit.model.functions import derivatives, numpy_function
from odefit.model.system import symbol

BY_HAND: dict[str, Callable[..., tuple[float, ...]]] = {
    "exponential_decay": lambda t, y, k: (-k * y,),
    "newton_cooling": lambda t, T, k, T_env: (k * (T_env - T),),
    "logistic": lambda t, x, r, K: (r * x - r * x * x / K,),
    "gompertz": lambda t, x, r, K: (r * x * (math.log(K) - math.log(x)),),
    "damped_oscillator": lambda t, x, v, w, z: (v, -w * (w * x + 2 * z * v)),
    "van_der_pol": lambda t, x, y, mu: (mu * x - mu * x * x * x / 3 - mu * y, x / mu),
    "duffing": lambda t, x, v, a, b, d, g, w: (v, g * math.cos(w * t) - d * v - x * (a + b * x * x)),
    "lotka_volterra": lambda t, x, y, a, b, d, g: (x * (a - b * y), y * (g * x - d)),
    "rosenzweig_macarthur": lambda t, x, y, r, K, a, h, eta, m: (
        x * (r - r * x / K - a * y / (1 + a * h * x)),
        y * (eta * a * x / (1 + a * h * x) - m),
    ),
    "sir": lambda t, S, J, R, b, g: (-b * S * J / (S + J + R), J * (b * S / (S + J + R) - g), g * J),
    "seir": lambda t, S, E, J, R, b, s, g: (
        -b * S * J / (S + E + J + R),
        b * S * J / (S + E + J + R) - s * E,
        s * E - g * J,
        g * J,
    ),
    "fitzhugh_nagumo": lambda t, v, w, a, b, tau, c: (v * (1 - v * v / 3) - w + c, (v + a - b * w) / tau),
    "lorenz": lambda t, x, y, z, s, r, b: (s * y - s * x, r * x - x * z - y, x * y - b * z),
    "rossler": lambda t, x, y, z, a, b, c: (-(y + z), x + a * y, b + z * x - z * c),
    "brusselator": lambda t, x, y, a, b: (a + x * (x * y - b - 1), x * (b - x * y)),
    "oregonator": lambda t, x, y, z, s, q, w: (
        s * (y + x * (1 - q * x - y)),
        (z - (1 + x) * y) / s,
        w * x - w * z,
    ),
    "robertson": lambda t, A, B, C, k1, k2, k3: (
        k3 * B * C - k1 * A,
        k1 * A - k3 * B * C - k2 * B * B,
        k2 * B * B,
    ),
    "michaelis_menten": lambda t, S, P, V, K: (-V / (1 + K / S), V / (1 + K / S)),
    "goodwin": lambda t, x, y, z, k1, k2, k3, k4, k5, k6, K, n: (
        k1 / (1 + (z / K) ** n) - k2 * x,
        k3 * x - k4 * y,
        k5 * y - k6 * z,
    ),
    "one_compartment_oral": lambda t, g, c, ka, CL, V: (-ka * g, ka * g - CL * c / V),
    "monod": lambda t, X, S, mu, Ks, Y: (mu * X * S / (S + Ks), -mu * X * S / (Y * (S + Ks))),
    "haldane": lambda t, X, S, mu, Ks, Ki, Y: (
        mu * X / (1 + Ks / S + S / Ki),
        -mu * X / (1 + Ks / S + S / Ki) / Y,
    ),
    "droop": lambda t, X, Q, S, mu, Qm, rho, Ks: (
        X * mu * (Q - Qm) / Q,
        rho / (1 + Ks / S) - mu * (Q - Qm),
        -X * rho / (1 + Ks / S),
    ),
    "chemostat": lambda t, X, S, mu, Ks, Y, D, S_in: (
        X * (mu / (1 + Ks / S) - D),
        D * S_in - D * S - X * mu / (1 + Ks / S) / Y,
    ),
    "baranyi": lambda t, N, q, mu, N_max: (mu * N * (N_max - N) / N_max / (1 + 1 / q), q * mu),
    "seird": lambda t, S, E, J, R, D, beta, sigma, gamma, f: (
        -beta * J * S / (R + J + E + S),
        beta * J * S / (R + J + E + S) - sigma * E,
        sigma * E - gamma * J - gamma * J * f / (1 - f),
        gamma * J,
        gamma * J * f / (1 - f),
    ),
    "sir_vaccination": lambda t, S, J, R, V, beta, gamma, nu: (
        -S * (nu + beta * J / (S + J + R + V)),
        J * (beta * S / (S + J + R + V) - gamma),
        gamma * J,
        nu * S,
    ),
    "hiv": lambda t, T, J, V, s, d, k, delta, p, c: (s - T * (d + k * V), k * V * T - delta * J, p * J - c * V),
    "influenza": lambda t, T, J, V, beta, delta, p, c: (-beta * T * V, beta * T * V - delta * J, p * J - c * V),
    "arrhenius": lambda t, A, k, Ea, T, T_ref: (-A * k * np.exp(Ea * 1000 / 8.314462618 * (T - T_ref) / (T * T_ref)),),
    "two_compartment_oral": lambda t, g, c, p, ka, CL, V1, Q, V2: (
        -ka * g,
        ka * g - (CL + Q) * c / V1 + Q * p / V2,
        Q * (c / V1 - p / V2),
    ),
    "one_compartment_iv": lambda t, c, CL, V: (-CL * c / V,),
    "two_compartment_iv": lambda t, c, p, CL, V1, Q, V2: (-(CL + Q) * c / V1 + Q * p / V2, Q * (c / V1 - p / V2)),
    "one_compartment_infusion": lambda t, c, CL, V, rate, duration: (rate * (t < duration) - CL * c / V,),
    "competition": lambda t, x, y, r, s, K, L, a, b: (r * x * (K - x - a * y) / K, s * y * (L - y - b * x) / L),
    "transit_absorption": lambda t, d, t1, t2, t3, g, c, MTT, ka, CL, V: (
        -4 * d / MTT,
        4 * (d - t1) / MTT,
        4 * (t1 - t2) / MTT,
        4 * (t2 - t3) / MTT,
        4 * t3 / MTT - ka * g,
        ka * g - CL * c / V,
    ),
    "emax": lambda t, C, k: (-k * C,),
    "effect_compartment": lambda t, C, Ce, k, ke0: (-k * C, ke0 * C - ke0 * Ce),
    "indirect_response": lambda t, C, r, k, kin, kout, Imax, IC50: (
        -k * C,
        kin - kin * Imax / (1 + IC50 / C) - kout * r,
    ),
    "tmdd": lambda t, C, R, RC, kel, kon, koff, ksyn, kdeg, kint: (
        koff * RC - C * (kel + kon * R),
        ksyn + koff * RC - R * (kdeg + kon * C),
        kon * C * R - koff * RC - kint * RC,
    ),
    "minimal_glucose": lambda t, G, X, J, p1, p2, p3, Gb, Ib, gamma, h, n: (
        p1 * (Gb - G) - X * G,
        p3 * (J - Ib) - p2 * X,
        gamma * t * (max(G - h, 0.0)) - n * (J - Ib),
    ),
    "hodgkin_huxley": lambda t, v, n, m, h, C, Na, K, L, E_Na, E_K, E_L, i: (
        (i + Na * m**3 * h * (E_Na - v) + K * n**4 * (E_K - v) + L * (E_L - v)) / C,
        (v + 55) / 100 / (1 - np.exp(-5.5 - v / 10)) * (1 - n) - n / 8 * np.exp(-(v + 65) / 80),
        (v + 40) / 10 / (1 - np.exp(-4 - v / 10)) * (1 - m) - 4 * m * np.exp(-(v + 65) / 18),
        0.07 * np.exp(-(v + 65) / 20) * (1 - h) - h / (1 + np.exp(-3.5 - v / 10)),
    ),
    "channel_gate": lambda t, n, k1, b1, k2, b2, v: (k1 * np.exp(b1 * v) * (1 - n) - k2 * n / np.exp(b2 * v),),
    "thevenin_cell": lambda t, z, v1, Q, R1, C1, i: (-i / Q / 3600, (i - v1 / R1) / C1),
}
PLAIN = [name for name in names() if not entry(name).family]


def rhs(name: str) -> tuple[list[str], list[sp.Expr]]:
    model = entry(name)
    known = [*model.equations, *model.parameters]
    return known, [parse_formula(text, known) for text in model.equations.values()]


def test_every_system_is_checked_by_hand() -> None:
    assert set(PLAIN) == set(BY_HAND)
    assert {"linear", "mlp", "potential", "latent_ode", "sparse"} == set(names()) - set(PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_right_hand_side(name: str) -> None:
    known, formulas = rhs(name)
    f = numpy_function(formulas, ["t", *known])
    rng = np.random.default_rng(7)
    for _ in range(5):
        at = rng.uniform(0.3, 3.0, 1 + len(known))
        np.testing.assert_allclose(f(*at), BY_HAND[name](*at), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", names())
def test_entries_are_complete(name: str) -> None:
    model = entry(name)
    assert model.name == name
    assert model.title
    assert any(str(year) in model.reference for year in range(1800, 2030))
    assert model.time_span[0] < model.time_span[1]
    assert model.family == (not model.equations)
    assert list(model.initial) == list(model.equations)
    if not model.family:
        known, formulas = rhs(name)
        used = set().union(*map(free_names, formulas))
        assert set(model.parameters) <= used <= {*known, "t"}
        assert not any(map(name_fault, known))
        start = [0.0, *model.initial.values(), *model.parameters.values()]
        assert np.isfinite(numpy_function(formulas, ["t", *known])(*start)).all()


def along_f(name: str, conserved: str) -> sp.Expr:
    """d/dt of a quantity along the flow."""
    known, formulas = rhs(name)
    states = list(entry(name).equations)
    [gradient] = derivatives([parse_formula(conserved, known)], states)
    return sp.simplify(sum(g * f for g, f in zip(gradient, formulas, strict=True)))


@pytest.mark.parametrize(
    "name, conserved",
    [
        ("lotka_volterra", "gamma*x - delta*log(x) + beta*y - alpha*log(y)"),
        ("sir", "S + I + R"),
        ("sir", "log(S) + beta/gamma*R/(S + I + R)"),
        ("seir", "S + E + I + R"),
        ("robertson", "A + B + C"),
        ("michaelis_menten", "S + P"),
        ("monod", "X + Y*S"),
        ("haldane", "X + Y*S"),
        ("droop", "X*Q + S"),
        ("seird", "S + E + I + R + D"),
        ("sir_vaccination", "S + I + R + V"),
    ],
)
def test_conserved_quantities(name: str, conserved: str) -> None:
    assert along_f(name, conserved) == 0


def test_energy_of_the_oscillator_decays_by_its_damping() -> None:
    lost = along_f("damped_oscillator", "v^2/2 + omega^2*x^2/2")
    omega, zeta, v = map(symbol, ("omega", "zeta", "v"))
    assert sp.simplify(lost + 2 * zeta * omega * v**2) == 0


@pytest.mark.parametrize(
    "name, point",
    [
        ("lorenz", {"x": math.sqrt(72), "y": math.sqrt(72), "z": 27.0}),
        ("lorenz", {"x": -math.sqrt(72), "y": -math.sqrt(72), "z": 27.0}),
        ("lotka_volterra", {"x": 3.0, "y": 1.5}),
        ("brusselator", {"x": 1.0, "y": 3.0}),
        ("logistic", {"x": 10.0}),
        ("gompertz", {"x": 10.0}),
        ("rosenzweig_macarthur", {"x": 5 / 7, "y": (1 - 5 / 21) * (1 + 5 / 7)}),
    ],
)
def test_fixed_points(name: str, point: dict[str, float]) -> None:
    known, formulas = rhs(name)
    at = point | entry(name).parameters
    np.testing.assert_allclose(numpy_function(formulas, known)(*[at[k] for k in known]), 0.0, atol=1e-12)


def test_nominal_values_of_the_issue() -> None:
    assert entry("lotka_volterra").parameters == {"alpha": 1.5, "beta": 1.0, "delta": 3.0, "gamma": 1.0}
    assert list(entry("lorenz").parameters.values()) == [10.0, 28.0, 8 / 3]
    assert sorted(entry("robertson").parameters.values()) == [0.04, 1e4, 3e7]


def test_an_unknown_system_names_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"c.yaml:2: unknown model 'lorentz' \(did you mean 'lorenz'\?\).*sir"):
        entry("lorentz", "c.yaml:2")


@pytest.mark.parametrize("n", [1, 2, 3, 11])
def test_linear_is_a_matrix(n: int) -> None:
    states = [f"y{i}" for i in range(n)]
    equations, parameters = linear_equations(states)
    assert len(parameters) == n * n
    known = [*states, *parameters]
    f = numpy_function([parse_formula(text, known) for text in equations.values()], known)
    rng = np.random.default_rng(n)
    y, a = rng.normal(size=n), rng.normal(size=(n, n))
    np.testing.assert_allclose(f(*y, *a.ravel()), a @ y)


def test_nominal_linear_systems_decay() -> None:
    for n in (1, 2, 5):
        _, parameters = linear_equations([f"y{i}" for i in range(n)])
        a = np.array(list(parameters.values())).reshape(n, n)
        np.testing.assert_allclose(np.linalg.eigvals(a).real, -0.1, atol=1e-12)


@pytest.mark.parametrize("time_input", [False, True])
def test_mlp_calls_one_network(time_input: bool) -> None:
    equations, network = mlp_equations(["x", "y"], [4, 5], "tanh", time_input)
    assert (network.inputs, network.outputs) == (2 + time_input, 2)
    assert (network.hidden, network.activation) == ((4, 5), "tanh")
    formulas = [parse_formula(text, ["x", "y"], networks={"net": network}) for text in equations.values()]
    assert all(("t" in free_names(f)) == time_input for f in formulas)
    assert mlp_equations(["x"])[1].hidden == (8, 16, 32)


def test_families_need_states() -> None:
    for build in (linear_equations, mlp_equations, potential_equations):
        with pytest.raises(ModelError, match="needs the names of its states"):
            build([])


@pytest.mark.parametrize("name", names())
def test_describe(name: str) -> None:
    text = describe(entry(name))
    assert text.startswith(f"{name}: ")
    for part in (*entry(name).equations.values(), *entry(name).parameters, entry(name).reference):
        assert part in text


def test_describe_lorenz() -> None:
    assert "  dz/dt = x*y - beta*z\n" in describe(entry("lorenz"))
    assert "  sigma = 10\n" in describe(entry("lorenz"))
