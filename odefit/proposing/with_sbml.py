"""A model from an SBML file, for measurements in a file of their own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from odefit.errors import ConfigError, DataError
from odefit.interop.importing import Imported
from odefit.proposing.look import Look
from odefit.proposing.writing import data_lines, found
from odefit.proposing.yaml_words import number
from odefit.text import abridged, show

MOST = 30
"""The most constants of a model of which each is estimated."""
WIDTH = 100.0
_FIXED = re.compile(r"^(  (\w+): )\{value: ([^,}]+), estimate: false\}", re.MULTILINE)


def sbml_config(look: Look, imported: Imported, out: Path, said: Mapping[str, Any]) -> str:
    """What `odefit import` makes of an SBML model, reading the file of measurements, as a config.

    Parameters
    ----------
    look
        What the file holds.
    imported
        The model.
    out
        Where the config is written.
    said
        Keys of the section `data` that were given.

    Raises
    ------
    ConfigError
        It is a whole problem with data of its own.
    DataError
        Nothing that was measured has the name of a species or a formula of the model.
    """
    text = next(iter(imported.files.values()))
    if len(imported.files) > 1 or imported.next_command != "simulate":
        raise ConfigError("--sbml", "is a problem with data of its own: `odefit import` makes a config of it")
    # The model's own names, those of states first.
    names = re.findall(r"^    (\w+): ", text.partition("parameters:")[0], re.MULTILINE)
    columns = {}
    for column in look.series:
        match = next((name for name in names if name.casefold() == column.casefold()), None)
        if match is not None:
            columns[match] = column
    if not columns:
        what = f"measures {abridged(list(look.series), 8)}, and the model has {abridged(names, 8)}"
        raise DataError(show(look.path), f"{what}; give the columns the names of what they measure")
    left = [column for column in look.series if column not in columns.values()]
    head, _, rest = text.partition("\ndata:\n")
    tail = "\n".join(line for line in rest.splitlines() if line.startswith("solver:"))
    observables = ", ".join(f"{name}: {name}" for name in columns)
    head = head.replace("\n\nparameters:\n", f"\n  observables: {{{observables}}}\n\nparameters:\n", 1)
    renamed = {name: column for name, column in columns.items() if name != column}
    data = "\n".join(data_lines(look, list(columns), renamed, left, out, said))
    head = head.replace("# Made by `odefit import` from", "# The model is that of")
    head = re.sub(r"^title: .*\n\n?", "", head, count=1, flags=re.MULTILINE)
    return f"# {found(look)}.\n{_estimated(head, imported.volumes)}\n{data}\n{tail}\nfit: {{starts: 20, seed: 0}}\n"


def _estimated(text: str, volumes: Collection[str]) -> str:
    """The constants of the model as unknowns, where they are few and positive, and no volumes of compartments."""
    names = [one[1] for one in _FIXED.findall(text)]
    if not 0 < len(set(names) - set(volumes)) <= MOST:
        return text

    def unknown(found: re.Match[str]) -> str:
        value = float(found[3])
        if found[2] in volumes:
            return f"{found[0]}  # of a compartment"
        if value <= 0:
            return found[0]
        bounds = f"[{number(value / WIDTH)}, {number(value * WIDTH)}]"
        return f"{found[1]}{{value: {found[3]}, bounds: {bounds}, scale: log}}"

    kept = "constants of the model, estimated here; to keep one: {value: 0.1, estimate: false}"
    return re.sub(r"(?<=  # )constants; to estimate one: .*", kept, _FIXED.sub(unknown, text))
