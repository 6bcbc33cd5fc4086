"""Configs of two small latent ODEs, and what is read off their runs."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from odefit import cli

SPIRALS = """\
title: Little spirals
model:
  name: latent_ode
  measured: [x, y]
  hidden: [6]
  latent: {dimension: 3, encoder: 5, decoder: [4], observed: 6, times_per_step: 7, validation: 0.25}
data: {spirals: {series: 8, times: 20, end: 12, noise: 0.1, seed: 2}}
solver: {method: rk4, step: 1}
fit: {method: adam, epochs: 12, batch_size: 3, seed: 3}
"""
PATIENTS = """\
model:
  name: latent_ode
  measured: [glucose, insulin]
  units: {glucose: mmol/l, t: h}
  hidden: [6]
  latent: {dimension: 2, encoder: 5, decoder: [], observed: 12}
data: {csv: patients.csv, time: hours, experiment: name, columns: {insulin: ins}}
solver: {step: 3}
fit: {epochs: 3}
"""


def write_patients(path: Path) -> None:
    """Five series of their own lengths and times, a third of the cells empty, rows of two of them interleaved."""
    rng = np.random.default_rng(1)
    rows = []
    for name, n in (("ada", 9), ("ben", 14), ("cyd", 4), ("dan", 11), ("eve", 6)):
        for t in np.sort(rng.choice(240, n, replace=False)) / 10 + 100:
            cells = [5 + math.sin(t), 100 + 20 * math.cos(t)]
            rows.append([name, t, *(f"{x:.4f}" if rng.random() > 0.3 else "" for x in cells)])
        rows[-n][2] = "5.5"
        rows[-1][3] = "90"
    rows[9:23] = sorted(rows[9:23], key=lambda row: float(row[1]))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["name", "hours", "glucose", "ins"], *rows])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(path: Path | str) -> dict[str, Any]:
    """All that a run folder says, but for how long it took."""
    path = Path(path)
    found: dict[str, Any] = {"weights": (path / "weights.pt").read_bytes()}
    for table in sorted(path.glob("*.csv")):
        found[table.name] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(table)]
    result = json.loads((path / "result.json").read_text())
    return found | {key: value for key, value in result.items() if key not in ("seconds", "message")}


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["odefit", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out + told.err
