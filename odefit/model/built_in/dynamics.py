"""Oscillators and chaos, from the textbooks of dynamical systems."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "exponential_decay",
        "First-order decay",
        "Rutherford & Soddy (1902), The cause and nature of radioactivity, Phil. Mag. 4:370-396",
        (0.0, 10.0),
        {"y": "-k*y"},
        {"k": 0.5},
        {"y": 1.0},
    ),
    Entry(
        "newton_cooling",
        "Approach to the surroundings: Newton's law of cooling (T: temperature)",
        "Winterton (1999), Newton's law of cooling, Contemp. Phys. 40:205-212",
        (0.0, 60.0),
        {"T": "-k*(T - T_env)"},
        {"k": 0.05, "T_env": 20.0},
        {"T": 90.0},
    ),
    Entry(
        "damped_oscillator",
        "Damped harmonic oscillator (x: displacement, v: velocity)",
        "Rayleigh (1877), The Theory of Sound, vol. 1, ch. 3, Macmillan, London",
        (0.0, 20.0),
        {"x": "v", "v": "-omega^2*x - 2*zeta*omega*v"},
        {"omega": 1.5, "zeta": 0.1},
        {"x": 1.0, "v": 0.0},
    ),
    Entry(
        "van_der_pol",
        "Van der Pol oscillator (Liénard form)",
        "van der Pol (1926), On relaxation-oscillations, Phil. Mag. 2:978-992",
        (0.0, 20.0),
        {"x": "mu*(x - x^3/3 - y)", "y": "x/mu"},
        {"mu": 1.0},
        {"x": 2.0, "y": 0.0},
        notes="Stiff for large mu.",
    ),
    Entry(
        "duffing",
        "Duffing oscillator (driven; x: displacement, v: velocity)",
        "Duffing (1918), Erzwungene Schwingungen bei veränderlicher Eigenfrequenz und ihre technische "
        "Bedeutung, Vieweg, Braunschweig",
        (0.0, 30.0),
        {"x": "v", "v": "-delta*v - alpha*x - beta*x^3 + gamma*cos(omega*t)"},
        {"alpha": -1.0, "beta": 1.0, "delta": 0.3, "gamma": 0.2, "omega": 1.2},
        {"x": 1.0, "v": 0.0},
        known=("gamma", "omega"),
    ),
    Entry(
        "lorenz",
        "Lorenz system (chaotic at the nominal values)",
        "Lorenz (1963), Deterministic nonperiodic flow, J. Atmos. Sci. 20:130-141",
        (0.0, 20.0),
        {"x": "sigma*(y - x)", "y": "x*(rho - z) - y", "z": "x*y - beta*z"},
        {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0},
        {"x": 1.0, "y": 0.0, "z": 0.0},
        notes="beta is 8/3.",
    ),
    Entry(
        "rossler",
        "Rössler system (chaotic at the nominal values)",
        "Rössler (1976), An equation for continuous chaos, Phys. Lett. A 57:397-398",
        (0.0, 100.0),
        {"x": "-y - z", "y": "x + a*y", "z": "b + z*(x - c)"},
        {"a": 0.2, "b": 0.2, "c": 5.7},
        {"x": 1.0, "y": 1.0, "z": 0.0},
    ),
)
