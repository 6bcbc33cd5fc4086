"""Values between two numbers in pictures: a bar from one to the other, and no triangle of a limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection

import odefit

MODEL = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "bounds": [0.01, 10]}}}
TEXT = "time,x\n0,10\n1,6.1\n2,3.5\n3,2..3\n4,1.4\n5,{last}\n"


@pytest.mark.parametrize(("last", "limit"), [("0.8", False), ("<1", True)])
def test_intervals_are_bars(tmp_path: Path, last: str, limit: bool) -> None:
    (tmp_path / "d.csv").write_text(TEXT.format(last=last))
    run = odefit.fit({**MODEL, "data": {"csv": str(tmp_path / "d.csv")}})
    figure = odefit.plot(run)
    bars = [c.get_segments() for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert [np.asarray(one).tolist() for one in bars] == [[[[3, 2], [3, 3]]]]
    named = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert "between two values" in named
    assert ("below this limit" in named) is limit
    page = odefit.report(run).html
    assert "between two values" in page
    assert ("below this limit" in page) is limit
