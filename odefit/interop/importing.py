"""`odefit import`: a PEtab problem or an SBML model as odefit's own YAML and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from odefit.errors import Faults
from odefit.interop.conditions import later_targets
from odefit.interop.draft import Draft
from odefit.interop.drafting import draft_of_model, draft_of_problem
from odefit.interop.files import write_files
from odefit.interop.formats import SBML_SUFFIXES
from odefit.interop.petab_reading import problem_name, read_problem
from odefit.interop.sbml_model import sbml_model
from odefit.interop.sbml_reading import read_sbml
from odefit.interop.sciml.joining import hybrid_of, with_networks
from odefit.interop.writing import config_files
from odefit.records import dataclass
from odefit.text import counted


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes
    ----------
    name
        Of the config, without `.yaml`.
    files
        Text by file name, the config first.
    beside
        Descriptions of networks and arrays by file name.
    summary
        One line: how much of what.
    decisions
        A sentence for each thing that had to be decided.
    warnings
        A sentence for each thing that is probably a mistake.
    next_command
        Of odefit, for the config: `check` where there are data, else `simulate`.
    rows
        Where each row of the data stands in the problem.
    volumes
        The compartments of a model that comes alone.
    """

    name: str
    files: Mapping[str, str]
    summary: str
    decisions: tuple[str, ...]
    next_command: str
    rows: tuple[str, ...] = ()
    beside: Mapping[str, bytes] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """Write the files into a folder, which is made. Gives the path of the config. Raises RunError."""
        return write_files(folder, {**self.files, **self.beside})


def import_file(path: Path, only_beside: bool | None = None) -> Imported:
    """A PEtab problem or an SBML model as the files of a config.

    Parameters
    ----------
    path
        The YAML file of a problem, or an SBML file.
    only_beside
        Refuse a problem that names files elsewhere than beside it or below; default: what the environment says.

    Returns
    -------
    Imported

    Raises
    ------
    ConfigError
        Every fault of the problem that can be known at once, each with its file and line; nothing is written.
    """
    faults, rows, volumes = Faults(), tuple[str, ...](), tuple[str, ...]()
    if path.suffix.lower() in SBML_SUFFIXES:
        model = sbml_model(read_sbml(path))
        draft, volumes = draft_of_model(model, problem_name(path), path.name, faults), model.compartments
    else:
        problem = read_problem(path, only_beside)
        model = sbml_model(read_sbml(problem.sbml), later_targets(problem.experiments.values()))
        joined = hybrid_of(problem, model, faults)
        draft = with_networks(draft_of_problem(joined.problem, joined.model, faults), joined)
        rows = tuple(row.where for row in problem.measurements)
    files = config_files(draft, faults)
    faults.check()
    following = "check" if draft.data else "simulate"
    decisions, warnings = tuple(draft.decisions), tuple(draft.unnamed.values())
    return Imported(draft.name, files, _summary(draft), decisions, following, rows, draft.files, volumes, warnings)


def _summary(draft: Draft) -> str:
    estimated = sum(p.estimate and p.formula is None for p in draft.parameters)
    parts = [counted(len(draft.equations), "state"), f"{counted(estimated, 'parameter')} estimated"]
    if draft.data is not None:
        rows = draft.data.rows
        experiments = len({row[0] for row in rows})
        parts += [counted(len(draft.observables), "observable"), counted(experiments, "experiment")]
        parts.append(counted(len(rows), "measurement"))
    return ", ".join(parts)
