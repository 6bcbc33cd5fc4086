"""`odefit demo`: the shipped configs, for somebody who has no copy of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

import odefit
from commands import run
from odefit.demos import demos, shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_shipped_config_is_a_demo_with_a_title_and_its_files() -> None:
    known = demos()
    assert len(known) == len(list((ROOT / "configs").rglob("*.yaml")))
    assert all(demo.title for demo in known.values())
    assert [str(file) for file in known["puromycin"].files] == [
        "configs/puromycin.yaml",
        "data/puromycin.csv",
        "data/puromycin_experiments.csv",
    ]
    assert all((shipped() / file).is_file() for demo in known.values() for file in demo.files)


@pytest.mark.quick
def test_a_copied_demo_is_fitted_by_the_command_that_is_printed() -> None:
    said, _ = run("demo", "puromycin")
    command = said.splitlines()[-1].removeprefix("next: odefit ").split()
    run(*command, "--no-plots")
    assert odefit.load_run("runs/puromycin").result.status == "converged"
    assert not Path("odefit-demo/data/lynx_hare.csv").exists()


def test_all_of_them_come_with_the_pages_that_describe_them() -> None:
    run("demo", "--out", "all")
    copied = {path.relative_to("all") for path in Path("all").rglob("*") if path.is_file()}
    assert {Path("configs/README.md"), Path("data/SOURCES.md"), Path("configs/reference/gause.yaml")} <= copied
    assert {file for demo in demos().values() for file in demo.files} <= copied


def test_a_built_in_system_has_an_example_and_its_page_says_so() -> None:
    said, _ = run("models", "haldane")
    run(*said.splitlines()[-1].removeprefix("next: odefit ").partition("  #")[0].split())
    said, _ = run("demo", "sparse", "mlp")
    assert said.splitlines()[-1] == "next: odefit fit odefit-demo/configs/neural_van_der_pol.yaml"
    said, _ = run("check", "odefit-demo/configs/haldane.yaml")
    assert "Measured" in said
    assert "haldane " in run("demo", "--list")[0]
    said, _ = run("demo", "sparse", "--out", "other")
    assert said.splitlines()[-1] == "next: odefit discover other/configs/sparse.yaml"


def test_what_is_there_is_kept_and_every_wrong_name_is_said() -> None:
    run("demo", "puromycin")
    _, wrong = run("demo", "puromycin", code=2)
    assert "odefit-demo/configs/puromycin.yaml: exists already; choose another --out, or say --overwrite" in wrong
    run("demo", "puromycin", "--overwrite")
    _, wrong = run("demo", "puromicin", "nothing", "--out", "other", code=2)
    assert wrong.splitlines() == [
        "error: puromicin: is no shipped config and no built-in system (did you mean 'puromycin'?); "
        "`odefit demo --list` shows them",
        "error: nothing: is no shipped config and no built-in system; `odefit demo --list` shows them",
    ]
    assert not Path("other").exists()
