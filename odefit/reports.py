"""`odefit.report`: a run as one HTML document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odefit.arguments import checked
from odefit.model_kinds import at, kind_of
from odefit.runs.asked import from_folder

if TYPE_CHECKING:
    from odefit.comparison.comparing import Comparison
    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun
    from odefit.reporting.report import Report
    from odefit.runs.stored import StoredRun


@checked()
def report(
    run: Run | LatentRun | Path | str,
    out: Path | str | None = None,
    *,
    against: Sequence[Run | Path | str] = (),
) -> Report:
    """Make a report of a run: one HTML document that loads nothing, opens from disk and prints well.

    It holds what was asked, the data, the equations as mathematics, the estimates with verdicts, pictures as vectors,
    residuals, the search, profiles, bootstrap and posterior where the run folder has them, warnings, a methods
    paragraph with its citations, and how to reproduce all of it.

    Parameters
    ----------
    run : Run or path
        As `fit` or `load_run` returned it, or its folder.
    out : path, optional
        A file to write, or a folder for `report.html`; default: nothing is written.

    against : sequence of Run or path, optional
        Other fits of the same measurements, that it is to be compared with, as by `odefit.compare`.

    Returns
    -------
    Report
        `html` is the document, `save(path)` writes it, `save_pdf(path)` prints it by Chromium; a notebook shows it.

    Raises
    ------
    RunError
        The run folder is missing or damaged, or a run is of other measurements.
    StorageError
        The file cannot be written.

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"title": "Decay", "model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> print(odefit.report(run))
    <Report 'Decay': ... MB, not written>
    """
    from odefit.reporting.page import page, title
    from odefit.reporting.report import Report

    known = from_folder(run) if isinstance(run, Path | str) else run
    sections = at(kind_of(known.loaded).report)(known, *_beside(known, against))
    made = Report(page(known, sections), title(known))
    return made if out is None else made.save(out)


def _beside(run: StoredRun, against: Sequence[StoredRun | Path | str]) -> list[Comparison]:
    """The comparison that a report has, or none."""
    if not against:
        return []
    from odefit.comparison.comparing import compared
    from odefit.fitting.askable import equations_of

    return [compared([equations_of(one, "comparisons are of equations") for one in (run, *against)])]
