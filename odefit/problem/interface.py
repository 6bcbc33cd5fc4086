"""`odefit.Problem`: a model bound to its data as plain functions of its parameters, for any optimizer or sampler.

All is computed on the natural scale; the `_search` forms follow by the chain rule with the slopes dx/du of the
transforms. A density of u has the factor dx/du beside, so

    log_posterior_search(u) = log_posterior(x(u)) + sum ln(dx/du).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from odefit.arrays import FloatArray
from odefit.errors import ModelError
from odefit.objective.jacobian import LocalRows, stacked
from odefit.objective.likelihood import Likelihood
from odefit.objective.noise.families import family_of
from odefit.objective.observation import Moments
from odefit.objective.parameters import ParameterTable
from odefit.objective.priors import Prior
from odefit.objective.slopes import values_and_gradients
from odefit.objective.transforms import Transforms
from odefit.problem.assembly import Assembly
from odefit.problem.frames import measured_frame, solution_frame, wanted_times
from odefit.problem.solver_steps import with_steps
from odefit.problem.wider import curves_and_expressions
from odefit.text import clip

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 6
"""The most parameters that the text form names."""


class Problem:
    """A model bound to its data: what `odefit.load` returns.

    `x` is always an array [P] of natural values, one for each of `names`: all estimated parameters, initial values
    and noise levels included. `u` [P] holds the same on the search scale (logarithms of those with `scale: log`, and
    so on), where optimizers and samplers have it easier. The functions that end in `_search` take u, and their
    derivatives are those to u.

    Measurements that are held out (`data.hold_out`) are seen by none of the functions, only by `simulate`.

    No function raises because of the values in x. Outside of `bounds`, and where the model cannot be solved, `nll` is
    inf, the log densities are -inf, residuals are inf, and all derivatives are NaN; `simulate(x)` says why. An x of
    another length is a ValueError.

    Examples
    --------
    >>> import odefit
    >>> problem = odefit.load(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "bounds": [0, 5]}}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3], {"x": [2.0, 1.2, 0.75, 0.45]})],
    ... )
    >>> problem.names
    ('k', 'x_0', 'sigma_x')
    >>> from scipy.optimize import minimize
    >>> found = minimize(
    ...     problem.nll_search, problem.to_search(problem.x0), jac=problem.gradient_search, method="L-BFGS-B"
    ... )
    >>> print(problem.to_natural(found.x)[0].round(2))
    0.5
    """

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        table = assembly.problem.table
        bare = ParameterTable(tuple(replace(p, scale="linear", prior=None) for p in table))
        self._problem = replace(assembly.problem, table=bare)
        self._likelihood = Likelihood(self._problem)

    # -- what it is a function of

    @property
    def names(self) -> tuple[str, ...]:
        """The estimated parameters, in the order of x and u."""
        return self._problem.table.estimated_names

    @property
    def x0(self) -> FloatArray:
        """[P] where the config starts the search, natural scale."""
        table = self._problem.table
        return table.values[table.estimated]

    @cached_property
    def _transforms(self) -> Transforms:
        return self._assembly.problem.table.transforms

    @property
    def bounds(self) -> FloatArray:
        """[P, 2] lower and upper bounds of x, infinite where there are none: what SciPy takes as `bounds`."""
        return np.stack([self._transforms.lower, self._transforms.upper], axis=1)

    @property
    def bounds_search(self) -> FloatArray:
        """[P, 2] the bounds of u."""
        return np.stack(self._transforms.search_bounds(), axis=1)

    def to_search(self, x: ArrayLike) -> FloatArray:
        """u [P] at x [P]; infinite at an open end of a scale, NaN beyond it."""
        return self._transforms.to_search(self._vector(x))

    def to_natural(self, u: ArrayLike) -> FloatArray:
        """x [P] at u [P]."""
        return self._transforms.to_natural(self._vector(u, "u"))

    @property
    def data(self) -> pd.DataFrame:
        """The measurements that the problem sees, one row each in the order of `residuals`: experiment, time,
        observable, value, and censored (`below` or `above` a limit, or empty)."""
        return measured_frame(self._problem)

    # -- the likelihood

    def nll(self, x: ArrayLike) -> float:
        """The negative log-likelihood -ln p(data | x), with all its constants and without priors.

        Parameters
        ----------
        x : array_like [P]
            Natural values.

        Returns
        -------
        float
            inf outside of the bounds and where the model fails.

        Raises
        ------
        ValueError
            x has another shape than [P].

        Examples
        --------
        >>> import math, odefit
        >>> problem = odefit.load(
        ...     {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}}, "parameters": {"k": 1},
        ...      "noise": {"x": {"sigma": 0.1}}},
        ...     data=[odefit.Experiment("a", [0, 1], {"x": [None, 0.5]})],
        ... )
        >>> r = (math.exp(-1) - 0.5) / 0.1
        >>> print(f"{problem.nll([1.0]):.4f} {r**2 / 2 + math.log(0.1 * math.sqrt(2 * math.pi)):.4f}")
        -0.5109 -0.5109
        """
        x = self._vector(x)
        return self._likelihood.value(x) if self._is_inside(x) else math.inf

    def gradient(self, x: ArrayLike) -> FloatArray:
        """d nll / dx, [P], exact; NaN where nll is inf."""
        x = self._vector(x)
        if not self._is_inside(x):
            return np.full(len(x), np.nan)
        gradient: FloatArray = values_and_gradients(self._likelihood, x[None])[1][0]
        return gradient

    def fisher(self, x: ArrayLike) -> FloatArray:
        """The expected Fisher information of the data, [P, P]; NaN where nll is inf.

        Its inverse at the optimum is the covariance of the estimates. A measurement that is only a limit counts with
        its observed curvature.
        """
        x = self._vector(x)
        found = self._dense.information(x) if self._is_inside(x) else None
        if found is None or not found.is_finite:
            return np.full((len(x), len(x)), np.nan)
        a = found.A.dense()
        return a.T @ a

    def residuals(self, x: ArrayLike) -> FloatArray:
        """(predicted - measured) / sigma of all measurements, [M], in the order of `data`; inf where nll is inf.

        For log-normal noise both are logarithms. Half the sum of squares is then `nll` but for the logarithms of the
        sigmas, so a least-squares optimizer finds the maximum of the likelihood where the sigmas are given; where they
        are estimated use `nll`, for residuals alone shrink as a sigma grows.

        Raises
        ------
        ModelError
            A measurement has other noise than normal or log-normal, or is only a limit: it has no such residual. Use
            `nll`, `gradient` and `fisher`, which know all kinds of noise.
        ValueError
            x has another shape than [P].
        """
        x = self._vector(x)
        self._check_least_squares()
        moments = self._likelihood.moments(x, derivatives=False) if self._is_inside(x) else None
        if moments is None:
            return np.full(sum(data.n for data in self._problem.data), np.inf)
        found = np.concatenate([r for r, _ in self._standardised(moments)])
        return found if np.isfinite(found).all() else np.full(len(found), np.inf)

    def jacobian(self, x: ArrayLike) -> FloatArray:
        """d residuals / dx, [M, P], to the sigmas as well; NaN where nll is inf. Raises what `residuals` raises."""
        x = self._vector(x)
        self._check_least_squares()
        moments = self._likelihood.moments(x, derivatives=True) if self._is_inside(x) else None
        if moments is None:
            return np.full((sum(data.n for data in self._problem.data), len(x)), np.nan)
        columns, owner, rows = self._dense.columns, self._problem.owner, []
        k = columns.positions.shape[1]
        pairs = zip(self._problem.data, moments, self._standardised(moments), strict=True)
        for data, observed, (r, s) in pairs:
            slopes = np.zeros((len(r), k))
            if observed.dm is not None:
                slopes += observed.dm[data.rows]
            if observed.ds is not None:
                slopes -= observed.ds[data.rows] * r[:, None]
            rows.append(LocalRows(slopes / s[:, None], owner[data.rows]))
        found = columns.rows([], stacked(rows, k), np.ones(len(x))).dense()
        return found if np.isfinite(found).all() else np.full(found.shape, np.nan)

    # -- with priors

    def log_prior(self, x: ArrayLike) -> float:
        """The log density of the priors at x, as a density of x; -inf outside of the bounds.

        A parameter without a prior has the density 1, whatever its scale. A prior `on: log` is a density of ln x, which
        is turned into one of x here. Bounds cut a prior off without rescaling it, so the constant is not that of a
        density that integrates to one, unless the prior is `truncated`.
        """
        x = self._vector(x)
        if not self._is_inside(x):
            return -math.inf
        return -sum(prior.value(x[k]) + (math.log(x[k]) if prior.on == "log" else 0.0) for k, prior in self._priors)

    def log_posterior(self, x: ArrayLike) -> float:
        """log_prior(x) - nll(x): the log density of x given the data, up to a constant; -inf where nll is inf."""
        prior = self.log_prior(x)
        return prior - self.nll(x) if math.isfinite(prior) else -math.inf

    def log_posterior_gradient(self, x: ArrayLike) -> FloatArray:
        """d log_posterior / dx, [P]; NaN where that is -inf."""
        x = self._vector(x)
        if not math.isfinite(self.log_prior(x)):
            return np.full(len(x), np.nan)
        slope = -self.gradient(x)
        for k, prior in self._priors:
            z, root = prior.score(float(x[k]))
            slope[k] -= z * root + (1 / x[k] if prior.on == "log" else 0.0)
        return slope

    # -- on the search scale

    def nll_search(self, u: ArrayLike) -> float:
        """`nll` at u [P]."""
        return self.nll(self._from_search(u))

    def gradient_search(self, u: ArrayLike) -> FloatArray:
        """d nll / du, [P]."""
        return self.gradient(self._from_search(u)) * self._slope(u)

    def fisher_search(self, u: ArrayLike) -> FloatArray:
        """The expected Fisher information about u, [P, P]."""
        slope = self._slope(u)
        return self.fisher(self._from_search(u)) * np.outer(slope, slope)

    def residuals_search(self, u: ArrayLike) -> FloatArray:
        """`residuals` at u [P], [M]."""
        return self.residuals(self._from_search(u))

    def jacobian_search(self, u: ArrayLike) -> FloatArray:
        """d residuals / du, [M, P]."""
        return self.jacobian(self._from_search(u)) * self._slope(u)

    def log_posterior_search(self, u: ArrayLike) -> float:
        """The log density of u given the data: `log_posterior` with the Jacobian of the transform.

        Samples of this density, turned by `to_natural`, are samples of `log_posterior`.
        """
        value = self.log_posterior(self._from_search(u))
        return (
            value + float(self._transforms.log_derivative(self._vector(u, "u")).sum()) if value > -math.inf else value
        )

    def log_posterior_gradient_search(self, u: ArrayLike) -> FloatArray:
        """d log_posterior_search / du, [P]."""
        inner = self.log_posterior_gradient(self._from_search(u)) * self._slope(u)
        return inner + self._transforms.log_derivative_slope(self._vector(u, "u"))

    # -- the model itself

    def simulate(self, x: ArrayLike, times: ArrayLike | Mapping[str, ArrayLike] | None = None) -> pd.DataFrame:
        """Solve the model at x, without noise.

        Parameters
        ----------
        x : array_like [P]
            Natural values; bounds do not matter here.
        times : array_like [T] or mapping of such by experiment, optional
            Increasing times, none before the start of an experiment; default the measured ones, with those held out.

        Returns
        -------
        pandas.DataFrame
            In the wide layout: experiment, time, every observable, and the states and expressions that are none. It
            may be handed to `load` or `fit` as `data`.

        Raises
        ------
        SolveError
            The model cannot be solved there.
        ValueError
            x has another shape than [P], or the times are none.
        """
        theta = self._theta(self._vector(x))
        experiments = wanted_times(self._assembly.measured, times)
        solved, rows = with_steps(self._problem, experiments)
        curves = curves_and_expressions(self._problem, theta, solved)
        chosen = ([values[own] for values, own in zip(found, rows, strict=True)] for found in curves)
        return solution_frame(self._assembly.described.system, experiments, *chosen)

    # -- how it shows itself, and travels to other processes

    def __reduce__(self) -> tuple[type[Problem], tuple[Assembly]]:
        problem = self._assembly.problem
        # Without the functions that were compiled on the way: they do not travel.
        bare = replace(problem, observation=replace(problem.observation), engine=problem.engine.reset_copy())
        return Problem, (replace(self._assembly, problem=bare),)

    def __repr__(self) -> str:
        names = ", ".join(self.names[:MAX_SHOWN]) + (", …" if len(self.names) > MAX_SHOWN else "")
        n = self._problem.n_measured
        return f"<Problem: {n} measurements, {len(self.names)} estimated: {clip(names, 200)}>"

    def _repr_html_(self) -> str:
        from odefit.html import html_table

        scales = self._transforms.scales
        rows = zip(self.names, self.x0, *self.bounds.T, scales, strict=True)
        caption = f"{self._problem.n_measured} measurements, {len(self.names)} estimated parameters"
        return html_table(caption, ("parameter", "start", "lower", "upper", "scale"), list(rows))

    # -- within

    @cached_property
    def _priors(self) -> list[tuple[int, Prior]]:
        table = self._assembly.problem.table
        chosen = (table.parameters[i].prior for i in table.estimated)
        return [(k, prior) for k, prior in enumerate(chosen) if prior is not None]

    @cached_property
    def _dense(self) -> Likelihood:
        """The same with a matrix where the arrow form would do."""
        return Likelihood(self._problem, blocks=False)

    def _vector(self, x: ArrayLike, name: str = "x") -> FloatArray:
        array = np.asarray(x, dtype=np.float64)
        if array.shape != (len(self.names),):
            listed = clip(", ".join(self.names), 300)
            raise ValueError(
                f"{name} has the shape {array.shape}; needed is ({len(self.names)},), one of each: {listed}"
            )
        return array

    def _theta(self, x: FloatArray) -> FloatArray:
        return self._problem.table.to_natural(x)

    def _is_inside(self, x: FloatArray) -> bool:
        """False for NaN."""
        transforms = self._transforms
        return bool(((x >= transforms.lower) & (x <= transforms.upper) & np.isfinite(x)).all())

    def _from_search(self, u: ArrayLike) -> FloatArray:
        """x at u, NaN where u is out of its bounds: a rounded exp must not bring it back."""
        u = self._vector(u, "u")
        low, high = self._transforms.search_bounds()
        return np.where((u >= low) & (u <= high), self._transforms.to_natural(u), np.nan)

    def _slope(self, u: ArrayLike) -> FloatArray:
        return self._transforms.derivative(self._vector(u, "u"))

    def _standardised(self, moments: Sequence[Moments]) -> list[tuple[FloatArray, FloatArray]]:
        """Residuals and sigma, [M] each, of every observable."""
        found = []
        with np.errstate(all="ignore"):
            for data, observed in zip(self._problem.data, moments, strict=True):
                s = data.scale(data.measured, observed)
                found.append(((observed.m[data.rows] - data.values) / s, s))
        return found

    def _check_least_squares(self) -> None:
        for name, data in zip(self._problem.observation.names, self._problem.data, strict=True):
            if data.n and (data.family is not family_of("gaussian") or data.censored is not None):
                what = "has measurements that are only limits" if data.censored is not None else "has other noise"
                remedy = "use nll, gradient and fisher"
                raise ModelError(name, f"{what}, and residuals are for normal and log-normal noise; {remedy}")
