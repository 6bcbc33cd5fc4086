"""The functions of the public face that go on from finished fits: predict, compare, design; and discover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odefit.arguments import checked, times_or_dates
from odefit.fitting.askable import equations_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from odefit.api import Config, Data
    from odefit.comparison.comparing import Comparison
    from odefit.designs.candidates import Candidates
    from odefit.designs.designing import Criterion, Design
    from odefit.discovery.found import Discovery
    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun
    from odefit.prediction.predicting import Bands, Prediction
    from odefit.prediction.wanted import DoseTable, Table
    from odefit.runs.progress import Progress

    AnyRun = Run | LatentRun | Path | str


@checked(times=times_or_dates)
def predict(
    run: AnyRun,
    times: ArrayLike | Mapping[str, ArrayLike] | None = None,
    *,
    experiments: Table | None = None,
    doses: DoseTable | None = None,
    inputs: Path | str | None = None,
    curves: Sequence[str] | None = None,
    bands: Bands = "wald",
    level: float = 0.95,
    seconds: float | None = None,
) -> Prediction:
    """Predict with a fitted model: at new times, under new conditions, with new doses and inputs.

    Parameters
    ----------
    run : Run or path
        The fit, or its folder.
    times : array_like [T] or mapping of such by experiment, optional
        Increasing times, none before the start of an experiment; default the measured ones, and of a new experiment
        those over the time span of the data. Dates (ISO 8601, `datetime`) where the times of the data were dates; inf
        as the last, which is the steady state, where the data have a row at infinite time.
    experiments : path, frame or mapping, optional
        A table of new experiments, one row each, as `data.experiments` of a config has them: constants, initial values
        `x_0`, `start`, labels; or parameters, which are then known. A column `like` names an experiment of the fit,
        whose parameters, conditions, doses and inputs hold where the row says nothing. Default: those of the fit.
    doses : path, frame or list of Dose, optional
        What the experiments get in place of their doses.
    inputs : path, optional
        A CSV with a column for each known function of time that is another one now.
    curves : sequence of str, optional
        Which observables, states and expressions; default: all observables.
    bands : str
        `wald` (the delta method), `profile` (of the likelihood), `bootstrap` or `posterior` (from the parameter sets
        that `odefit bootstrap` or `odefit sample` left in the run folder).
    level : float
        The coverage of the bands.
    seconds : float, optional
        When to end in any case, about; of profile bands, which have gaps then.

    Returns
    -------
    Prediction
        Its `frame` has a row for each experiment, curve and time: predicted, `low` and `high` of the curve, `new_low`
        and `new_high` of a new measurement there. `figure()` draws it.

    Raises
    ------
    InputError
        With all faults: an unknown experiment, a number that a new one lacks, a time before its start.
    RunError
        The fit has no estimates, or not what the bands are made from.
    SolveError
        The model cannot be solved there.

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> found = odefit.predict(run, [0, 6], experiments={"larger": {"x_0": 20}})
    >>> found.frame[["experiment", "time", "predicted", "low", "high"]].round(2).values.tolist()
    [['larger', 0.0, 20.0, 20.0, 20.0], ['larger', 6.0, 1.01, 0.91, 1.11]]
    """
    from odefit.prediction.predicting import predicted
    from odefit.prediction.wanted import Wanted

    wanted = Wanted(experiments, doses, inputs)
    known = equations_of(run, "`odefit predict` is for equations")
    return predicted(known, times, wanted, curves, bands, level, seconds)


@checked()
def compare(*runs: AnyRun) -> Comparison:
    """Compare several fits of the same measurements.

    Parameters
    ----------
    *runs : Run or path
        Two fits or more, or their folders.

    Returns
    -------
    Comparison
        Its `frame` has the criteria of each run, the best first: log-likelihood, AIC, AICc, BIC, Akaike weights, and
        the scores of what was held out. `tests` are the likelihood-ratio tests of nested models, `judgement` says it in
        a sentence, and `figure()` draws all curves.

    Raises
    ------
    RunError
        The fits are of different measurements, so that their likelihoods say nothing about each other; or one has none.

    Examples
    --------
    >>> import odefit
    >>> data = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.21, 0.75, 0.44, 0.27]})]
    >>> runs = [
    ...     odefit.fit({"model": {"equations": {"x": formula}}, "parameters": {name: 0.5 for name in names}}, data=data)
    ...     for formula, names in (("-k*x", "k"), ("-k", "k"))
    ... ]
    >>> found = odefit.compare(*runs)
    >>> found.frame["weight"].round(3).to_dict()
    {'run 1': 1.0, 'run 2': 0.0}
    """
    from odefit.comparison.comparing import compared

    return compared([equations_of(run, "`odefit compare` is for equations") for run in runs])


@checked()
def design(
    run: AnyRun,
    candidates: Candidates,
    quantities: Sequence[str] | None = None,
    *,
    criterion: Criterion | None = None,
    choose: int = 1,
    times: ArrayLike | None = None,
    doses: DoseTable | None = None,
    inputs: Path | str | None = None,
) -> Design:
    """Rank candidate experiments by how much they would reduce the errors of a fit.

    Parameters
    ----------
    run : Run or path
        A fit of equations that has converged.
    candidates : path, frame or mapping
        A row for each: its `times` (`0:24:2`, or numbers with blanks between), `observables` (default all),
        `replicates`, and the columns of a table of new experiments as for `predict`, `like` among them.
    quantities : sequence of str, optional
        What is to be known better: parameters, derived quantities, predictions such as `conc(24)`; default all
        parameters of the model.
    criterion : str, optional
        `d` (the determinant of their covariance), `a` (the mean of their relative variances) or `c` (the error of one);
        default `c` for one quantity, else `d`.
    choose : int
        How many candidates are made together, each at most once: sets of this size are ranked, all of them where
        they are few, else those that a greedy choice and exchanges lead to.
    times : array_like [T], optional
        For candidates that say none.
    doses, inputs
        As for `predict`; the experiments that a table of doses names are the candidates.

    Returns
    -------
    Design
        Its `frame` has the candidates, the best first, with the criterion and the errors after each; `judgement` says
        it in a sentence, and `figure()` draws it.

    Raises
    ------
    RunError
        The fit has not converged, so there is no optimum to plan from, or has no errors.
    InputError
        With all faults of the table, the names and the criterion.

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "scale": "log"}}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> found = odefit.design(run, {"early": {"times": "0.5 1"}, "late": {"times": "8 9"}}, ["k"])
    >>> found.frame["reduction_percent"].round(0).to_dict()
    {'early': 3.0, 'late': 1.0}
    """
    import numpy as np

    from odefit.designs.designing import designed

    grid = None if times is None else np.atleast_1d(np.asarray(times, dtype=np.float64))
    known = equations_of(run, "`odefit design` is for equations")
    return designed(known, candidates, quantities, criterion, doses, inputs, grid, choose)


@checked()
def discover(
    config: Config,
    overrides: Sequence[str] = (),
    *,
    data: Data | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    models: int = 10,
    samples: int = 100,
    seconds: float | None = None,
    only_beside: bool | None = None,
    progress: Progress | None = None,
) -> Discovery:
    """Find the equations of measured states out of a library of terms.

    Terms are looked for along smooth curves (weak form and derivative form), then on trajectories; every candidate is
    refitted as any other model is, with intervals, a certificate and criteria.

    Parameters
    ----------
    config : path or mapping
        With `model: {name: sparse, states: [...], library: {...}}`.
    overrides : sequence of str
        `model.library.degree=2` and the like.
    data : pandas.DataFrame or sequence of Experiment, optional
        The measurements, in place of those that the config names.
    out : path, optional
        A folder for all that is found: the candidates' run folders, tables, the best one as a config. Another call goes
        on with what is there. Without it all is in memory.
    overwrite : bool
        Begin anew in `out`.
    models : int
        The most candidates, each a model that is refitted.
    samples : int
        Resamplings of stretches of time, for inclusion probabilities of terms.
    seconds : float, optional
        When to end in any case, about: the candidates that are missing then are those of less support.
    only_beside : bool, optional
        As for `load`.
    progress : Progress, optional
        Is told how it goes.

    Returns
    -------
    Discovery
        `frame` has the candidates with their criteria and weights, the best first; `equations` those of the best,
        `best` its run, `config` the text of an ordinary config, `terms` the inclusion probabilities, `judgement` what
        the data support; `figure()` draws it.

    Raises
    ------
    ConfigError, DataError, ModelError
        With all faults: a state that is not measured, an unknown name in the library.
    RunError
        `out` holds the discovery of something else.
    FitError
        No set of terms can be solved along the data.

    References
    ----------
    S. L. Brunton, J. L. Proctor and J. N. Kutz, Proc. Natl. Acad. Sci. USA 113:3932 (2016); D. A. Messenger and
    D. M. Bortz, Multiscale Model. Simul. 19:1474 (2021); J. Chen and Z. Chen, Biometrika 95:759 (2008).

    Examples
    --------
    >>> import numpy as np, odefit
    >>> t = np.linspace(0, 4, 41)
    >>> x = 2 * np.exp(-0.5 * t) + 0.01 * np.sin(37 * t)
    >>> config = {"model": {"name": "sparse", "states": ["x"], "library": {"degree": 2}}}
    >>> found = odefit.discover(config, data=[odefit.Experiment("a", t, {"x": x})])
    >>> found.equations
    {'x': '-0.5*x'}
    """
    from odefit.api import load_run, loaded_from
    from odefit.discovery.asked import Asked
    from odefit.discovery.discovering import discovered

    loaded = loaded_from(config, overrides, data, only_beside)
    asked = Asked(models, samples, seconds=seconds)
    place = None if out is None else Path(out)
    return discovered(loaded, place, asked, load_run, overwrite, progress)
