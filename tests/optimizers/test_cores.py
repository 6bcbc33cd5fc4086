"""How many workers there are by default: what the process may use, and no more."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from odefit.optimizers import cores
from odefit.optimizers.cores import available_cores, quota
from odefit.optimizers.start_pool import default_workers


def groups(tmp_path: Path, own: str = "0::/job/step\n", **limits: str) -> float:
    (tmp_path / "job" / "step").mkdir(parents=True)
    (tmp_path / "membership").write_text(own)
    for name, text in limits.items():
        (tmp_path / name.replace("_", "/") / "cpu.max").write_text(text)
    return quota(tmp_path, tmp_path / "membership")


def test_the_narrowest_group_on_the_way_up_holds(tmp_path: Path) -> None:
    assert groups(tmp_path, job="150000 100000\n", job_step="max 100000\n") == 1.5


@pytest.mark.parametrize("text", ["max 100000", "", "x", "1 0", "100000"])
def test_what_says_nothing_is_no_limit(text: str, tmp_path: Path) -> None:
    assert groups(tmp_path, job=text) == math.inf


@pytest.mark.parametrize("own", ["", "3:cpu:/job\n", "0::/../../job\n", "0::/elsewhere\n"])
def test_other_memberships_are_no_limit(own: str, tmp_path: Path) -> None:
    assert groups(tmp_path, own, job="100000 100000") == math.inf


def test_workers_are_as_many_as_the_limits_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cores, "GROUPS", tmp_path)
    assert available_cores() == default_workers() == 8
    groups(tmp_path, job="250000 100000")
    assert available_cores() == default_workers() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5}, raising=False)
    assert available_cores() == 1
