"""End values of the Test Set for IVP Solvers (Bari and CWI): its two large problems, in every component.

ROBER, HIRES, VDPOL and OREGO are in test_diffsol_engine.py. E5 is left out: SciPy at 1e-12 does not reproduce its
reference values either (cancellation).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence

import numpy as np

from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.model.formulas import parse_formula
from odefit.model.system import System
from reference_fits import REFERENCE


def reference_values(problem: str) -> tuple[float, list[str], np.ndarray]:
    """t_end, initial values as text, end values."""
    with (REFERENCE / "ivp_testset_reference.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["problem"] == problem]
    return float(rows[0]["t_end"]), [row["y0"] for row in rows], np.array([float(r["reference_y_end"]) for r in rows])


def end_state(rates: Mapping[str, str], start: Sequence[str], end: float, options: SolverOptions) -> np.ndarray:
    def read(texts: Mapping[str, str]) -> dict[str, object]:
        return {name: parse_formula(text, set(rates), "") for name, text in texts.items()}

    system = System("test", tuple(rates), (), read(rates), read(dict(zip(rates, start, strict=True))), {})
    engine = DiffsolEngine(system, options)
    blank = Experiment("1", np.array([end]), np.full((1, 1), np.nan), 0.0)
    (found,) = engine.solve(np.zeros((1, 0)), [blank])
    assert found.failure is None
    return found.y[0]


# Rates of the 25 reactions, and per species those that consume (-) and make it.
REACTIONS = """
0.35*y1; 26.6*y2*y4; 12300*y5*y2; 0.00086*y7; 0.00082*y7; 15000*y7*y6; 0.00013*y9; 24000*y9*y6; 16500*y11*y2;
9000*y11*y1; 0.022*y13; 12000*y10*y2; 1.88*y14; 16300*y1*y6; 4.8e6*y3; 0.00035*y4; 0.0175*y4; 1e8*y16; 4.44e11*y16;
1240*y17*y6; 2.1*y19; 5.78*y19; 0.0474*y1*y4; 1780*y19*y1; 3.12*y20
"""
SPECIES = """
-1-10-14-23-24+2+3+9+11+12+22+25; -2-3-9-12+1+21; -15+1+17+19+22; -2-16-17-23+15; -3+4+4+6+7+13+20; -6-8-14-20+3+18+18;
-4-5-6+13; +4+5+6+7; -7-8; -12+7+9; -9-10+8+11; +9; -11+10; -13+12; +14; -18-19+16; -20; +20; -21-22-24+23+25; -25+24
"""


def test_pollution() -> None:
    """Air pollution, stiff. J. G. Verwer, SIAM J. Sci. Comput. 15 (1994) 1243-1250."""
    reactions = [text.strip() for text in REACTIONS.split(";")]
    changes = [re.findall(r"([+-])(\d+)", text) for text in SPECIES.split(";")]
    rates = {
        f"y{i}": "0 " + " ".join(f"{sign} {reactions[int(number) - 1]}" for sign, number in terms)
        for i, terms in enumerate(changes, start=1)
    }
    end, start, reference = reference_values("POLLUTION")
    found = end_state(rates, start, end, SolverOptions(method="auto", rtol=1e-9, atol=1e-16))
    np.testing.assert_allclose(found, reference, rtol=1e-6)


def test_pleiades() -> None:
    """Seven stars in a plane, with close encounters; not stiff. Hairer, Norsett, Wanner, Solving ODEs I, II.10."""
    stars = range(1, 8)
    rates = {f"x{i}": f"u{i}" for i in stars} | {f"y{i}": f"v{i}" for i in stars}
    for speed, place in (("u", "x"), ("v", "y")):
        for i in stars:
            rates[f"{speed}{i}"] = " + ".join(
                f"{j}*({place}{j} - {place}{i})/((x{i} - x{j})^2 + (y{i} - y{j})^2)^1.5" for j in stars if j != i
            )
    end, start, reference = reference_values("PLEIADES")
    found = end_state(rates, start, end, SolverOptions(method="auto", rtol=1e-10, atol=1e-12))
    np.testing.assert_allclose(found, reference, rtol=1e-6)
