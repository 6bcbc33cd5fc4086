"""`odefit.symbols`: formulas for what the networks of a run have learnt."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from odefit.arguments import checked
from odefit.errors import FitError, InputError, RunError
from odefit.fitting.askable import equations_of
from odefit.fitting.run import Run, check_solvable
from odefit.runs.lock import locked
from odefit.runs.log import Logged
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.status import Status
from odefit.symbolic.found import Symbols, judged
from odefit.symbolic.refits import Refits
from odefit.symbolic.regression import formulas_of
from odefit.symbolic.samples import samples_of
from odefit.symbolic.storage import write_symbols
from odefit.symbolic.terms import KINDS, Kind, library
from odefit.text import clip, suggest

MOST_INPUTS = 6
"""Of a network whose formulas are looked for."""
MOST_DEGREE = 6


@checked()
def symbols(
    run: Run | Path | str,
    *,
    terms: Sequence[str] = KINDS,
    degree: int = 3,
    most: int = 5,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Symbols:
    """Put formulas in the places of a run's networks.

    The networks are read along the fitted trajectories, sparse regressions on a library of terms propose formulas of
    growing size, and the whole model is fitted again with each of them in place of the network. A run with a folder
    gets `symbols.csv`, `symbols.json` and `symbols.yaml`, the config of the best model.

    Parameters
    ----------
    run : Run or path
        A fit of equations with networks, or of a neural vector field; or its folder.
    terms : sequence of {"polynomial", "saturating", "exp", "sin"}
        What formulas are made of, beside constants.
    degree : int
        Of the polynomials.
    most : int
        The most terms of a formula.
    seconds : float, optional
        When to end in any case, about, with what is found.
    progress : Progress, optional
        Hears how far it is.

    Returns
    -------
    Symbols
        `frame` is the table of models, the best first; `equations` those of the best one, `config_text` its config, and
        `figure()` draws them.

    Raises
    ------
    RunError
        The run has no network, or no estimates.
    FitError
        No model with formulas could be fitted.
    InputError
        An argument has a value that it cannot have.

    References
    ----------
    C. Rackauckas et al., "Universal differential equations for scientific machine learning", arXiv 2001.04385 (2020).

    Examples
    --------
    >>> import odefit, numpy
    >>> t = numpy.linspace(0, 3, 31)
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "net(x)"}, "networks": {"net": {"hidden": [4]}}},
    ...      "fit": {"method": "least_squares", "match": 60, "epochs": 5}},
    ...     data=[odefit.Experiment("a", t, {"x": 2 * numpy.exp(-t)})],
    ... )
    >>> odefit.symbols(run, terms=["polynomial"], degree=2).equations
    {'x': '-1*x'}
    """
    told = Logged(progress or Silent())
    until = None if seconds is None else time.monotonic() + seconds
    run = _checked(run, terms, degree, most)
    if run.result.status != Status.CONVERGED:
        told.note(f"the fit did not converge ({run.result.status}): its network may not be what the data say")
    with _folder(run) as folder:
        told.now("reading the network along the fitted curves")
        samples = samples_of(run)
        options = []
        for sample in samples:
            told.now(f"formulas for {sample.call}")
            chosen: list[Kind] = [kind for kind in KINDS if kind in terms]
            own = library(sample.inputs, sample.x, chosen, degree)
            options.append(formulas_of(sample, own, most))
            if not options[-1]:
                raise FitError(
                    f"{sample.call} is zero, or not finite, along all curves: no formula can be found for it"
                )
        refits = Refits(run, folder, samples, until, told)
        refits.search(options)
        found = judged(run, samples, refits)
        if run.path is not None:
            found = write_symbols(run.path, found)
    return found


def _checked(run: StoredRun | Path | str, terms: Sequence[str], degree: int, most: int) -> Run:
    """The run, from its folder where that is given. Raises RunError or InputError."""
    run = equations_of(run, "its latent states have no meaning that a formula could name")
    check_solvable(run)
    if run.assembly.networks is None:
        raise RunError(run.place, "has no network in whose place formulas could be put")
    if not terms:
        raise InputError("terms", f"must name some of {', '.join(KINDS)}")
    for kind in terms:
        if kind not in KINDS:
            raise InputError("terms", f"'{clip(kind)}' is none; {suggest(kind, get_args(Kind))}")
    if not 1 <= degree <= MOST_DEGREE:
        raise InputError("degree", f"must be from 1 to {MOST_DEGREE} (got {degree})")
    if not 1 <= most <= 10:
        raise InputError("most", f"must be from 1 to 10 (got {most})")
    wide = [n.name for n in run.assembly.described.system.networks.values() if n.inputs > MOST_INPUTS]
    if wide:
        raise RunError(run.place, f"{wide[0]} has more than {MOST_INPUTS} inputs: no library of terms covers these")
    return run


@contextmanager
def _folder(run: Run) -> Iterator[Path]:
    """The run's folder, locked; a temporary one for a run in memory."""
    if run.path is not None:
        with locked(run.path):
            yield run.path
        return
    with tempfile.TemporaryDirectory(prefix="odefit-") as place:
        folder = Path(place) / "run"
        run.save(folder)
        yield folder
