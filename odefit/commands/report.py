"""`odefit report`: a run as one HTML document, or as a PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import RunPath


def report(
    run: RunPath,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file; default: <RUN>/report.html.", show_default=False)
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="RUN",
            help="Another fit of the same data to compare with; repeatable.",
            show_default=False,
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print it as a PDF too, by Chromium or Chrome.")] = False,
) -> None:
    """Write a report to hand in: one HTML file with equations, estimates, pictures and a methods paragraph."""
    from odefit.data.outputs import check_writable
    from odefit.reports import report as make
    from odefit.runs.folder import REPORT

    target = out or run / REPORT
    if (out or run.is_dir()) and not target.is_dir():
        check_writable([target, *([target.with_suffix(".pdf")] if pdf else [])])
    with alive("writing the report"):
        made = make(run, against=against or []).save(target)
    typer.echo(str(made.path))
    if pdf and made.path is not None:
        with alive("printing the report"):
            typer.echo(str(made.save_pdf(made.path.with_suffix(".pdf"))))
