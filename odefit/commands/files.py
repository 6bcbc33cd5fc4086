"""`odefit import`, `export`, `simulate` and `schema`: the commands that write other files than runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odefit.commands.alive import alive
from odefit.commands.options import ConfigPath, OnlyBeside, Overrides, Overwrite
from odefit.commands.written import check_absent, check_free
from odefit.text import next_line


def import_(
    problem: Annotated[Path, typer.Argument(metavar="PROBLEM", help="A PEtab problem (YAML) or an SBML model (XML).")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder; default: <name of the problem>, here.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    only_beside: OnlyBeside = None,
) -> None:
    """Make a config of odefit's own, with its CSVs, from a PEtab problem or an SBML model."""
    from odefit.interop.importing import import_file

    with alive("importing"):
        imported = import_file(problem, only_beside)
    target = out or Path(imported.name)
    check_absent([target], overwrite)
    config = imported.write(target)
    typer.echo(f"{imported.name}: {imported.summary}")
    for decision in imported.decisions:
        typer.echo(f"note: {decision}")
    for warning in imported.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"written to {', '.join(str(target / name) for name in (*imported.files, *imported.beside))}")
    typer.echo(next_line(imported.next_command, config))


def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|CONFIG", help="A run folder, or a config.", show_default=False)
    ],
    petab: Annotated[Path, typer.Option("--petab", metavar="FOLDER", help="Where the PEtab problem goes.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into the folder although it exists.")] = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Write a config, or the fit in RUN, as a PEtab problem (version 2, with SBML)."""
    from odefit.errors import RunError
    from odefit.exports import export_petab

    if petab.exists() and not overwrite:
        raise RunError(str(petab), "exists already; choose another --petab, or say --overwrite")
    with alive("exporting"):
        exported = export_petab(source, set_ or (), only_beside=only_beside)
    written = exported.write(petab)
    typer.echo(f"{exported.name}: {exported.summary}")
    for note in exported.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"written to {', '.join(str(petab / name) for name in (*exported.files, *exported.beside))}")
    typer.echo(next_line("import", written))


def simulate(
    config: ConfigPath,
    out: Annotated[
        Path | None, typer.Option("--out", help="The CSV file; default: <name of the config>.csv, here.")
    ] = None,
    overwrite: Overwrite = False,
    only_beside: OnlyBeside = None,
    set_: Overrides = None,
) -> None:
    """Make the data that CONFIG's `data.simulate` (or `data.spirals`) describes: a CSV, and the truth beside it."""
    from odefit.api import loaded_from, simulated_from

    target = out or Path(f"{config.stem}.csv")
    with alive("simulating"):
        loaded = loaded_from(config, set_ or (), None, only_beside)
        check_free([target], overwrite)
        simulated = simulated_from(loaded, target)
    rows = sum(len(e.times) for e in simulated.experiments)
    typer.echo(f"{len(simulated.experiments)} experiments, {rows} rows of {', '.join(simulated.observables)}")
    typer.echo(f"written to {target}, and the truth to {target.with_suffix('.truth.yaml')}")
    typer.echo(next_line("fit", config))


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file instead of the screen.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print the JSON Schema of the config, for editors that complete and explain YAML."""
    from odefit.config.json_schema import schema_text
    from odefit.data.outputs import write_file

    if out is None:
        typer.echo(schema_text(), nl=False)
        return
    check_free([out], overwrite)
    write_file(out, schema_text())
    typer.echo(f"written to {out}; the first line of a config that an editor shall complete:")
    typer.echo(f"# yaml-language-server: $schema={out}")
