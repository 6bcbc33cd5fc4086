"""What a config means that was written for an earlier odefit, with defaults that changed since."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

import odefit
from odefit.config import versions
from odefit.config.load import load_config
from odefit.config.schema import Config, FitSection, SolverSection
from odefit.config.versions import ChangedDefault
from odefit.errors import ConfigError, NewerConfigError, RunError

CONFIG: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}},
    "parameters": {"k": {"value": 1, "scale": "log"}, "x_0": 1},
    "data": {
        "simulate": {"times": {"stop": 2, "count": 5}, "noise": 0.01, "parameters": {"k": 1.5}, "initial": {"x": 1}}
    },
}
CHANGES = (
    ChangedDefault("solver.rtol", 2, 1e-4, 1e-5, "solutions are closer"),
    ChangedDefault("fit.windows.overlap", 2, 0.25, 0.5, "windows overlap more"),
    ChangedDefault("solver.rtol", 3, 1e-5, 1e-6, "solutions are closer still"),
    ChangedDefault("parameters.*.scale", 3, "log", None, "negative values are in reach"),
    ChangedDefault("fit.starts", 3, 5, 1, "one start is enough", applies=lambda c: c.model.name == "lorenz"),
)


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CHANGED_DEFAULTS", ())


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CHANGED_DEFAULTS", CHANGES)


def read(*overrides: str, **sections: Any) -> Config:
    return load_config(CONFIG | sections, overrides).config


@pytest.mark.parametrize(
    "version, rtol, scale", [(1, 1e-4, "log"), (2, 1e-5, "log"), (3, 1e-6, None), (None, 1e-6, None)]
)
def test_a_key_that_is_left_out_means_what_it_meant_then(
    changed: None, version: int | None, rtol: float, scale: str | None
) -> None:
    config = read(version=version)
    assert config.solver.rtol == rtol
    assert {name: section.scale for name, section in config.parameters.items()} == {"k": "log", "x_0": scale}


def test_a_key_that_is_written_means_itself(changed: None) -> None:
    loaded = load_config(CONFIG | {"version": 1, "solver": {"rtol": 1e-9}, "fit": {"windows": {"overlap": 0.1}}})
    assert loaded.config.solver.rtol == 1e-9
    assert loaded.config.fit.windows is not None
    assert loaded.config.fit.windows.overlap == 0.1
    assert read("solver.rtol=1e-8", version=1).solver.rtol == 1e-8


def test_sections_in_their_short_form_and_sections_that_are_not_there(changed: None) -> None:
    assert read(version=1).fit.windows is None
    windows = read(version=1, fit={"windows": [10, 34]}).fit.windows
    assert windows is not None
    assert (windows.points, windows.overlap) == ([10, 34], 0.25)


def test_a_change_that_does_not_concern_a_config_leaves_it_alone(changed: None) -> None:
    assert read(version=1).fit.starts == 1
    lorenz = {"model": {"name": "lorenz"}, "parameters": {}, "data": {"simulate": {"times": {"stop": 1, "count": 5}}}}
    assert read(version=1, **lorenz).fit.starts == 5


def test_a_config_without_a_version_is_read_with_a_note_per_default(changed: None) -> None:
    loaded = load_config(CONFIG | {"fit": {"windows": [4]}})
    assert loaded.notes == (
        "solver.rtol: the default is 1e-05 since config version 2, and was 0.0001: solutions are closer; "
        "`version: 1` keeps the old one, `version: 3` ends this note",
        "fit.windows.overlap: the default is 0.5 since config version 2, and was 0.25: windows overlap more; "
        "`version: 1` keeps the old one, `version: 3` ends this note",
        "solver.rtol: the default is 1e-06 since config version 3, and was 1e-05: solutions are closer still; "
        "`version: 2` keeps the old one, `version: 3` ends this note",
        "parameters.*.scale: the default is none since config version 3, and was log: negative values are in reach; "
        "`version: 2` keeps the old one, `version: 3` ends this note",
    )
    assert load_config(CONFIG | {"version": 1}).notes == ()
    assert load_config(CONFIG | {"version": 3}).notes == ()


def test_notes_reach_the_user(
    changed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "old.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    note = "solver.rtol: the default is 1e-06 since config version 3"
    assert f"note: {note}" in odefit.check(path)
    odefit.fit(path, out="fitted")
    assert note in (tmp_path / "fitted" / "run.log").read_text()
    with caplog.at_level(logging.WARNING):
        odefit.simulate(path)
    assert note in caplog.text


def test_a_run_folder_keeps_its_meaning_when_defaults_change(
    unchanged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odefit.fit(CONFIG, out=tmp_path / "today")
    written = yaml.safe_load((tmp_path / "today" / "config.yaml").read_text())
    assert next(iter(written)) == "version"
    assert written["version"] == versions.FIRST_VERSION
    monkeypatch.setattr(versions, "CHANGED_DEFAULTS", CHANGES)
    assert odefit.load_run(tmp_path / "today").loaded.config.solver.rtol == 1e-4


def test_a_run_folder_says_what_its_defaults_were(changed: None, tmp_path: Path) -> None:
    odefit.fit(CONFIG | {"version": 1}, out=tmp_path / "old")
    written = yaml.safe_load((tmp_path / "old" / "config.yaml").read_text())
    assert written["version"] == 3
    assert written["solver"] == {"rtol": 1e-4}
    assert odefit.load_run(tmp_path / "old").loaded.config.solver.rtol == 1e-4


def test_a_run_folder_without_a_version_is_of_the_first(
    unchanged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odefit.fit(CONFIG, out=tmp_path / "first")
    config = tmp_path / "first" / "config.yaml"
    config.write_text(config.read_text().replace("version: 1\n", ""))
    monkeypatch.setattr(versions, "CHANGED_DEFAULTS", CHANGES)
    loaded = odefit.load_run(tmp_path / "first").loaded
    assert loaded.config.solver.rtol == 1e-4
    assert loaded.notes == ()


@pytest.mark.parametrize(
    "version, words",
    [
        (7, "a newer odefit is needed for version 7, this one knows version 1; install a newer"),
        (0, "must be at least 1 (got 0)"),
        ("1", "must be a whole number (got '1')"),
        (1.5, "must be a whole number (got 1.5)"),
        (True, "must be a whole number (got True)"),
    ],
)
def test_versions_that_are_none(unchanged: None, version: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(CONFIG | {"version": version, "fit": {}})
    assert len(caught.value.faults) == 1
    assert words in str(caught.value.faults[0])


def test_a_newer_config_is_refused_in_one_line_whatever_else_it_says(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text("title: new\nversion: 9\nmodel: {quantum: true}\n")
    with pytest.raises(NewerConfigError) as caught:
        load_config(path)
    assert [fault.where for fault in caught.value.faults] == [f"{path}:2  version"]


def test_a_newer_run_folder_is_not_called_damaged(unchanged: None, tmp_path: Path) -> None:
    odefit.fit(CONFIG, out=tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("version: 1", "version: 9"))
    with pytest.raises(RunError, match="a newer odefit is needed for version 9") as caught:
        odefit.load_run(tmp_path / "run")
    assert "damaged" not in str(caught.value)


def test_what_depends_on_the_data_is_told_where_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    change = ChangedDefault("solver.rtol", 2, 1e-4, 1e-6, "solutions are closer", is_noted=False)
    monkeypatch.setattr(versions, "CHANGED_DEFAULTS", (change,))
    assert load_config(CONFIG).notes == ()
    assert load_config(CONFIG | {"version": 1}).config.solver.rtol == 1e-4


def test_the_table_is_in_order_and_agrees_with_the_schema() -> None:
    sinces = [change.since for change in versions.CHANGED_DEFAULTS]
    assert sinces == sorted(sinces)
    assert all(since > versions.FIRST_VERSION for since in sinces)
    latest = {change.key: change.new for change in versions.CHANGED_DEFAULTS}
    sections = {"solver": SolverSection(), "fit": FitSection()}
    for key, value in latest.items():
        section, _, name = key.partition(".")
        if section in sections and "." not in name:
            assert getattr(sections[section], name) == value, key
