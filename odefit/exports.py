"""What is fitted, in the formats of other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.api import assembled, load_run
from odefit.errors import RunError

if TYPE_CHECKING:
    from odefit.fitting.run import Run
    from odefit.interop.petab_export.exporting import Exported


def export_petab(
    source: Run | Path | str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    only_beside: bool | None = None,
) -> Exported:
    """A config, or a fit with its estimates, as a PEtab problem: version 2, with a model in SBML.

    Parameters
    ----------
    source : Run, path or mapping
        A fit, its run folder, a config file, or what would stand in one.
    overrides : sequence of str
        Of a config's keys, as for `fit`.
    only_beside : bool, optional
        As for `fit`.

    Returns
    -------
    Exported
        `files` (text by name), `notes`, `offset` (what PEtab's objective has more), and `write(folder)`.

    Raises
    ------
    ConfigError
        What is wrong with the config, or all that PEtab cannot hold, by name.
    RunError
        The run folder is missing or damaged, or is of a model without equations.

    Examples
    --------
    >>> import odefit
    >>> data = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]
    >>> run = odefit.fit({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=data)
    >>> exported = odefit.export_petab(run)
    >>> list(exported.files)[:3]
    ['problem.yaml', 'model.xml', 'parameters.tsv']
    """
    from odefit.fitting.run import Run
    from odefit.interop.petab_export.exporting import export_problem

    if isinstance(source, Path | str) and Path(source).is_dir():
        source = load_run(source)  # type: ignore[assignment]
    if isinstance(source, Mapping | Path | str):
        assembly = assembled(source, overrides, only_beside=only_beside)
        name = "model" if isinstance(source, Mapping) else Path(source).stem
        return export_problem(assembly, None, name)
    if not isinstance(source, Run):
        raise RunError("the run", "is of a model without equations, which SBML cannot hold")
    name = "model" if source.path is None else source.path.resolve().name
    return export_problem(source.assembly, source.theta, name)
