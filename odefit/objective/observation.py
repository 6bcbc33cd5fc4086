"""From states to what is measured: the prediction m = T(g) and its sigma, with exact derivatives.

For observable o with formula g(y, t, p), noise scale T (identity or log) and noise level s(y, t, p):

    m = T(g),   dm/dp = sum_k (dm/dy_k) dy_k/dp + dm/dp|_y,   and the same for s.

m and s are the location and the second parameter of the observable's family of noise (family.py). All formulas of
all observables are compiled into one function, so one call serves a whole fit. What an observable compares with an
earlier value (comparisons.py) is a level beside the states, and g is that level itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, last_first, spread
from odefit.model.formulas import free_names
from odefit.model.functions import Networks, numpy_function, torch_function
from odefit.model.system import TIME, System, symbol
from odefit.objective.comparisons import Comparisons
from odefit.objective.noise.families import family_of
from odefit.objective.noise.family import Family
from odefit.objective.partials import Partials
from odefit.records import dataclass

if TYPE_CHECKING:
    from torch import Tensor


LOG_MODELS = ("lognormal", "log10_normal", "log_laplace", "log10_laplace")
"""The noise models of logarithms."""


def covariate_symbol(name: str, observable: str) -> str:
    """The symbol of a column of the data beside the measurements of an observable."""
    return f"{name}[{observable}]"


@dataclass(frozen=True)
class Noise:
    """How one observable scatters.

    Parameters
    ----------
    model
        gaussian, lognormal, laplace, student_t, poisson, negative_binomial, … Its scale T is the natural logarithm for
        those of LOG_MODELS.
    sigma
        Formula of states, time, inputs, covariates and local symbols for the family's second parameter on the scale
        of T: a standard deviation, a scale; the dispersion of negative_binomial. None where the data bring their own,
        and for poisson.
    df
        Degrees of freedom of student_t; 4 unless given.
    covariates
        Columns of the data that the formula names, as `covariate_symbol`.
    """

    model: str
    sigma: sp.Expr | None
    df: float | None = None
    covariates: tuple[str, ...] = ()

    @property
    def is_log(self) -> bool:
        """Whether the noise model is one of logarithms."""
        return self.model in LOG_MODELS

    @property
    def unit(self) -> float:
        """How large on the scale of T a sigma of 1 is that a user gives: ln 10 for models of decimal logarithms."""
        return math.log(10) if self.model.startswith("log10") else 1.0

    @cached_property
    def family(self) -> Family:
        """The distribution on the scale of T."""
        return family_of(self.model, self.df)

    def moves_with(self, names: Iterable[str]) -> bool:
        """Whether the second parameter depends on any of these."""
        return self.sigma is not None and not free_names(self.sigma).isdisjoint(names)

    def sample(self, m: FloatArray, s: FloatArray | None, rng: np.random.Generator) -> FloatArray:
        """Measurements drawn at random.

        Parameters
        ----------
        m, s
            [M] each, location and second parameter on the scale of T; s is None for a family without one.
        rng
            Draws them.

        Returns
        -------
        FloatArray
            [M], natural scale.
        """
        return self._natural(self.family.sample(m, np.zeros_like(m) if s is None else s, rng))

    def quantile(self, p: float, m: FloatArray, s: FloatArray | None) -> FloatArray:
        """The p-quantile of a measurement [M] at m and s as in `sample`, natural scale."""
        return self._natural(self.family.quantile(p, m, np.zeros_like(m) if s is None else s))

    def _natural(self, values: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.exp(values) if self.is_log else values


def covariates_of(noise: Sequence[Noise]) -> tuple[tuple[str, int], ...]:
    """The covariates of the noise of all observables, each with the position of its observable."""
    return tuple((name, position) for position, model in enumerate(noise) for name in model.covariates)


@dataclass(frozen=True)
class Moments:
    """Location and scale of one observable in all R rows, at one point or at many (a leading axis).

    Parameters
    ----------
    m
        [..., R].
    s
        [..., R], [..., 1] or a number; None where it comes with the data, or the family has none.
    dm, ds
        [..., R, K], derivatives to the sensitive symbols; None where nothing sensitive has a part, or they were not
        asked for.
    """

    m: FloatArray
    s: FloatArray | float | None
    dm: FloatArray | None = None
    ds: FloatArray | None = None

    def at(self, point: int) -> Moments:
        """Those of one of many points."""
        s = self.s
        if s is not None and np.ndim(s) > 1:
            s = np.broadcast_to(s, self.m.shape)[point]
        one = None if self.dm is None else self.dm[point]
        return Moments(self.m[point], s, one, None if self.ds is None else self.ds[point])

    def repeated(self, n: int) -> Moments:
        """Those of a single point, of many, as those of n points that are the same."""
        s = self.s
        if s is not None and np.ndim(s) > 1:
            s = np.repeat(np.asarray(s), n, axis=0)
        dm, ds = (None if slopes is None else np.repeat(slopes, n, axis=0) for slopes in (self.dm, self.ds))
        return Moments(np.repeat(self.m, n, axis=0), s, dm, ds)

    def as_points(self) -> Moments:
        """Those of one point as of many."""
        s = None if self.s is None else np.asarray(self.s)[None]
        dm, ds = (None if slopes is None else slopes[None] for slopes in (self.dm, self.ds))
        return Moments(self.m[None], s, dm, ds)


@dataclass(frozen=True)
class Observation:
    """The observables of a system under their noise models.

    Parameters
    ----------
    system
        Its observables are the formulas g.
    noise
        The noise model of each observable.
    symbols
        The L + U local names: the system's parameters, the noise parameters, as in `Binding`, and behind them the
        system's inputs and the covariates.
    sensitive
        The K local names that derivatives are taken to; the first `len(engine.sensitive)` are those that states depend
        on.
    networks
        The modules of networks that the formulas call; derivatives through them are those of tensors.
    """

    system: System
    noise: Mapping[str, Noise]
    symbols: tuple[str, ...]
    sensitive: tuple[str, ...]
    networks: Networks = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The observables, in the order of the columns."""
        return tuple(self.system.observables)

    def noise_for_readers(self, name: str) -> Noise:
        """That of an observable whose name stands where the level depends on the prediction."""
        noise, prediction = self.noise[name], self.system.predicted[name]
        if noise.sigma is None or prediction.is_Symbol or not prediction.free_symbols:
            return noise
        return replace(noise, sigma=noise.sigma.xreplace({prediction: symbol(name)}))

    @cached_property
    def comparisons(self) -> Comparisons | None:
        """What is compared with an earlier value; None where nothing is."""
        return Comparisons(self.system, self.symbols, self.sensitive) if self.system.compared else None

    @property
    def levels(self) -> tuple[str, ...]:
        """The states, and what is compared: S in all."""
        return (*self.system.states, *(() if self.comparisons is None else self.comparisons.names))

    @property
    def covariates(self) -> tuple[tuple[str, int], ...]:
        """The columns of the data that noise formulas name, and beside which observable: the last of the symbols."""
        return covariates_of([self.noise[name] for name in self.names])

    @property
    def _arguments(self) -> tuple[str, ...]:
        return (*self.levels, TIME, *self.symbols)

    @cached_property
    def formulas(self) -> list[sp.Expr]:
        """The formulas of m of every observable, and behind them those of s, where an observable has one."""
        scaled = [sp.log(g) if self.noise[name].is_log else g for name, g in self.system.predicted.items()]
        return scaled + [noise.sigma for noise in (self.noise[name] for name in self.names) if noise.sigma is not None]

    @cached_property
    def _sigma_slot(self) -> dict[str, int]:
        """Where in `formulas` the sigma of an observable stands."""
        with_sigma = [name for name in self.names if self.noise[name].sigma is not None]
        return {name: len(self.names) + position for position, name in enumerate(with_sigma)}

    @cached_property
    def _partials(self) -> Partials:
        return Partials.of(self.formulas, self.levels, self.sensitive)

    @cached_property
    def _values(self) -> Any:
        return numpy_function(self.formulas, self._arguments, self.networks)

    @cached_property
    def _values_and_partials(self) -> Any:
        return numpy_function([*self.formulas, *self._partials.formulas], self._arguments)

    def predict(self, y: FloatArray, t: FloatArray, p: FloatArray) -> FloatArray:
        """Predictions on the natural scale.

        Parameters
        ----------
        y
            [R, S], states, and what is compared (`Comparisons.levels`).
        t
            [R], times.
        p
            [R, L + U] local values and inputs, or [1, L + U] where all rows share them.

        Returns
        -------
        FloatArray
            g [R, O].
        """
        function = self._natural
        columns = function(*y.T, t, *p.T)
        return np.stack([np.broadcast_to(column, t.shape) for column in columns], axis=-1)

    @cached_property
    def _natural(self) -> Any:
        return numpy_function(list(self.system.predicted.values()), self._arguments, self.networks)

    def moments(self, y: FloatArray, t: FloatArray, p: FloatArray, dy: FloatArray | None = None) -> list[Moments]:
        """Location and scale of every observable.

        Parameters
        ----------
        y, t, p
            As in `predict`; y and p may have a leading axis of points.
        dy
            [..., R, S, K'], sensitivities of y to the first K' sensitive symbols; None for no derivatives.

        Returns
        -------
        list of Moments
            One per observable.
        """
        arguments = (*last_first(y), t, *last_first(p))
        n = len(self.formulas)
        if dy is None:
            results = self._values(*arguments)
            slopes: list[FloatArray | None] = [None] * n
        else:
            results = self._values_and_partials(*arguments)
            # inf * 0 is NaN, and no news: the row is not measured, or its moment is not finite either.
            with np.errstate(over="ignore", invalid="ignore"):
                slopes = self._partials.chained(results[n:], dy)
        out = []
        for position, name in enumerate(self.names):
            slot = self._sigma_slot.get(name)
            out.append(
                Moments(
                    spread(results[position], y.shape[:-1]),
                    None if slot is None else results[slot],
                    slopes[position],
                    None if slot is None else slopes[slot],
                )
            )
        return out

    def pulled(
        self, y: FloatArray, t: FloatArray, p: FloatArray, worth: Sequence[tuple[FloatArray, FloatArray | None]]
    ) -> tuple[FloatArray, list[tuple[int, FloatArray]]]:
        """What levels [..., R, S] and sensitive symbols are worth (see `Partials.pulled`).

        y, t, p: as in `moments`. worth: of m and s of every observable, [..., R] each.
        """
        of_s = [s for name, (_, s) in zip(self.names, worth, strict=True) if name in self._sigma_slot]
        with np.errstate(over="ignore", invalid="ignore"):
            results = self._values_and_partials(*last_first(y), t, *last_first(p))
            values = results[len(self.formulas) :]
            return self._partials.pulled(values, [*(m for m, _ in worth), *of_s], y.shape[-1])

    @cached_property
    def _tensor_functions(self) -> list[Any]:
        """Per observable a function of m and, where it has a formula, s."""
        slots = [(position, self._sigma_slot.get(name)) for position, name in enumerate(self.names)]
        pairs = [[self.formulas[k] for k in pair if k is not None] for pair in slots]
        return [torch_function(pair, self._arguments, self.networks) for pair in pairs]

    def moment_tensors(self, position: int, y: Tensor, t: Tensor, p: Tensor) -> tuple[Tensor, Tensor | None]:
        """m and s of one observable as differentiable tensors.

        One observable at a time, so that each is computed where it is measured and nowhere else: log(0) in an empty
        cell would turn its gradient into NaN.

        Parameters
        ----------
        position
            Which observable.
        y, t, p
            [..., S], [...] and [..., L + U], which may broadcast.

        Returns
        -------
        m, s
            Shaped like t; s is None where it has no formula.
        """
        import torch

        results = self._tensor_functions[position](*y.unbind(-1), t, *p.unbind(-1))
        full = [torch.as_tensor(r, dtype=y.dtype, device=y.device).expand(t.shape) for r in results]
        return full[0], full[1] if len(full) > 1 else None
