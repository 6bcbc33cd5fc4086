"""The functions of the public face that draw: which pictures there are depends on the kind of the run's model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odefit.arguments import checked, names
from odefit.model_kinds import at, call, kind_of
from odefit.runs.asked import from_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun
    from odefit.plots.band_kinds import BandKind
    from odefit.plots.style import Format


@checked(experiments=names)
def plot(
    run: Run | LatentRun | Path | str,
    kind: str = "time_series",
    *,
    time_range: tuple[float, float] | None = None,
    states: Sequence[str] | None = None,
    experiments: Sequence[str] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    all_panels: bool = False,
    bands: BandKind | None = None,
    dates: bool = False,
) -> Figure:
    """Draw one picture of a run, and write nothing.

    Parameters
    ----------
    run : Run or path
        As `fit` or `load_run` returned it, or its folder.
    kind : str
        `time_series`, `overlay` (all experiments in one panel), `phase_plane`, `history`, `residuals`, `observed`
        (against predicted), `parameters` (by experiment), `correlations`, `waterfall`, `profiles`, `profile_paths`,
        `bootstrap`, `corner`, `trace` (both of a posterior), `network`, `potential`; of a latent ODE also
        `interpolation`.
    time_range : (float, float), optional
        Solve the model over this span; default that of the data.
    states, experiments : sequence of str, optional
        What is shown; default all that was measured.
    log_x, log_y : bool
        Logarithmic axes of the time and of the values, where the picture has these.
    all_panels : bool
        `time_series`: a small panel for each experiment, however many; where all are named like wells (`B7`), in the
        order of the plate.
    bands : str, optional
        Those of `time_series`: `wald` (by the delta method), `profile`, `bootstrap` or `posterior`; default the best
        that the run has: from draws of its posterior, from its bootstrap, or by the delta method.
    dates : bool
        Dates on axes of time, where the times of the data were dates.

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and `figure.savefig("name.png")` writes it.

    Raises
    ------
    ConfigError
        A name that does not exist, or a picture for which the run has nothing to show.
    SolveError
        The model cannot be solved over that span.

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> figure = odefit.plot(run, "time_series", time_range=(0, 6))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['x']
    """
    from odefit.plots.draw import figure
    from odefit.plots.selection import Choice

    choice = Choice(time_range, states, experiments, log_x, log_y, all_panels, bands, dates)
    known = from_folder(run) if isinstance(run, Path | str) else run
    return figure(at(kind_of(known.loaded).pictures), known, choice, kind)


def draw(
    run: Run | LatentRun,
    *,
    kinds: Sequence[str] | None = None,
    out: Path | None = None,
    format: Format = "png",
    time_range: tuple[float, float] | None = None,
    states: Sequence[str] | None = None,
    experiments: Sequence[str] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    all_panels: bool = False,
    bands: BandKind | None = None,
    dates: bool = False,
    after_fit: bool = False,
) -> list[Path]:
    """Draw pictures of a run and write them as files.

    Parameters
    ----------
    run
        As `fit` or `load_run` returned it.
    kinds
        As for `plot`; default: all that the run has something to show for.
    out
        A folder (default: `plots` in the run folder), or, for one kind, a file that ends in .png, .svg or .pdf.
    format
        Of the files: `png`, `svg` or `pdf`.
    time_range, states, experiments, log_x, log_y, all_panels, bands, dates
        As for `plot`. What was chosen is in the names of the files.
    after_fit
        Only those that every fit draws at its end, where no kinds are named.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ConfigError, RunError, SolveError
        See `odefit.plots.draw.draw`.
    """
    from odefit.plots.draw import draw as write
    from odefit.plots.selection import Choice

    choice = Choice(time_range, states, experiments, log_x, log_y, all_panels, bands, dates)
    return write(at(kind_of(run.loaded).pictures), run, choice, kinds, out, format, after_fit)


def animate(
    run: Run | LatentRun, out: Path | None = None, *, bands: BandKind | None = None, dates: bool = False
) -> Path:
    """Draw a fit converging, as a GIF.

    Parameters
    ----------
    run
        As `fit` or `load_run` returned it. A search, or a training that kept no frames (`fit.plot_every`), is run once
        more.
    out
        The file, or a folder; default: plots/animation.gif in the run folder.
    bands
        `posterior` or `bootstrap`: curves of such parameter sets instead, one after the other.
    dates
        Dates on axes of time, where the times of the data were dates.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        There are no dates, or no parameter sets of that kind.
    RunError
        The run is damaged, or the file cannot be written.
    """
    path: Path = call(kind_of(run.loaded).animate, run, out, bands=bands, dates=dates)
    return path
