"""What a run can be asked for: the same by the function, by the method, and by the folder."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import odefit

NAMES = ("report", "profile", "predict", "bootstrap", "sample", "design")
DATA = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_has_the_defaults_of_its_function(name: str) -> None:
    function, method = (inspect.signature(getattr(home, name)).parameters for home in (odefit, odefit.Run))
    assert list(function)[1:] == list(method)[1:]
    assert [p.default for p in list(function.values())[1:]] == [p.default for p in list(method.values())[1:]]


def test_a_folder_stands_for_its_run(tmp_path: Path) -> None:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "scale": "log"}}}
    run = odefit.fit(config, data=DATA, out=tmp_path / "run")
    assert odefit.profile(tmp_path / "run", ["k"])["k"].interval == run.profile(["k"])["k"].interval
    assert odefit.bootstrap(tmp_path / "run", 3).path == tmp_path / "run"
    assert odefit.sample(str(tmp_path / "run"), 2, chains=2, warm_up=10).path == tmp_path / "run"
    assert odefit.predict(tmp_path / "run").frame.equals(run.predict().frame)
    assert "posterior" in odefit.report(tmp_path / "run").html
    assert odefit.plot(tmp_path / "run", "trace").axes
    with pytest.raises(odefit.RunError, match="missing"):
        odefit.profile(tmp_path / "missing")
