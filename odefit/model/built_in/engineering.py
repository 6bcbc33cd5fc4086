"""Devices."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "thevenin_cell",
        "Battery cell as a circuit (z: state of charge, v1: voltage over the RC pair)",
        "Plett (2015), Battery Management Systems, vol. 1: Battery Modeling, Artech House, chapter 2",
        (0.0, 3600.0),
        {"z": "-current/(3600*Q)", "v1": "current/C1 - v1/(R1*C1)"},
        {"Q": 2.5, "R1": 0.02, "C1": 2000.0, "current": 1.25},
        {"z": 1.0, "v1": 0.0},
        measured={"voltage": "U0 + U1*z - v1 - R0*current"},
        of_measured={"U0": 3.2, "U1": 0.9, "R0": 0.03},
        notes="Seconds, A (discharge is positive), Ah. `current` is usually an input, measured with the voltage; "
        "observe `voltage: U0 + U1*z - v1 - R0*current`, or a longer formula for the open-circuit voltage.",
        known=("Q", "current"),
    ),
)
