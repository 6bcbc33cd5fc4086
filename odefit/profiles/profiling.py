"""The profiles of a run: which quantities, from which optima, followed together, and written down on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from odefit.arguments import checked
from odefit.errors import RunError
from odefit.fitting.askable import check_certified, equations_of
from odefit.fitting.cluster import ASKED_AGAIN, Named, cluster_of, with_cluster
from odefit.fitting.run import Run, check_solvable
from odefit.objective.likelihood import Likelihood
from odefit.problem.quantities import named_quantities, quantities_of
from odefit.profiles.records import Profiles, read_profiles
from odefit.profiles.request import Request
from odefit.profiles.session import Session
from odefit.profiles.tracked_parts import parts_of
from odefit.runs.progress import Progress, Silent
from odefit.runs.stored import StoredRun
from odefit.tracking.hooks import track_more
from odefit.uncertainty.degrees_of_freedom import no_degrees_left
from odefit.uncertainty.intervals import check_level

NO_DEGREES = (
    "has no more measurements than parameters, so that no noise can be told and every profile is one of noise that "
    "vanishes: say how large it is, as `noise: {x: {sigma: 0.1}}` does, or measure more"
)


@checked()
def profile(
    run: Run | Path | str,
    parameters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seconds: float | None = None,
    overwrite: bool = False,
    cluster: Named = None,
    progress: Progress | None = None,
) -> Profiles:
    """Profile likelihoods of parameters, derived quantities and predictions of a run.

    The profile of a quantity is the least negative log-likelihood that the parameters can have for each of its values.
    Where it rises by the threshold of the level the interval ends. Such intervals are right where the curvature at the
    optimum misleads: for likelihoods that are bent, flat, or have several optima.

    Parameters
    ----------
    run : Run or path
        A fit of equations that has converged, or its folder.
    parameters : sequence of str, optional
        `k`, a derived quantity, or a prediction such as `conc(6)` or `conc[mary](6)`; default all estimated parameters
        and all derived quantities.
    level : float
        The coverage of the intervals.
    seconds : float, optional
        When to end in any case, about. What is not finished by then is gone on with by the next call.
    overwrite : bool
        Begin anew, also what the run folder has already.
    cluster : str or mapping, optional
        As `fit.cluster`, or `"none"`; default what the config of the run says.
    progress : Progress, optional
        Hears how far it is.

    Returns
    -------
    Profiles
        By name: the interval, a verdict in words, and the points. A run with a folder keeps them there, in
        `profiles.csv` and `profiles.json`.

    Raises
    ------
    RunError
        The fit has not converged, so there is no optimum to begin at, or its model has no likelihood to profile.
    InputError
        A name means nothing, or the level is none.

    References
    ----------
    A. Raue et al., "Structural and practical identifiability analysis of partially observed dynamical models by
    exploiting the profile likelihood", Bioinformatics 25 (2009).

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "scale": "log"}}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> profiles = odefit.profile(run, ["k", "x(6)"])
    >>> profiles.frame[["low", "high"]].round(3).to_dict("index")
    {'k': {'low': 0.482, 'high': 0.514}, 'x(6)': {'low': 0.092, 'high': 0.11}}
    """
    run = check_can_be_profiled(run)
    check_level(level)
    assembly = run.assembly
    wanted = quantities_of(assembly) if parameters is None else named_quantities(assembly, parameters)
    session = Session(Request(run, level), progress or Silent(), seconds)
    earlier = None if overwrite else read_profiles(run)
    session.take(earlier)
    known = frozenset(session.found)
    try:
        with cluster_of(with_cluster(run.loaded, cluster), session.progress.note, ASKED_AGAIN):
            session.follow([quantity for quantity in wanted if not session.has(quantity.name)])
            session.settle(wanted)
    finally:
        session.order(quantity.name for quantity in wanted)
        session.write()
    found = session.profiles.of(quantity.name for quantity in wanted)
    track_more(run, session.progress.note, parts=lambda: parts_of(found, known))
    left = len(wanted) - len(found) - len(session.lost)
    if not left:
        return found
    said = f"{left} of {len(wanted)} profiles were not begun in the time: the same call goes on with them"
    return replace(found, remarks=(*found.remarks, said))


def check_can_be_profiled(run: StoredRun | Path | str) -> Run:
    """The run, from its folder where that is given. Raises RunError where there is nothing to profile."""
    run = equations_of(run, "its decoder has no likelihood of parameters to profile")
    if run.assembly.networks is not None:
        raise RunError(run.place, "has a network, whose weights have no likelihood to profile")
    check_certified(run, "begin at")
    check_solvable(run)
    if not len(run.assembly.problem.table.estimated):
        raise RunError(run.place, "estimates no parameter, so there is nothing to profile")
    if no_degrees_left(Likelihood(run.assembly.problem)):
        raise RunError(run.place, NO_DEGREES)
    return run
