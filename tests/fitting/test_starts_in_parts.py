"""A fit of which several machines have computed parts is the fit of one machine, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from creeping_starts import DATA, creeping
from listeners import StopAt
from odefit.fitting import early_ends
from odefit.runs.parts import part_of


def fitted(**changes: Any) -> dict[str, Any]:
    return creeping(**{"starts": 9, "seed": 0, "workers": 1, "match": False, "max_iterations": 40} | changes)


CONFIG = fitted()


@pytest.mark.quick
@pytest.mark.parametrize(
    "changes", [{}, {"screen": "searches"}, {"match": None}, {"method": "global", "evaluations": 600}]
)
@pytest.mark.parametrize("words", [("1/2", "2/2"), ("0:1", "8:9", "1:8")])
def test_merged_parts_are_the_whole(
    words: tuple[str, ...], changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_ends, "STAGES", (6, 6))
    config = fitted(**changes)
    whole = odefit.fit(config, data=DATA)
    for word in words:
        odefit.fit_part(config, word, data=DATA, out=tmp_path / word.replace("/", "-"))
    paths = [tmp_path / word.replace("/", "-") for word in words]
    merged = odefit.merge(paths, config=config, data=DATA, out=tmp_path / "run")
    assert_same(merged, whole)


@pytest.mark.parametrize("words", [("1/2", "2/2"), ("0:1", "8:9", "1:8")])
def test_merged_parts_of_many_starts_are_the_whole(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part searches those that go ahead."""
    monkeypatch.setattr(early_ends, "MANY", 8)
    monkeypatch.setattr(early_ends, "PILOTS", 4)
    monkeypatch.setattr(early_ends, "STAGES_OF_MANY", (8, 6, 6))
    whole = odefit.fit(CONFIG, data=DATA)
    assert whole.frame("starts")["message"].str.contains("only falls to where").sum() >= 2
    for word in words:
        odefit.fit_part(CONFIG, word, data=DATA, out=tmp_path / word.replace("/", "-"))
    paths = [tmp_path / word.replace("/", "-") for word in words]
    assert_same(odefit.merge(paths, config=CONFIG, data=DATA, out=tmp_path / "run"), whole)


def assert_same(merged: odefit.Run, whole: odefit.Run) -> None:
    pd.testing.assert_frame_equal(
        merged.starts.drop(columns="seconds"), whole.starts.drop(columns="seconds"), check_exact=True
    )
    for name in ("status", "message", "estimates", "objective", "starts", "warnings"):
        assert getattr(merged.result, name) == getattr(whole.result, name), name
    assert merged.covariance.equals(whole.covariance)


def test_smaller_tolerances_of_the_solver_are_those_of_the_whole(tmp_path: Path) -> None:
    times = np.linspace(0, 20, 41)
    data = pd.DataFrame({"time": times, "x": np.cos(times) + 1e-7 * np.sin(37 * times)})
    config: dict[str, Any] = {
        "model": {"equations": {"x": "v", "v": "-k*x"}, "initial": {"x": 1, "v": 0}, "observables": {"x": "x"}},
        "parameters": {"k": {"value": 1.02, "bounds": [0.9, 1.1]}},
        "noise": {"model": "gaussian", "sigma": 1e-7},
        "fit": {"starts": 4, "workers": 1, "screen": "values"},
    }
    whole = odefit.fit(config, data=data)
    assert "divided by" in whole.result.message
    for word in ("0:2", "2:4"):
        odefit.fit_part(config, word, data=data, out=tmp_path / word)
    assert_same(odefit.merge([tmp_path / "0:2", tmp_path / "2:4"], config=config, data=data, out=tmp_path / "r"), whole)


def test_an_interrupted_part_is_gone_on_with(tmp_path: Path) -> None:
    whole = odefit.fit(CONFIG, data=DATA)
    assert odefit.fit_part(CONFIG, "0:5", data=DATA, out=tmp_path / "a", progress=StopAt(start=2)) is None
    odefit.fit_part(CONFIG, "5:9", data=DATA, out=tmp_path / "b")
    with pytest.raises(odefit.RunError, match=r"a: is not finished: .*--resume"):
        odefit.merge([tmp_path / "a", tmp_path / "b"], config=CONFIG, data=DATA, out=tmp_path / "run")
    again = odefit.fit_part(CONFIG, "0:5", data=DATA, out=tmp_path / "a", resume=True)
    assert again is not None
    assert [plain["number"] for plain in again.reached["starts"]] == [0, 1, 2, 3, 4]
    assert_same(odefit.merge([tmp_path / "a", tmp_path / "b"], config=CONFIG, data=DATA, out=tmp_path / "run"), whole)


