"""Names that mean nothing are told at once, wherever in the file they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

import odefit

ROWS = "time,x,y,w\n0,1,2,1\n1,0.5,1,2\n2,0.3,0.7,1\n3,0.2,0.5,2\n4,0.1,0.3,1\n"
CONFIG = """model:
  equations: {x: -k*x, y: k*x - d*y}
  observables: {x: x, y: y}
  initial: {x: estimate, y: estimate}
parameters: {k: {value: 0.5}, d: {value: 0.4}, s: {value: 0.1}}
data: {csv: data.csv}
noise: {x: {sigma: s*w}, y: {sigma: s*y}}
derived: {half: log(2)/half_time(x), area: integral(y)/k}
"""
WRONG = {
    "-k*x,": ("-kk*x,", "model.equations.x: unknown symbol 'kk'"),
    "y: y}": ("y: c*y}", "model.observables.y: unknown symbol 'c'"),
    "s*w": ("s*ww", "noise.x.sigma: unknown symbol 'ww'"),
    "s*y": ("ss*y", "noise.y.sigma: unknown symbol 'ss'"),
    "half_time(x)": ("half_time(xx)", "derived.half: half_time: 'xx' is no curve"),
    "/k}": ("/kd}", "derived.area: unknown symbol 'kd'"),
}
BESIDE = [key for key, (_, said) in WRONG.items() if not said.startswith("model")]


def faults(folder: Path, *wrong: str) -> list[str]:
    """What is said of the config with these mistakes."""
    (folder / "data.csv").write_text(ROWS)
    text = CONFIG
    for right in wrong:
        text = text.replace(right, WRONG[right][0], 1)
    (folder / "c.yaml").write_text(text)
    with pytest.raises(odefit.ConfigError) as raised:
        odefit.check(folder / "c.yaml")
    return [f"{fault.where}: {fault.what}" for fault in raised.value.faults]


@pytest.mark.parametrize("wrong", [list(WRONG), BESIDE, [*BESIDE[:1], *BESIDE[2:]], BESIDE[2:]])
def test_all_names_that_mean_nothing_are_told_at_once(tmp_path: Path, wrong: list[str]) -> None:
    found = faults(tmp_path, *wrong)
    assert len(found) == len(wrong)
    for right in wrong:
        assert sum(WRONG[right][1] in fault for fault in found) == 1


@pytest.mark.parametrize("right", list(WRONG))
def test_a_mistake_brings_no_others_with_it(tmp_path: Path, right: str) -> None:
    """Columns of the data, noise levels and curves mean what they do although the equations have a fault."""
    (fault,) = faults(tmp_path, right)
    assert WRONG[right][1] in fault


def test_noise_of_no_observable_is_told_with_the_faults_of_the_equations(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(ROWS)
    text = CONFIG.replace("-k*x,", "-kk*x,").replace("noise: {x:", "noise: {z: lognormal, x:")
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(odefit.ConfigError) as raised:
        odefit.check(tmp_path / "c.yaml")
    said = [fault.what.partition("\n")[0] for fault in raised.value.faults]
    assert len(said) == 2
    assert said[0].startswith("unknown symbol 'kk'")
    assert said[1] == "'z' is no observable; there is: x, y"


def test_without_data_the_equations_are_told_by_themselves(tmp_path: Path) -> None:
    """A name in a noise formula may be a column of a file that cannot be read."""
    (tmp_path / "c.yaml").write_text(CONFIG.replace("-k*x,", "-kk*x,"))
    with pytest.raises(odefit.ConfigError) as raised:
        odefit.check(tmp_path / "c.yaml")
    (fault,) = raised.value.faults
    assert fault.what.startswith("unknown symbol 'kk'")
