"""Reactions and their rates."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "brusselator",
        "Oscillating reaction: Brusselator",
        "Prigogine & Lefever (1968), Symmetry breaking instabilities in dissipative systems II, "
        "J. Chem. Phys. 48:1695-1700",
        (0.0, 30.0),
        {"x": "a + x^2*y - (b + 1)*x", "y": "b*x - x^2*y"},
        {"a": 1.0, "b": 3.0},
        {"x": 1.0, "y": 1.0},
    ),
    Entry(
        "oregonator",
        "Oscillating reaction: Oregonator (Belousov-Zhabotinsky)",
        "Field & Noyes (1974), Oscillations in chemical systems IV, J. Chem. Phys. 60:1877-1884",
        (0.0, 360.0),
        {"x": "s*(y - x*y + x - q*x^2)", "y": "(z - y - x*y)/s", "z": "w*(x - z)"},
        {"s": 77.27, "q": 8.375e-6, "w": 0.161},
        {"x": 1.0, "y": 2.0, "z": 3.0},
        notes="Stiff.",
    ),
    Entry(
        "robertson",
        "Robertson's autocatalytic reaction",
        "Robertson (1966), The solution of a set of reaction rate equations, in J. Walsh (ed.), Numerical "
        "Analysis: An Introduction, Academic Press, London, pp. 178-182",
        (0.0, 1e4),
        {"A": "-k1*A + k3*B*C", "B": "k1*A - k2*B^2 - k3*B*C", "C": "k2*B^2"},
        {"k1": 0.04, "k2": 3e7, "k3": 1e4},
        {"A": 1.0, "B": 0.0, "C": 0.0},
        notes="Stiff. k1: A -> B, k2: 2 B -> B + C, k3: B + C -> A + C, numbered as Robertson has them.",
    ),
    Entry(
        "michaelis_menten",
        "Enzyme kinetics (S: substrate, P: product)",
        "Michaelis & Menten (1913), Die Kinetik der Invertinwirkung, Biochem. Z. 49:333-369",
        (0.0, 20.0),
        {"S": "-Vmax*S/(Km + S)", "P": "Vmax*S/(Km + S)"},
        {"Vmax": 1.0, "Km": 2.0},
        {"S": 10.0, "P": 0.0},
    ),
    Entry(
        "arrhenius",
        "First-order decay at a temperature (A: amount)",
        "Arrhenius (1889), Über die Reaktionsgeschwindigkeit bei der Inversion von Rohrzucker durch Säuren, "
        "Z. Phys. Chem. 4:226-248",
        (0.0, 10.0),
        {"A": "-k_ref*exp(Ea/8.314462618e-3*(1/T_ref - 1/T))*A"},
        {"k_ref": 0.1, "Ea": 80.0, "T": 310.0, "T_ref": 298.15},
        {"A": 1.0},
        notes="Ea in kJ/mol, T in K: a column `T` in the table of experiments. T_ref is chosen, not estimated.",
        known=("T", "T_ref"),
    ),
)