def test_what_does_not_belong_together_is_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    other = DATA.assign(x=DATA["x"] + 0.001)
    for name, word, changes, data in (
        ("a", "0:4", {}, DATA),
        ("b", "3:5", {}, DATA),
        ("c", "5:6", {"seed": 1}, DATA),
        ("d", "5:6", {}, other),
        ("e", "0:3/10", {}, DATA),
    ):
        odefit.fit_part(fitted(**changes), word, data=data, out=tmp_path / name)
    odefit.fit(CONFIG, data=DATA, out=tmp_path / "w")
    (tmp_path / "f").mkdir()
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "part.jsonl").write_text((tmp_path / "a" / "part.jsonl").read_text()[:-9])
    with pytest.raises(odefit.RunError) as raised:
        odefit.merge([tmp_path / name for name in "abcdefghw"], config=CONFIG, data=DATA, out=tmp_path / "run")
    told = {Path(fault.where).name: fault.what for fault in raised.value.faults}
    assert told["b"] == f"has the starts 3:4, as {tmp_path / 'a'} has: each must be in one part only"
    assert told["c"] == f"does not belong to {tmp_path / 'a'}: fit.seed is 1, not 0"
    assert told["d"] == f"does not belong to {tmp_path / 'a'}: other data (the measurements)"
    assert "it is of 10 starts in all, not 9" in told["e"]
    assert told["f"].startswith("holds no part of a run")
    assert told["part.jsonl"].startswith("is damaged (its checksum is not right)")
    assert told["h"].startswith("does not exist")
    assert told["w"].startswith("is a whole run")
    assert "merge" not in told, "what cannot be read may hold what is missing"
    with pytest.raises(odefit.RunError) as raised:
        odefit.merge([tmp_path / name for name in "cab"], config=CONFIG, data=DATA, out=tmp_path / "run")
    told = {Path(fault.where).name: fault.what for fault in raised.value.faults}
    assert told["merge"].startswith("starts 6:9 of 9 are in none of these parts")
    assert not (tmp_path / "run").exists()


def test_a_config_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    for word in ("0:4", "4:9"):
        odefit.fit_part(CONFIG, word, data=DATA, out=tmp_path / word)
    with pytest.raises(odefit.RunError, match=r"is not what the parts were computed with: fit.seed is 3, not 0"):
        odefit.merge([tmp_path / "0:4", tmp_path / "4:9"], config=fitted(seed=3), data=DATA, out=tmp_path / "run")
    with pytest.raises(odefit.RunError, match=r"is the config of these parts, and is not here"):
        odefit.merge([tmp_path / "0:4", tmp_path / "4:9"], data=DATA, out=tmp_path / "run")


def test_a_folder_keeps_the_part_that_it_holds(tmp_path: Path) -> None:
    odefit.fit_part(CONFIG, "0:4", data=DATA, out=tmp_path / "a")
    with pytest.raises(odefit.RunError, match=r"exists already"):
        odefit.fit_part(CONFIG, "0:4", data=DATA, out=tmp_path / "a")
    with pytest.raises(odefit.RunError, match=r"it has starts 0:4 of 9, not starts 4:9 of 9"):
        odefit.fit_part(CONFIG, "4:9", data=DATA, out=tmp_path / "a", resume=True)
    with pytest.raises(odefit.RunError, match=r"holds a part of a run: `odefit merge`"):
        odefit.load_run(tmp_path / "a")
    replaced = odefit.fit_part(CONFIG, "4:9", data=DATA, out=tmp_path / "a", overwrite=True)
    assert repr(replaced) == f"<StoredPart {tmp_path / 'a'}: starts 4:9 of 9>"
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["part.jsonl", "run.log"]
    assert odefit.list_runs(tmp_path)["status"].tolist() == ["part"]


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"fit": {"starts": 4, "budget": 10}}, r"fit.budget: is spent in a race of all starts"),
        ({"fit": {"method": "adam"}}, r"fit.method: is a training from one start"),
    ],
)
def test_fits_without_starts_to_share_have_no_parts(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(odefit.ConfigError, match=what):
        odefit.fit_part({**CONFIG, **changes}, "1/2", data=DATA, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_parts_by_their_words() -> None:
    def numbers(text: str, total: int = 10) -> tuple[int, int, int]:
        part = part_of(text, "starts", total, "--starts")
        return part.first, part.end, part.all

    assert numbers("0:3") == (0, 3, 10)
    assert numbers("0:3/40") == (0, 3, 40)
    thirds = [numbers(f"{k}/3") for k in (1, 2, 3)]
    assert [part[0] for part in thirds] == [0, *(part[1] for part in thirds[:2])]
    assert thirds[-1][1] == 10


@pytest.mark.parametrize(
    "text, what",
    [
        ("0/4", "is no part: the first of 4 is 1/4"),
        ("5/4", "is no part"),
        ("1/0", "is no part"),
        ("3:3", "has no starts"),
        ("4:3", "has no starts"),
        ("0:11", "goes beyond the 10 starts"),
        ("1/20", "10 starts cannot be shared by 20: 1/20 has none"),
        ("abc", "names no starts: write 0:50"),
        ("-1:3", "names no starts"),
    ],
)
def test_words_that_name_no_part_are_refused(text: str, what: str) -> None:
    with pytest.raises(odefit.InputError, match=what):
        part_of(text, "starts", 10, "--starts")
