"""Scales, thinned lines and panels: numbers are where they belong, and nothing is drawn that is not there."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from odefit.reporting.charts.heat import heat_map
from odefit.reporting.charts.marks import Band, Curve, Dots, Mark, Rule, Whiskers
from odefit.reporting.charts.panel import Axes, panel
from odefit.reporting.charts.scales import Scale, scale_of
from odefit.reporting.charts.thinning import TOLERANCE, thinned


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(0.0, 10.0), ["0", "2", "4", "6", "8", "10"]),
        (Scale(-3.0, 3.0), ["−2", "0", "2"]),
        (Scale(1899.6, 1920.4), ["1900", "1905", "1910", "1915", "1920"]),
        (Scale(0.5, 2e4, True), ["1", "10", "100", "1000", "10000"]),
        (Scale(0.4, 9.0, True), ["0.5", "1", "2", "5"]),
        (Scale(1e-9, 1e-3, True), ["10⁻⁹", "10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "0.0001", "0.001"]),
        (Scale(-0.1, 120.0, threshold=1.0), ["0", "1", "10", "100"]),
        (Scale(2.0, 2.0), ["2"]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(scale: Scale, expected: list[str]) -> None:
    ticks = scale.ticks(7 if scale.is_log else 5)
    assert [text for _, text in ticks] == expected
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in scale.shares(np.array([v for v, _ in ticks])))


def test_places_are_those_of_the_scale() -> None:
    assert Scale(1.0, 100.0, True).shares(np.array([1.0, 10.0, 100.0])) == pytest.approx([0, 0.5, 1])
    assert np.isnan(Scale(1.0, 100.0, True).shares(np.array([-1.0, 0.0]))).all()
    decades = Scale(0.0, 1000.0, threshold=1.0)
    assert np.diff(decades.shares(np.array([1.0, 10.0, 100.0]))) == pytest.approx([1 / 3.3, 1 / 3.3])


def test_a_scale_holds_all_numbers_and_none_that_are_not_finite() -> None:
    scale = scale_of([np.array([1.0, np.nan, 3.0]), np.array([np.inf])])
    assert (scale.low, scale.high) == pytest.approx((0.9, 3.1))
    assert scale_of([np.array([-1.0, 10.0, 1000.0])], is_log=True).low > 0


def test_a_thinned_line_passes_every_point_within_the_tolerance() -> None:
    x = np.linspace(0, 300, 2000)
    y = 80 * np.sin(x / 20) + 20 * np.exp(-((x - 150) ** 2) / 4)
    kept = thinned(x, y)
    assert kept[0] == 0
    assert kept[-1] == 1999
    assert len(kept) < 300
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() <= 2 * TOLERANCE


def test_a_thinned_line_keeps_a_jump_upright() -> None:
    x, y = np.array([0.0, 1, 2, 2, 3, 4]), np.array([0.0, 0, 0, 5, 5, 5])
    assert thinned(x, y) == [0, 2, 3, 5]


def paths(markup: str, looks: str) -> list[str]:
    root = ElementTree.fromstring(markup)
    return [node.get("d", "") for node in root.iter() if looks in (node.get("class") or "").split()]


def test_a_panel_breaks_curves_and_leaves_out_points_that_are_not_finite() -> None:
    x = np.arange(6.0)
    y = np.array([0.0, 1, np.nan, 3, 4, 9])
    marks: list[Mark] = [Band(x, y - 1, y + 1), Curve(x, y), Dots(x, y), Rule(2.0), Whiskers(x, y - 1, y + 1, "c1")]
    drawn = panel(Axes(Scale(0, 5), Scale(0, 9), "time", "x (mg/l)", "a"), marks, "x over time")
    assert "nan" not in drawn
    assert paths(drawn, "curve")[0].count("M") == 2
    assert paths(drawn, "dots")[0].count("M") == 5
    assert ElementTree.fromstring(drawn).get("aria-label") == "x over time"


def test_points_lie_where_the_ticks_say() -> None:
    drawn = panel(Axes(Scale(0, 10), Scale(0, 10)), [Dots(np.array([5.0]), np.array([10.0]))], "a point")
    root = ElementTree.fromstring(drawn)
    field = next(node for node in root if node.tag == "svg")
    (path,) = paths(drawn, "dots")
    x, y = (float(v) for v in re.findall(r"-?[\d.]+", path)[:2])
    tick = next(node for node in root if node.tag == "text" and node.text == "10" and node.get("text-anchor") == "end")
    assert float(field.get("y", "nan")) + y == pytest.approx(float(tick.get("y", "nan")) - 4, abs=0.1)
    assert x == pytest.approx(float(field.get("width", "nan")) / 2, abs=0.1)


def test_names_in_a_picture_cannot_bring_markup() -> None:
    name = '"><script>x</script>'
    drawn = panel(Axes(Scale(0, 1), Scale(0, 1), name, name, name), [], name) + heat_map([name, "b"], np.eye(2))
    assert "<script" not in drawn
