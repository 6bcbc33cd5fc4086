"""Ticks that are found once and made where they are seen: the same pictures with less work."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.ticks import found_once, seen_only


def _picture() -> Figure:
    """Linear, logarithmic, falling and symmetric axes, labels, a colour bar and a legend."""
    fig = style.figure(7, 5, "A title", "and a note")
    panels = fig.subplots(2, 2).ravel()
    x = np.linspace(0.3, 9.7, 40)
    for k, ax in enumerate(panels):
        ax.plot(x, np.exp(x - 5 * (k % 2)), color=style.BLUE)
        ax.set(xlabel="time [h]", ylabel=f"amount {k}", title=f"panel {k}")
    panels[1].set_yscale("log")
    panels[1].set_ylim(0.7, 800)
    panels[2].set(yscale="log", xlim=(9, 0))
    panels[3].set_xscale("symlog")
    for ax in panels:
        style.tidy_ticks(ax.xaxis)
        style.tidy_ticks(ax.yaxis)
    fig.colorbar(panels[0].scatter(x, x, c=x), ax=panels[0])
    style.legend(fig, [style.line_handle("curve", style.BLUE), style.point_handle("measured", style.BLACK)])
    return fig


def test_pictures_are_those_that_matplotlib_draws_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with style.styled():
        ours = style.render(_picture(), "png")
        for name in ("found_once", "seen_only"):
            monkeypatch.setattr(style, name, lambda fig: nullcontext())
        assert style.render(_picture(), "png") == ours


def test_ticks_that_nobody_sees_are_not_made_and_none_is_missing() -> None:
    with style.styled():
        fig = _picture()
        style.render(fig, "png")
        for ax in fig.axes[:3]:
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                every = axis.get_majorticklocs()
                seen = [tick for tick in every if low <= tick <= high]
                assert len(axis.majorTicks) == max(len(seen), 1)
        assert any(len(ax.yaxis.get_majorticklocs()) > len(ax.yaxis.majorTicks) for ax in fig.axes)


def test_ticks_at_the_very_ends_of_an_axis_are_seen() -> None:
    fig = Figure()
    ax = fig.subplots()
    ax.set(xlim=(0.1, 0.7), yscale="log", ylim=(1e-3, 1e3))
    style.tidy_ticks(ax.xaxis)
    with seen_only(fig):
        assert [round(tick, 12) for tick in ax.get_xticks()] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
        assert {1e-3, 1e3} <= {round(tick, 12) for tick in ax.get_yticks()}


def test_afterwards_an_axis_finds_its_ticks_anew() -> None:
    fig = Figure()
    ax = fig.subplots()
    with seen_only(fig), found_once(fig):
        fig.draw_without_rendering()
    ax.set_xlim(0, 1000)
    fig.draw_without_rendering()
    assert {label.get_text() for label in ax.get_xticklabels()} >= {"0", "1000"}
    assert not {"_update_ticks", "_get_ticklabel_bboxes"} & set(vars(ax.xaxis))
    assert "tick_values" not in vars(ax.xaxis.get_major_locator())
