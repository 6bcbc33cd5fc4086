"""From ten concentrations to the next dose: fit, compare two models, predict a regimen, plan the next samples.

python examples/next_dose.py [FOLDER]     # pictures go there; default: none are written
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

import odefit

DATA = pd.DataFrame(
    {
        "time": [0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 24],
        "conc": [1.52, 2.26, 2.61, 2.71, 2.66, 2.40, 1.77, 1.22, 0.60, 0.06],
    }
)
RATE = {"bounds": [0.01, 20], "scale": "log"}
ORAL: dict[str, Any] = {
    "title": "One compartment, first-order absorption",
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"conc": "blood/V"},
        "units": {"t": "h", "conc": "mg/l"},
    },
    "parameters": {"ka": {"value": 1, **RATE}, "ke": {"value": 0.2, **RATE}, "V": {"value": 25, "bounds": [1, 500]}},
    "data": {"doses": [{"time": 0, "state": "gut", "amount": 100}]},
    "noise": {"conc": "proportional"},
    "derived": {"Cmax": "max(conc)", "Tmax": "time_of_max(conc)", "AUC": "integral(conc, 0, 24)"},
    "fit": {"starts": 5},
}


def main(folder: Path | None = None) -> None:
    """Print what each step says."""
    run = odefit.fit(ORAL, data=DATA)
    print(run.parameters[["value", "low", "high"]].astype(float).round(3), "\n")

    transit = {"gut": "-ka*gut", "wall": "ka*gut - ka*wall", "blood": "ka*wall - ke*blood"}
    initial = {"gut": 0, "wall": 0, "blood": 0}
    slow = odefit.fit({**ORAL, "model": {**ORAL["model"], "equations": transit, "initial": initial}}, data=DATA)
    print(odefit.compare(run, slow).judgement, "\n")

    doses = [odefit.Dose(t, "gut", 60) for t in (0, 8, 16)]
    regimen = odefit.predict(run, [8, 16, 24], doses=doses)
    print("before the next dose, with 60 mg every 8 h:")
    print(regimen.frame[["time", "predicted", "low", "high"]].round(2), "\n")

    plan = {"early": {"times": "0.25 0.75"}, "peak": {"times": "2 3"}, "late": {"times": "30 36"}}
    design = odefit.design(run, plan, ["AUC", "Cmax"])
    print(design.judgement)

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        whole = odefit.predict(run, [t / 10 for t in range(361)], doses=doses)
        whole.figure().savefig(folder / "regimen.png")
        design.figure().savefig(folder / "design.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
