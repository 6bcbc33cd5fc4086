"""The sections of a report on a latent ODE: what it was trained on, its curves, its scores, and the training."""

from __future__ import annotations

from markupsafe import Markup

from odefit.errors import Faults, OdefitError
from odefit.latent.latent_run import LatentRun
from odefit.plots.latent_pictures import LatentPictures, Shown
from odefit.plots.selection import Choice, time_name
from odefit.reporting.blocks import Block, Equations, Figure, Paragraph, Section, Sign, Table
from odefit.reporting.charts.marks import Curve, Dots, Mark, Rule
from odefit.reporting.charts.panel import SMALL, Axes, panel
from odefit.reporting.charts.scales import scale_of
from odefit.reporting.markup import element, joined
from odefit.reporting.sections.data import data
from odefit.reporting.sections.methods import methods
from odefit.reporting.sections.reproduce import reproduce
from odefit.reporting.sections.search import search
from odefit.reporting.sections.short import short
from odefit.reporting.symbols import applied, fenced, symbol
from odefit.reporting.words import shown

MOST_OBSERVABLES = 6


def sections(run: LatentRun) -> list[Section]:
    """All that there is to say of the run, in the order in which it is read."""
    parts = [short(run), _model(run), data(run), _curves(run), _scores(run), search(run), methods(run), reproduce(run)]
    return [part for part in parts if part is not None]


def _model(run: LatentRun) -> Section:
    z, d = symbol("z"), element("mi", "d", mathvariant="normal")
    slope = element("mfrac", element("mrow", d, z), element("mrow", d, element("mi", "t")))
    start = joined(symbol("z"), fenced(symbol("t_0")))
    lines = [
        (start, "∼", [applied("encoder", element("mtext", "the measured series, read backwards"))]),
        (slope, "=", [applied("field", z)]),
        (element("mtext", ", ".join(run.observables)), "=", [applied("decoder", z)]),
    ]
    words = (
        f"A latent ODE: a recurrent network reads a series and gives the start of {len(run.states)} latent states, "
        "which a learnt field moves; a decoder gives what is measured. Its weights have no meaning one by one, so "
        "there are no estimates to list."
    )
    return Section("model", "The model", (Paragraph(words), Equations(lines, "Equations")))


def _curves(run: LatentRun) -> Section:
    pictures = LatentPictures(run, Choice(), Faults())
    try:
        series = pictures.shown
    except OdefitError as error:
        return Section("curves", "The fit", (Paragraph(f"There are no curves: {error}"),))
    columns = pictures.columns[:MOST_OBSERVABLES]
    panels = [_panel(run, one, k) for one in series for k in columns]
    signs = [
        Sign("ink", "dot", "read by the encoder"),
        Sign("ink", "ring", "not read"),
        Sign("c0", "line", "latent ODE"),
    ]
    if any(one.truth is not None for one in series):
        signs.append(Sign("c5 dashed", "line", "true"))
    signs.append(Sign("rule dashed", "line", "where the encoder stops reading"))
    some = (
        f" {len(series)} series of {len(pictures.rows)}, first those that were set aside."
        if len(series) < len(pictures.rows)
        else ""
    )
    figure = Figure(
        f"Measured series and what the latent ODE makes of them.{some}", panels, signs, "small", len(columns)
    )
    return Section("curves", "The fit", (figure,))


def _panel(run: LatentRun, one: Shown, k: int) -> Markup:
    e = one.experiment
    read, values = run.task.read(e), e.values[:, k]
    marks: list[Mark] = [Curve(one.times, one.values[:, k])]
    if one.truth is not None:
        marks.append(Curve(e.times, one.truth[:, k], "c5 dashed"))
    marks += [Dots(e.times[part], values[part], "ink", shape) for part, shape in ((~read, "ring"), (read, "dot"))]
    if one.read < max(one.end, float(one.times[-1])):
        marks.append(Rule(one.read, "rule dashed", upright=True))
    name = run.observables[k]
    unit = run.loaded.config.model.units.get(name)
    aside = ", not trained on" if one.row in run.task.aside else ""
    axes = Axes(
        scale_of([one.times, e.times]),
        scale_of([one.values[:, k], values]),
        time_name(run),
        f"{name} ({unit})" if unit else name,
        f"series {e.name}{aside}",
    )
    return panel(axes, marks, f"{name} of series {e.name}: measurements and the curve of the latent ODE", SMALL)


def _scores(run: LatentRun) -> Section | None:
    if not run.result.validation:
        return None
    rows: list[list[str | Markup | None]] = []
    for part, score in run.result.validation.items():
        errors = ", ".join(f"{name} {shown(value, 4)}" for name, value in score.rmse.items() if value is not None)
        rows.append([part, str(score.n_observations), shown(score.nll_per_observation, 4), errors])
    header = ("part", "measurements", "−log likelihood of each", "root mean squared error")
    blocks: list[Block] = [Table("Series that were set aside", header, rows, frozenset((1, 2)))]
    return Section("scores", "How well it predicts", blocks)
