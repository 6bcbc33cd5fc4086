"""Growth of organisms, alone, in culture, and eaten by each other."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "logistic",
        "Logistic growth",
        "Verhulst (1838), Notice sur la loi que la population suit dans son accroissement, "
        "Corresp. Math. Phys. 10:113-121",
        (0.0, 10.0),
        {"x": "r*x*(1 - x/K)"},
        {"r": 1.0, "K": 10.0},
        {"x": 0.5},
    ),
    Entry(
        "gompertz",
        "Gompertz growth",
        "Gompertz (1825), On the nature of the function expressive of the law of human mortality, "
        "Phil. Trans. R. Soc. 115:513-583",
        (0.0, 15.0),
        {"x": "r*x*log(K/x)"},
        {"r": 0.5, "K": 10.0},
        {"x": 0.5},
    ),
    Entry(
        "lotka_volterra",
        "Predator and prey (x: prey, y: predator)",
        "Lotka (1925), Elements of Physical Biology, Williams & Wilkins, Baltimore; "
        "Volterra (1926), Fluctuations in the abundance of a species considered mathematically, "
        "Nature 118:558-560",
        (0.0, 10.0),
        {"x": "alpha*x - beta*x*y", "y": "-delta*y + gamma*x*y"},
        {"alpha": 1.5, "beta": 1.0, "delta": 3.0, "gamma": 1.0},
        {"x": 2.5, "y": 2.5},
    ),
    Entry(
        "competition",
        "Two species that compete for the same (x, y: their numbers)",
        "Gause (1934), The Struggle for Existence, Williams & Wilkins, Baltimore",
        (0.0, 20.0),
        {"x": "r_x*x*(1 - (x + alpha*y)/K_x)", "y": "r_y*y*(1 - (y + beta*x)/K_y)"},
        {"r_x": 0.9, "r_y": 0.7, "K_x": 100.0, "K_y": 80.0, "alpha": 0.6, "beta": 0.5},
        {"x": 4.0, "y": 4.0},
    ),
    Entry(
        "rosenzweig_macarthur",
        "Predator and prey with logistic growth and saturated predation (x: prey, y: predator)",
        "Rosenzweig & MacArthur (1963), Graphical representation and stability conditions of predator-prey "
        "interactions, Am. Nat. 97:209-223",
        (0.0, 100.0),
        {"x": "r*x*(1 - x/K) - a*x*y/(1 + a*h*x)", "y": "eta*a*x*y/(1 + a*h*x) - m*y"},
        {"r": 1.0, "K": 3.0, "a": 1.0, "h": 1.0, "eta": 0.6, "m": 0.25},
        {"x": 1.0, "y": 0.5},
    ),
    Entry(
        "monod",
        "Growth of microbes on one substrate, in batch culture (X: biomass, S: substrate)",
        "Monod (1949), The growth of bacterial cultures, Annu. Rev. Microbiol. 3:371-394",
        (0.0, 12.0),
        {"X": "mu_max*S/(Ks + S)*X", "S": "-mu_max*S/(Ks + S)*X/Y"},
        {"mu_max": 0.6, "Ks": 0.5, "Y": 0.5},
        {"X": 0.1, "S": 10.0},
    ),
    Entry(
        "haldane",
        "Growth of microbes on a substrate that inhibits them (X: biomass, S: substrate)",
        "Andrews (1968), A mathematical model for the continuous culture of microorganisms utilizing inhibitory "
        "substrates, Biotechnol. Bioeng. 10:707-723",
        (0.0, 30.0),
        {"X": "mu_max*S/(Ks + S + S^2/Ki)*X", "S": "-mu_max*S/(Ks + S + S^2/Ki)*X/Y"},
        {"mu_max": 0.6, "Ks": 0.5, "Ki": 5.0, "Y": 0.5},
        {"X": 0.1, "S": 10.0},
    ),
    Entry(
        "droop",
        "Growth of algae on what they have stored (X: cells, Q: nutrient in a cell, S: nutrient outside)",
        "Droop (1968), Vitamin B12 and marine ecology IV, J. Mar. Biol. Assoc. U.K. 48:689-733",
        (0.0, 15.0),
        {
            "X": "mu_max*(1 - Q_min/Q)*X",
            "Q": "rho_max*S/(Ks + S) - mu_max*(Q - Q_min)",
            "S": "-rho_max*S/(Ks + S)*X",
        },
        {"mu_max": 1.2, "Q_min": 1.0, "rho_max": 4.0, "Ks": 0.5},
        {"X": 0.1, "Q": 2.0, "S": 10.0},
        notes="Where the culture is diluted, add the terms of the chemostat.",
    ),
    Entry(
        "chemostat",
        "Continuous culture of microbes (X: biomass, S: substrate)",
        "Herbert, Elsworth & Telling (1956), The continuous culture of bacteria; a theoretical and experimental study, "
        "J. Gen. Microbiol. 14:601-622",
        (0.0, 40.0),
        {"X": "mu_max*S/(Ks + S)*X - D*X", "S": "D*(S_in - S) - mu_max*S/(Ks + S)*X/Y"},
        {"mu_max": 0.6, "Ks": 0.5, "Y": 0.5, "D": 0.3, "S_in": 10.0},
        {"X": 0.1, "S": 10.0},
        notes="D is the rate of dilution, S_in the substrate in the feed: usually known, so keep them fixed.",
        known=("D", "S_in"),
    ),
    Entry(
        "baranyi",
        "Growth of bacteria in food, with a lag (N: bacteria, q: their readiness)",
        "Baranyi & Roberts (1994), A dynamic approach to predicting bacterial growth in food, "
        "Int. J. Food Microbiol. 23:277-294",
        (0.0, 24.0),
        {"N": "mu_max*q/(1 + q)*(1 - N/N_max)*N", "q": "mu_max*q"},
        {"mu_max": 0.8, "N_max": 1e9},
        {"N": 1e3, "q": 0.05},
        measured={"N": "N"},
        notes="The lag is log(1 + 1/q_0)/mu_max: give it as a derived parameter. Compare the logarithms of counts.",
    ),
)
