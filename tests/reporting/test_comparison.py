"""Other fits of the same data in a report: their criteria, tests, curves; and what is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

import odefit
from commands import run as command
from odefit.errors import RunError
from small_reports import CUPS, DECAY

GROWN: dict[str, Any] = {
    **DECAY,
    "model": {**DECAY["model"], "equations": {"x": "-k*x + c"}},
    "parameters": {**DECAY["parameters"], "c": {"value": 0.01, "bounds": [0, 1]}},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("beside")
    for name, config in (("decay", DECAY), ("grown", GROWN)):
        odefit.fit(config, data=CUPS, out=place / name)
    return place / "decay", place / "grown"


def test_the_section_has_the_criteria_the_tests_and_a_panel_for_each_experiment(folders: tuple[Path, Path]) -> None:
    found = odefit.compare(*folders)
    html = odefit.report(folders[0], against=[folders[1]]).html
    shown = html.partition('<section id="comparison"')[2].partition("</section>")[0]
    assert f'<p class="lead">{found.judgement}</p>' in shown
    for name, row in found.frame.iterrows():
        aic = f"{row.aic:.6g}".replace("-", "−")
        assert re.search(f'<th scope="row">{name}</th>.*{aic}', shown)
    assert str(escape(found.tests[0].sentence)) in shown
    assert shown.count('class="plot"') == 2
    assert shown.count('class="curve c1"') >= 2
    assert "Burnham" in html
    assert "Burnham" not in odefit.report(folders[0]).html


def test_the_command_takes_several_and_refuses_what_does_not_compare(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    decay, grown = map(str, folders)
    out = tmp_path / "r.html"
    command("report", decay, "--against", grown, "--against", decay, "--out", str(out))
    assert out.read_text(encoding="utf-8").count("Beside other models") == 2  # in the contents, and as a heading
    run = odefit.load_run(folders[0])
    assert "Beside other models" in run.report(against=grown).html
    other = odefit.fit(DECAY, data=CUPS[:1])
    with pytest.raises(RunError, match="measurements"):
        odefit.report(run, against=[other])


def test_what_is_closed_is_printed() -> None:
    folder = Path(odefit.__file__).parent / "reporting" / "templates"
    printed = (folder / "report.css").read_text().partition("@media print")[2]
    assert "details::details-content { content-visibility: visible; height: auto; }" in printed
    assert not re.search(r"details[^{]*{[^}]*display: none", printed)
    assert 'addEventListener("beforeprint"' in (folder / "report.js").read_text()
