"""Infections, in a population and within a host."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "sir",
        "Epidemic: susceptible, infected, recovered",
        "Kermack & McKendrick (1927), A contribution to the mathematical theory of epidemics, "
        "Proc. R. Soc. A 115:700-721",
        (0.0, 14.0),
        {"S": "-beta*S*I/(S + I + R)", "I": "beta*S*I/(S + I + R) - gamma*I", "R": "gamma*I"},
        {"beta": 1.7, "gamma": 0.45},
        {"S": 762.0, "I": 1.0, "R": 0.0},
        measured={"I": "I"},
    ),
    Entry(
        "seir",
        "Epidemic: susceptible, exposed, infectious, recovered",
        "Anderson & May (1991), Infectious Diseases of Humans, Oxford University Press",
        (0.0, 120.0),
        {
            "S": "-beta*S*I/(S + E + I + R)",
            "E": "beta*S*I/(S + E + I + R) - sigma*E",
            "I": "sigma*E - gamma*I",
            "R": "gamma*I",
        },
        {"beta": 0.5, "sigma": 0.2, "gamma": 0.2},
        {"S": 990.0, "E": 5.0, "I": 5.0, "R": 0.0},
        measured={"I": "I"},
    ),
    Entry(
        "seird",
        "Epidemic with deaths: susceptible, exposed, infectious, recovered, dead",
        "Keeling & Rohani (2008), Modeling Infectious Diseases in Humans and Animals, Princeton University Press, "
        "chapter 2",
        (0.0, 120.0),
        {
            "S": "-beta*S*I/(S + E + I + R)",
            "E": "beta*S*I/(S + E + I + R) - sigma*E",
            "I": "sigma*E - gamma*I/(1 - f)",
            "R": "gamma*I",
            "D": "f/(1 - f)*gamma*I",
        },
        {"beta": 0.5, "sigma": 0.2, "gamma": 0.2, "f": 0.02},
        {"S": 990.0, "E": 5.0, "I": 5.0, "R": 0.0, "D": 0.0},
        measured={"I": "I", "D": "D"},
        notes="f is the share of the infectious who die.",
    ),
    Entry(
        "sir_vaccination",
        "Epidemic under vaccination (V: immune by vaccination)",
        "Keeling & Rohani (2008), Modeling Infectious Diseases in Humans and Animals, Princeton University Press, "
        "chapter 8",
        (0.0, 100.0),
        {
            "S": "-beta*S*I/(S + I + R + V) - nu*S",
            "I": "beta*S*I/(S + I + R + V) - gamma*I",
            "R": "gamma*I",
            "V": "nu*S",
        },
        {"beta": 0.4, "gamma": 0.15, "nu": 0.01},
        {"S": 990.0, "I": 10.0, "R": 0.0, "V": 0.0},
        measured={"I": "I"},
        notes="nu is the rate at which the susceptible are vaccinated; `model.events` or an input let it begin later.",
    ),
    Entry(
        "hiv",
        "HIV within a host (T: target cells, I: infected cells, V: virus)",
        "Perelson & Nelson (1999), Mathematical analysis of HIV-1 dynamics in vivo, SIAM Rev. 41:3-44",
        (0.0, 120.0),
        {"T": "production - d*T - k*V*T", "I": "k*V*T - delta*I", "V": "p*I - c*V"},
        {"production": 10.0, "d": 0.01, "k": 2.4e-5, "delta": 0.7, "p": 1000.0, "c": 13.0},
        {"T": 1000.0, "I": 0.0, "V": 0.001},
        measured={"V": "V"},
        notes="Cells and virus per microlitre, days. Data of the virus alone do not tell k, p and T apart.",
    ),
    Entry(
        "influenza",
        "Influenza within a host (T: target cells, I: infected cells, V: virus)",
        "Baccam, Beauchemin, Macken, Hayden & Perelson (2006), Kinetics of influenza A virus infection in humans, "
        "J. Virol. 80:7590-7599",
        (0.0, 8.0),
        {"T": "-beta*T*V", "I": "beta*T*V - delta*I", "V": "p*I - c*V"},
        {"beta": 2.7e-5, "delta": 4.0, "p": 1.2e-2, "c": 3.0},
        {"T": 4e8, "I": 0.0, "V": 0.093},
        measured={"V": "V"},
        notes="Days, virus in TCID50/ml of nasal wash. Compare logarithms, `noise: lognormal`; T at the start is "
        "not known apart from p.",
    ),
)
