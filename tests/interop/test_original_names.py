"""Ids of an imported problem that odefit cannot have: they stand in all that is reported."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import odefit
from odefit.interop.importing import import_file
from odefit.terminal import estimates_table
from petab_texts import with_names_to_change


def test_they_are_kept_for_every_report(tmp_path: Path) -> None:
    path = with_names_to_change(tmp_path)
    config = import_file(path).write(tmp_path / "made")
    run = odefit.fit(config, ["fit.starts=1", "fit.workers=1"], out=tmp_path / "run")
    assert run.result.original_names == {"t_": "t", "and_": "and"}
    again = odefit.load_run(tmp_path / "run")
    assert again.result.original_names == run.result.original_names
    rows = csv.DictReader(io.StringIO((tmp_path / "run" / "parameters.csv").read_text(encoding="utf-8")))
    assert {row["name"]: row["original_name"] for row in rows} == {"_k": "", "and_": "and"}
    remarks = estimates_table(run.result).column(-1)
    assert ["originally and" in str(cell) for cell in remarks] == [False, True]
    assert "originally and" in odefit.report(tmp_path / "run").html
    odefit.fit(config, ["fit.starts=1", "fit.workers=1", "model.original_names={}"], out=tmp_path / "run", resume=True)


def test_names_of_groups_and_of_initial_values_follow_their_own() -> None:
    run = odefit.fit(
        {
            "model": {
                "equations": {"t_": "-and_*t_"},
                "initial": {"t_": "estimate"},
                "original_names": {"t_": "t", "and_": "and"},
            },
            "parameters": {"and_": {"value": 0.5, "by": "experiment"}},
            "noise": {"sigma": 0.1},
        },
        data=[odefit.Experiment(name, [0, 1, 2, 3], {"t_": [3, 1.8, 1.1, 0.7]}) for name in ("a", "b")],
    )
    found = {name: run.result.original_name(name) for name in run.result.estimates}
    assert {"and_[a]": "and[a]", "t__0[b]": "t_0[b]"}.items() <= found.items()
