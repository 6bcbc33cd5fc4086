"""`odefit export --petab`: a config, or the fit in a run folder, as a PEtab problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from odefit.arrays import FloatArray
from odefit.interop.files import write_files
from odefit.interop.petab_export.collecting import petab_tables
from odefit.interop.petab_export.tables import ARRAYS, petab_files
from odefit.interop.sciml.arrays import as_bytes
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.text import counted


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes
    ----------
    name
        Of the model.
    files
        Text by file name, the YAML first.
    summary
        One line: how much of what.
    notes
        What is lost, or had to be decided, a sentence each.
    offset
        What PEtab's objective has more than odefit's.
    beside
        Weights of networks by file name.
    """

    name: str
    files: Mapping[str, str]
    summary: str
    notes: tuple[str, ...]
    offset: float
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the files into a folder, which is made. Gives the path of the YAML file. Raises RunError."""
        return write_files(folder, {**self.files, **self.beside})


def export_problem(assembly: Assembly, theta: FloatArray | None = None, name: str = "model") -> Exported:
    """A problem as PEtab version 2 with a model in SBML.

    Parameters
    ----------
    assembly
        The problem and its data.
    theta
        [N], the nominal values; default those that the search starts from.
    name
        What the model is called.

    Returns
    -------
    Exported

    Raises
    ------
    ConfigError
        All that PEtab cannot hold, by name; or libsbml is not installed.
    """
    tables = petab_tables(assembly, assembly.problem.table.values if theta is None else theta, name)
    parts = [counted(len(tables.model.rates), "state")]
    parts.append(f"{counted(len(tables.parameters), 'parameter')} estimated")
    parts += [counted(len(tables.observables), "observable"), counted(len(tables.experiments), "experiment")]
    parts.append(counted(len(tables.measurements), "measurement"))
    beside = {} if tables.networks is None else {ARRAYS: as_bytes(tables.networks.arrays)}
    return Exported(name, petab_files(tables), ", ".join(parts), tables.notes, tables.offset, beside)
