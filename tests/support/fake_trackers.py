"""Packages in the place of the trackers': they write down what they get, fail or say nothing, as a test wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TENSORBOARDX = """
import json, os, time

MODE = os.environ.get("FAKE_TRACKER", "")
if MODE == "no import":
    raise RuntimeError("this one is broken\\nat several lines")


class SummaryWriter:
    def __init__(self, folder, purge_step=None):
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, "kept.jsonl")
        self._keep("open", purge_step)

    def _keep(self, *what):
        with open(self.path, "a") as file:
            file.write(json.dumps(what) + "\\n")

    def add_scalar(self, name, value, step):
        if MODE == "fails":
            raise OSError("No space left")
        while MODE == "hangs":
            time.sleep(0.1)
        self._keep("scalar", name, value, step)

    def add_text(self, name, text):
        self._keep("text", name, text)

    def add_image(self, name, pixels, dataformats):
        self._keep("image", name, list(pixels.shape), dataformats)

    def flush(self):
        pass

    def close(self):
        self._keep("close")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str = "") -> None:
    """A fake tensorboardX for this process and those that it starts. mode: `no import`, `fails` or `hangs`."""
    home = folder / "packages"
    home.mkdir()
    (home / "tensorboardX.py").write_text(TENSORBOARDX)
    monkeypatch.syspath_prepend(home)
    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.setenv("FAKE_TRACKER", mode)


def kept(folder: Path) -> list[list[Any]]:
    """What a run's folder got, in order."""
    return [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Values by name: each with its step."""
    found: dict[str, list[tuple[int, float]]] = {}
    for what, *rest in kept(folder):
        if what == "scalar":
            found.setdefault(rest[0], []).append((rest[2], rest[1]))
    return found
