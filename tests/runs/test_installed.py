"""Versions by the folders of installations, and by their metadata where there are none."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from odefit.runs import installed as module


def test_versions_are_those_of_the_metadata() -> None:
    told = module.installed()
    assert "numpy" in told
    for package in module.COMPUTING:
        try:
            assert told[package] == importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            assert package not in told


def test_the_first_place_of_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy-1.2.3+here.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module.installed.__wrapped__()["numpy"] == "1.2.3+here"


def test_an_installation_that_left_another_folder_is_asked_for_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odefitlib.py").touch()
    (tmp_path / "odefitlib.egg-info").mkdir()
    (tmp_path / "odefitlib.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: odefitlib\nVersion: 4.5\n")
    (tmp_path / "alone.py").touch()
    monkeypatch.setattr(module, "COMPUTING", ("odefitlib", "alone", "absent"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module.installed.__wrapped__() == {"odefitlib": "4.5"}
