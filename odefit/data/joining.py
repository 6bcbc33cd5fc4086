"""Several files as one table: each is an experiment called by the stem of its name, or has a column of experiments."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from odefit.data.columns import Positions
from odefit.data.csv_cells import parse_number
from odefit.data.grid.grid import Grid
from odefit.data.grid.whole import LINES, whole
from odefit.data.layouts import TIME
from odefit.data.merged_files import union
from odefit.data.nonmem.roles import find_roles
from odefit.data.sheets import Sheet
from odefit.errors import DataError, Faults
from odefit.text import abridged, clip, plain_label, show

EXPERIMENT = "experiment"
_WHY = "is one of several files"


def join_tables(
    sheets: Sequence[Sheet],
    time: str | None,
    experiment: str | None,
    may_be_events: bool,
    where: str = "",
    merge: bool = False,
) -> Grid:
    """The rows of all files under one header.

    Parameters
    ----------
    sheets
        The files, two or more.
    time, experiment
        The columns of times and of experiments, where they are said.
    may_be_events
        Whether tables of events are read as such: their subjects are the experiments.
    where
        The place in the config.
    merge
        Whether experiments of one name are one, and a column may be missing in some of the files; without a column of
        experiments all files are one.

    Raises
    ------
    DataError
        Their columns differ, two have one name, or an experiment is in two of them.
    """
    grids = [whole(sheet, _WHY) for sheet in sheets]
    first = grids[0].header
    faults = Faults()
    if merge:
        first = replace(first, names=tuple(union([grid.header.names for grid in grids])))
    position = Positions({name: k for k, name in enumerate(first.names) if name})
    subject = ["id"] if may_be_events and find_roles(position, {}).is_complete else []
    own = next((n for n in ([experiment] if experiment else [EXPERIMENT, *subject]) if n in position), None)
    own_at = None if own is None else position[own]
    names, rows, lines, orders = list[set[str]](), list[list[str]](), list[int](), []
    for k, grid in enumerate(grids):
        with faults.catching():
            orders.append(order := _order(grid, grids[0], first.names, merge))
            width = len(grid.header.names)
            cells = [["" if i is None else row[i] for i in order] if len(row) == width else [*row] for row in grid.rows]
            if own is not None and own not in Positions({name: k for k, name in enumerate(grid.header.names) if name}):
                what = f"has no column {clip(own)}, and other files name their experiments in it; name them here, too"
                raise DataError(grid.header.place(grid.header.line), what)
            if own_at is None and merge:
                names.append(set())
            elif own_at is None:
                names.append({_stem(grid)})
                _check_one_series(grid, time)
                cells = [[*row, _stem(grid)] if any(map(str.strip, row)) else row for row in cells]
            else:
                names.append({plain_label(row[own_at]) for row in cells if len(row) > own_at})
            rows += cells
            lines += [k * LINES + line for line in grid.lines]
    faults.check()
    if not merge:
        _check_apart(grids, names, own, where)
    header = replace(
        first,
        names=first.names if merge or own_at is not None else (*first.names, experiment or EXPERIMENT),
        rows=None,
        where=lambda line, column: grids[line // LINES].header.place(line % LINES, column) if line else _shown(grids),
    )
    said = "the experiments are those of its column" if own else "each an experiment of its own"
    said = f"put together (data.merge){', by its column' if own else ' as one experiment'}" if merge else said
    note = f"{_shown(grids)}: {len(grids)} files, {said}{f' {clip(own)}' if own else ''}"
    units = {name: unit for grid in grids for name, unit in grid.units.items()}
    return Grid(header, rows, lines, units, (*(n for grid in grids for n in grid.notes), note))


def _shown(grids: Sequence[Grid]) -> str:
    return abridged([show(grid.header.path) for grid in grids], 3)


def _stem(grid: Grid) -> str:
    return Path(grid.header.path).stem


def _order(grid: Grid, first: Grid, names: Sequence[str], merge: bool) -> list[int | None]:
    """Where the columns of all files stand in this one; None for one that it lacks. Raises DataError."""
    own, wanted = list(grid.header.names), list(names)
    order: list[int | None]
    if own == wanted:
        order = list(range(len(own)))
    elif merge:
        order = [own.index(name) if name in own else None for name in wanted]
    elif sorted(own) != sorted(wanted):
        other = [name for name in own if name not in wanted] + [name for name in wanted if name not in own]
        shown = abridged([clip(name) for name in dict.fromkeys(other or own)], 5)
        remedy = "give all files the same ones, or `data.merge: true` where they are of the same experiments"
        what = f"has other columns than {show(first.header.path)} ({shown}); {remedy}"
        raise DataError(grid.header.place(grid.header.line), what)
    else:
        order = [own.index(name) for name in wanted]
    if (grid.header.delimiter == ";") != (first.header.delimiter == ";"):
        what = f"is written in another way than {show(first.header.path)} (semicolons, decimal commas)"
        raise DataError(grid.header.place(), f"{what}; write all in one way")
    unlike = next(((k, v) for k, v in grid.units.items() if first.units.get(k, v) != v), None)
    if unlike is not None:
        of = f"{clip(unlike[0])} in {clip(unlike[1])}, not {clip(first.units[unlike[0]])}"
        raise DataError(grid.header.place(), f"has {of} as in {show(first.header.path)}; convert one of them")
    return order


def _check_one_series(grid: Grid, time: str | None) -> None:
    """Raises DataError where a file without experiments has several, parted by blank lines."""
    position = Positions({name: k for k, name in enumerate(grid.header.names) if name})
    at = next((position[name] for name in ([time] if time else TIME) if name in position), None)
    filled = [(line, row) for line, row in zip(grid.lines, grid.rows, strict=True) if any(map(str.strip, row))]
    for (line, row), (next_line, next_row) in itertools.pairwise(filled):
        if at is None or next_line - line < 2 or max(len(row), len(next_row)) <= at:
            continue
        before, after = (parse_number(cells[at].strip()) for cells in (row, next_row))
        if before is not None and after is not None and after <= before:
            what = "begins a second series of this file; a column `experiment` in all files names them"
            raise DataError(grid.header.place(next_line), what)


def _check_apart(grids: Sequence[Grid], names: Sequence[set[str]], own: str | None, where: str) -> None:
    """Raises DataError where an experiment is in two files."""
    found: dict[str, Grid] = {}
    for grid, some in zip(grids, names, strict=True):
        for name in sorted(some):
            if name in found:
                both = f"is in {show(found[name].header.path)} and in {show(grid.header.path)}"
                what = f"the experiment '{clip(name)}' {both}; give it another name in one of them"
                what += ", or `data.merge: true` where it is one" if own else ""
                raise DataError(
                    where or grid.header.place(), what if own else f"{what}: files are called by their stem"
                )
            found[name] = grid
