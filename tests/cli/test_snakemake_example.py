"""The rules of examples/Snakefile make a run of its parts, where Snakemake is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import odefit

ROOT = Path(__file__).parents[2]
SNAKEMAKE = shutil.which("snakemake")


@pytest.mark.skipif(SNAKEMAKE is None, reason="needs Snakemake")
def test_the_rules_make_the_run(tmp_path: Path) -> None:
    assert SNAKEMAKE is not None
    for folder in ("configs", "data"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "odefit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m odefit.cli "$@"\n')
    (tmp_path / "bin" / "odefit").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    words = (SNAKEMAKE, "--snakefile", str(ROOT / "examples" / "Snakefile"), "--cores", "2", "--quiet", "all")
    words += ("--config", "parts=2", "starts=4")
    settings: Any = {"capture_output": True, "text": True, "timeout": 600, "check": False}
    done = subprocess.run(words, cwd=tmp_path, env=environment, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    run = odefit.load_run(tmp_path / "runs" / "lynx_hare")
    assert run.result.starts.finished == 4
    assert (tmp_path / "runs" / "lynx_hare" / "profiles.json").exists()
