"""The report in a real browser without a window: no complaint, no flat picture, nothing wider than a phone."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import odefit
from odefit.reporting.pdf import browser, print_pdf
from small_reports import CUPS, DECAY

BROWSER = browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")

PROBE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, size = node => node.getBoundingClientRect();
    const flat = list => [...page.querySelectorAll(list)].filter(node => size(node).height < 8 || size(node).width < 8);
    return {
      plots: page.querySelectorAll("svg.plot").length,
      formulas: page.querySelectorAll("math[display=block]").length,
      flat: flat("svg.plot, math[display=block], table:not(details table)").length,
      overlap: page.documentElement.scrollWidth - frame.clientWidth,
      fractions: Math.min(...[...page.querySelectorAll("mfrac")].map(node => size(node).height)),
      text: size(page.querySelector("svg.plot text")).height,
    };
  });
  document.title = JSON.stringify(found);
}, 100));
</script>
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    odefit.report(odefit.fit(DECAY, data=CUPS), path)
    return path


def headless(folder: Path, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    given = ["--headless", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *options]
    given += ["--no-sandbox"] if os.geteuid() == 0 else []
    return subprocess.run([BROWSER, *given, page.as_uri()], capture_output=True, text=True, timeout=120, check=False)


def test_at_three_widths_every_picture_and_formula_has_a_size_and_nothing_is_wider_than_the_page(
    report: Path, tmp_path: Path
) -> None:
    # Without its policy, which would forbid the frames that the probe looks into.
    document = re.sub("<meta http-equiv[^>]*>", "", report.read_text(encoding="utf-8"))
    frames = "".join(
        f'<iframe srcdoc="{html.escape(document)}" style="width:{width}px;height:900px"></iframe>'
        for width in (390, 1280, 1900)
    )
    wrapper = tmp_path / "frames.html"
    wrapper.write_text(f"<!DOCTYPE html><title>-</title>{frames}{PROBE}", encoding="utf-8")
    done = headless(tmp_path, wrapper, "--dump-dom", "--virtual-time-budget=4000")
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None
    found = json.loads(html.unescape(title[1]))
    assert len(found) == 3
    for one in found:
        assert one["plots"] >= 8
        assert one["formulas"] >= 3
        assert one["flat"] == 0
        assert one["overlap"] <= 0
        assert one["fractions"] > 20
        assert one["text"] > 8


def test_the_browser_has_nothing_to_complain_about(report: Path, tmp_path: Path) -> None:
    done = headless(tmp_path, report, "--dump-dom", "--enable-logging=stderr")
    assert "CONSOLE" not in done.stderr
    assert "Copy table" in done.stdout
    assert not re.search(r'<button[^>]*class="copy"[^>]*hidden', done.stdout)


def test_the_report_is_printed_as_a_pdf(report: Path, tmp_path: Path) -> None:
    print_pdf(report, tmp_path / "report.pdf")
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
