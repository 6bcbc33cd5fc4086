"""Names that odefit cannot have: which they are, and what they are called instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from odefit.interop.draft import Draft, DraftTable
from odefit.interop.mathematics import Name, Tree, replaced

RESERVED = frozenset({"t", "and", "or", "not"})
"""Words of the formula language."""
COLUMNS = frozenset({"experiment", "start", "steady_state"})
"""Columns of the table of experiments that mean something."""
DATA_COLUMNS = frozenset({"experiment", "time", "observable", "value", "sigma", "at_jump"})
MAX_LENGTH = 128
_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def new_names(names: Iterable[str], forbidden: Iterable[str]) -> dict[str, str]:
    """For each name that cannot stay: one that can, and that nothing else has.

    Parameters
    ----------
    names
        All names of a config.
    forbidden
        Names that mean something else where these stand.
    """
    every = list(dict.fromkeys(names))
    taken, bad = {*every}, {*RESERVED, *forbidden}
    found: dict[str, str] = {}
    for name in every:
        if name not in bad and len(name) <= MAX_LENGTH and _NAME.fullmatch(name):
            continue
        made = re.sub(r"\W", "_", name, flags=re.ASCII)
        made = made if _NAME.match(made) else f"x_{made}"
        made = f"{made}_" if made in bad else made
        base, number = made[: MAX_LENGTH - 4], 2
        made = made if len(made) <= MAX_LENGTH else base
        while made in taken:
            made, number = f"{base}_{number}", number + 1
        taken.add(made)
        found[name] = made
    return found


def renamed(draft: Draft) -> Draft:
    """The draft with names that odefit can have, and the list of those that were changed."""
    columns = [] if draft.experiments is None else [c for c in draft.experiments.header[1:] if c not in COLUMNS]
    data_columns = [] if draft.data is None else [c for c in draft.data.header if c not in DATA_COLUMNS]
    initial = {f"{state}_0" for state in draft.equations}
    starts = [c for c in columns if c in initial]
    names = [
        *draft.equations,
        *draft.expressions,
        *(p.name for p in draft.parameters),
        *(c for c in columns if c not in initial),
        *data_columns,
        *draft.observables,
    ]
    forbidden = {name for name in columns if name in COLUMNS}
    if draft.experiments is not None:
        forbidden |= {name for name in names if name in COLUMNS} | {n for n in names if n in starts}
    new = new_names(names, forbidden)
    if not new:
        return draft
    put: dict[str, Tree] = {old: Name(name) for old, name in new.items()}
    columns_too = {**new, **{f"{old}_0": f"{name}_0" for old, name in new.items() if old in draft.equations}}
    made = draft.mapped(lambda tree: replaced(tree, put), new)
    parameters = [
        replace(now, comment=f"{old.name} in {draft.origin}") if old.name in new else now
        for old, now in zip(draft.parameters, made.parameters, strict=True)
    ]
    return replace(
        made,
        parameters=parameters,
        data=made.data and _with_names(made.data, columns_too, DATA_COLUMNS),
        experiments=made.experiments and _with_names(made.experiments, columns_too, COLUMNS),
        renamed=new,
    )


def _with_names(table: DraftTable, new: Mapping[str, str], kept: frozenset[str]) -> DraftTable:
    """A table with new names of its columns, and of observables."""
    header = [column if column in kept else new.get(column, column) for column in table.header]
    if "observable" not in table.header:
        return replace(table, header=header)
    i = table.header.index("observable")
    rows = [
        [new.get(str(c), c) if j == i and isinstance(c, str) else c for j, c in enumerate(row)] for row in table.rows
    ]
    return replace(table, header=header, rows=rows)
