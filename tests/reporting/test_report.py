"""The report: what stands in it, that it loads nothing, and that no text of the user's becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import odefit
from odefit.errors import RunError
from odefit.reporting import pdf
from odefit.reporting.sections.estimates import forest
from odefit.runs.results import Estimate
from small_reports import CUPS, DECAY

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """A document read strictly: every tag is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.html = text
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def decay() -> odefit.Run:
    run = odefit.fit(DECAY, data=CUPS)
    assert isinstance(run, odefit.Run)
    return run


@pytest.fixture(scope="module")
def page(decay: odefit.Run) -> Page:
    return Page(odefit.report(decay).html)


def test_the_report_says_what_was_asked_and_answered(page: Page) -> None:
    for words in (
        "Decay of two cups",
        "Converged",
        "from 10 measurements of x in 2 experiments",
        "Estimates with standard errors and 95 % intervals",
        "well determined",
        "= log(2)/k",
        "colour = red",
        "seed",
        "Fingerprints of the data",
        "Tsitouras",
        "Levenberg–Marquardt",
    ):
        assert words in page.text, words
    assert "diffsol" not in page.text.partition("Methods, for a paper")[2].partition("How to reproduce")[0]
    ids = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert ids == ["short", "model", "data", "estimates", "curves", "residuals", "search", "methods", "reproduce"]


def test_every_estimate_stands_in_the_report_with_its_digits(decay: odefit.Run, page: Page) -> None:
    for name, e in decay.result.estimates.items():
        assert name in page.text
        assert e.value is not None
        assert f"{e.value:.4g}" in page.text


def test_the_report_loads_nothing(page: Page) -> None:
    assert "default-src 'none'" in page.html
    for tag, attributes in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "form")
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "link":
            assert attributes["href"] == "data:,"
    style = re.search("<style>(.*)</style>", page.html, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_pictures_and_tables_can_be_heard(page: Page) -> None:
    plots = [a for tag, a in page.tags if tag == "svg" and a.get("class") == "plot"]
    assert len(plots) >= 8
    assert all(a.get("role") == "img" and a.get("aria-label") for a in plots)
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags)
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert ("html", {"lang": "en"}) in page.tags


def test_no_text_of_the_users_becomes_markup() -> None:
    bad = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    config = {
        **DECAY,
        "title": bad,
        "model": {**DECAY["model"], "units": {"x": "<b>mg</b>", "t": "<i>h</i>"}},
        "parameters": {**DECAY["parameters"], "k": {"value": 0.5, "unit": "<u>1/h</u>"}},
        "fit": {},
    }
    data = [odefit.Experiment(bad, CUPS[0].times, CUPS[0].values, labels={"colour": bad}), CUPS[1]]
    made = Page(odefit.report(odefit.fit(config, data=data)).html)
    assert bad in made.text
    assert {tag for tag, _ in made.tags}.isdisjoint({"img", "b", "i", "u"} - {"b"})
    assert sum(tag == "script" for tag, _ in made.tags) == 1
    assert not any(name.startswith("on") for _, attributes in made.tags for name in attributes)


def test_many_warnings_are_folded_after_the_first(decay: odefit.Run) -> None:
    warned = replace(decay, result=replace(decay.result, warnings=tuple(f"beware of {k}" for k in range(11))))
    page = Page(odefit.report(warned).html)
    assert "Beware of 7." in page.text
    assert "3 more warnings" in page.text
    assert "Beware of 10." in page.text


def test_the_same_run_gives_the_same_report(decay: odefit.Run) -> None:
    assert odefit.report(decay).html == odefit.report(decay).html


def test_a_report_is_written_where_it_is_asked_for(decay: odefit.Run, tmp_path: Path) -> None:
    made = odefit.report(decay)
    assert made.path is None
    assert "not written" in repr(made)
    assert odefit.report(decay, tmp_path).path == tmp_path / "report.html"
    saved = made.save(tmp_path / "deeper" / "mine.html")
    assert saved.path is not None
    assert saved.path.read_text(encoding="utf-8") == made.html
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        made.save(tmp_path / "file" / "report.html")


def test_a_folder_gives_the_report_of_its_run_and_a_new_fit_takes_it_away(decay: odefit.Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    decay.save(folder)
    assert odefit.report(folder, folder).path == folder / "report.html"
    decay.save(folder, overwrite=True)
    assert not (folder / "report.html").exists()


def test_a_run_that_estimates_next_to_nothing_has_a_report() -> None:
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 1, "estimate": False}}}
    data = [odefit.Experiment("a", [0, 1, 2], {"x": [1.0, 0.4, 0.1]})]
    assert "fixed, not estimated" in Page(odefit.report(odefit.fit(config, data=data)).html).text


def test_without_a_browser_one_line_says_how_to_print(
    decay: odefit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pdf.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(RunError, match="open the HTML file in any browser and print it") as caught:
        odefit.report(decay).save_pdf(tmp_path / "report.pdf")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.pdf").exists()


def test_estimates_that_agree_are_drawn_with_whole_intervals() -> None:
    """The axis is as wide as the intervals, not only as far as the estimates lie apart."""
    members = {
        name: Estimate(value, standard_error=1.0, interval=(value - 2, value + 2))
        for name, value in (("a", 10.0), ("b", 10.1))
    }
    drawn = str(forest("k", members, {}))
    assert ">8<" in drawn
    assert ">12<" in drawn
