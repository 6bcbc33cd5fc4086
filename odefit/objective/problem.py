"""Everything that a fit works on, in one place: data, equations, unknowns, noise, engine."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray, spread
from odefit.data.cell_texts import alike
from odefit.data.experiments import UNMEASURED, Experiment
from odefit.engines.base import Engine, Solutions
from odefit.engines.failure import solve_error
from odefit.model.formulas import free_names
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, symbol
from odefit.objective.comparisons import SolvedRows, solved_rows
from odefit.objective.kept_solutions import KeptSolutions
from odefit.objective.measurements import ObservableData, Scale, observable_data
from odefit.objective.noise.families import family_of
from odefit.objective.observation import Observation
from odefit.objective.parameters import Binding, ParameterTable
from odefit.objective.replicates_together import Together, together
from odefit.records import changed, dataclass

if TYPE_CHECKING:
    from odefit.objective.weight_priors import WeightPrior


@dataclass(frozen=True)
class FitProblem:
    """An assembled fit.

    Parameters
    ----------
    experiments
        Their rows, R in all, follow one another.
    table
        The unknowns.
    binding
        Its symbols are the system's parameters followed by the noise parameters. The engine reads the first of them,
        the observation all, and behind them the inputs at the time of each row and the covariates beside it.
    observation
        Observables and noise models.
    engine
        Integrates the system.
    weight_priors
        Those of the weights of networks.
    kept
        The latest solutions at single points, for those who ask many things of the same ones; None where none is kept.
    """

    experiments: tuple[Experiment, ...]
    table: ParameterTable
    binding: Binding
    observation: Observation
    engine: Engine
    weight_priors: tuple[WeightPrior, ...] = ()
    kept: KeptSolutions | None = None

    @cached_property
    def n_system(self) -> int:
        """The number of local symbols that belong to the equations."""
        return len(self.engine.system.parameters)

    @cached_property
    def n_measured(self) -> int:
        """The number of measurements, censored ones included."""
        return int(self.measured_counts.sum())

    @cached_property
    def measured_counts(self) -> IntArray:
        """The same of each experiment, [E]."""
        known = ~np.isnan(np.concatenate([experiment.values for experiment in self.experiments]))
        return np.bincount(self.owner, known.sum(axis=1), len(self.experiments)).astype(np.intp)

    @cached_property
    def times(self) -> FloatArray:
        """Times of all rows, [R]: the experiments one after the other."""
        return np.concatenate([experiment.times for experiment in self.experiments])

    @cached_property
    def clock(self) -> FloatArray:
        """The times of all rows as formulas see them, [R]: those just before a jump are a hair earlier."""
        return np.concatenate([experiment.clock for experiment in self.experiments])

    @cached_property
    def owner(self) -> IntArray:
        """Position of the experiment that each row belongs to, [R]."""
        return np.repeat(np.arange(len(self.experiments)), [len(e.times) for e in self.experiments])

    @cached_property
    def compared_rows(self) -> SolvedRows | None:
        """The rows that observables compare; None where none does."""
        return solved_rows(self.experiments, self.observation.system) if self.observation.comparisons else None

    @cached_property
    def solved(self) -> FitProblem:
        """The same problem with all times at which the equations have to be solved."""
        rows = self.compared_rows
        if rows is None or len(rows.own) == sum(len(e.times) for e in rows.experiments):
            return self
        return replace(self, experiments=rows.experiments)

    def solved_by(self, engine: Engine) -> FitProblem:
        """The same problem, of whose data nothing is computed again, by another engine for the same system."""
        other = self._with(engine=engine, kept=None if self.kept is None else KeptSolutions())
        if (engine.options.step is None) == (self.engine.options.step is None):
            vars(other)["together"] = self.together
        return other

    def keeping(self) -> FitProblem:
        """The same problem, which keeps its latest solutions."""
        return self._with(kept=KeptSolutions())

    def unused(self) -> FitProblem:
        """The same by an engine that has learnt nothing: the very same where engines learn nothing."""
        return self.solved_by(self.engine.reset_copy()) if self.engine.remembers else self

    @cached_property
    def known(self) -> dict[Hashable, Any]:
        """What was computed of this very problem, by names with all else that it depends on."""
        return {}

    def _with(self, **fields: Any) -> FitProblem:
        other = replace(self, **fields)
        vars(other).update((name, vars(self)[name]) for name in _OF_DATA if name in vars(self))
        vars(other)["layouts"] = self.layouts
        return other

    def solutions(self, p: FloatArray, experiments: tuple[Experiment, ...], derivatives: bool = False) -> Solutions:
        """Those at the system's local values p [E, L], solved unless they are kept."""
        if self.kept is None:
            return self.engine.solve(p, experiments, derivatives)
        return self.kept.find(self.engine, p, experiments, derivatives)

    def unmeasured(self, experiments: Sequence[Experiment]) -> FitProblem:
        """The same problem without measurements, of all observables, which may be more than were measured.

        experiments: as many as the problem has, at the wanted times.
        """
        n = len(self.observation.names)
        blank = (changed(e, values=np.full((len(e.times), n), np.nan), **UNMEASURED) for e in experiments)
        bare = replace(self, experiments=tuple(blank))
        is_same = all(a is b for a, b in zip(experiments, self.experiments, strict=True))
        if self.compared_rows is None and is_same:
            # What was solved with the measurements is the same without them.
            vars(bare).update(solved=self, together=self.together)
        return bare

    @cached_property
    def layouts(self) -> dict[bool | None, Any]:
        """Where derivatives go in A (jacobian.py), by the form that is asked for: found once for all likelihoods."""
        return {}

    @cached_property
    def together(self) -> Together | None:
        """Which experiments are solved as one; None where each is alone."""
        return together(self.solved.experiments, self.binding, self.n_system, self.engine.options.step is None)

    def levels(
        self, local: FloatArray, y: FloatArray, dy: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray | None]:
        """States and what is compared, [R, S], and their sensitivities, at the rows of the problem.

        Parameters
        ----------
        local
            [E, L].
        y, dy
            [R', S] and [R', S, K'], of the experiments of `solved`.
        """
        rows, comparisons = self.compared_rows, self.observation.comparisons
        if rows is None or comparisons is None:
            return y, dy
        return comparisons.levels(y, self.solved.clock, self.solved.rows(local), rows, dy)

    @cached_property
    def _given(self) -> FloatArray | None:
        """Inputs and covariates of all rows, [R, U]; None where there are none."""
        if not (self.engine.system.inputs or self.observation.covariates):
            return None
        return np.concatenate([self._given_of(experiment) for experiment in self.experiments])

    def _given_of(self, experiment: Experiment) -> FloatArray:
        """Inputs and covariates of one experiment at its times, [T, U]."""
        inputs = [experiment.inputs[name](experiment.clock) for name in self.engine.system.inputs]
        beside = [_filled(experiment.covariates[name])[:, column] for name, column in self.observation.covariates]
        return np.stack([*inputs, *beside], axis=-1)

    def rows(self, local: FloatArray) -> FloatArray:
        """Local values, inputs and covariates per row.

        Parameters
        ----------
        local
            [..., E, L].

        Returns
        -------
        FloatArray
            [..., R, L + U], or [..., 1, L] where all rows share them.
        """
        if self._given is None and self.binding.is_shared:
            return local[..., :1, :]
        own = np.take(local, self.owner, axis=-2)
        if self._given is None:
            return own
        given = spread(self._given, (*own.shape[:-1], self._given.shape[-1]))
        return np.concatenate([own, given], axis=-1)

    def predict(self, theta: FloatArray, experiments: tuple[Experiment, ...] | None = None) -> list[FloatArray]:
        """Predictions at the times of the experiments, natural scale.

        Parameters
        ----------
        theta
            [N].
        experiments
            As many as the problem has, at other times (`Experiment.at`); default the problem's own.

        Returns
        -------
        list of arrays
            g [T, O] per experiment.

        Raises
        ------
        SolveError
            The integration fails.
        """
        return self.curves(theta, self.experiments if experiments is None else experiments)[1]

    def curves(
        self, theta: FloatArray, experiments: tuple[Experiment, ...]
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """States and predictions, natural scale, from one solution.

        Parameters
        ----------
        theta
            [N].
        experiments
            As many as the problem has.

        Returns
        -------
        states, predictions
            y [T, S] and g [T, O] per experiment.

        Raises
        ------
        SolveError
            The integration fails.
        """
        whole = replace(self, experiments=experiments)
        y = whole.solve_levels(theta)
        return whole.by_experiment(y[:, : len(self.engine.system.states)]), whole.observe_levels(theta, y)

    def solve_levels(self, theta: FloatArray) -> FloatArray:
        """States and what is compared, at all rows of the problem, [R, S]. Raises SolveError."""
        local = self.binding.local(theta)
        return self.levels(local, self._solutions(local, self.solved.experiments).y)[0]

    def observe_levels(self, theta: FloatArray, y: FloatArray) -> list[FloatArray]:
        """g [T, O] of every experiment from what `solve_levels` gives."""
        return self.by_experiment(self.observation.predict(y, self.clock, self.rows(self.binding.local(theta))))

    def by_experiment(self, table: FloatArray) -> list[FloatArray]:
        """A table of all rows, [R, ...], as one of each experiment."""
        return np.split(table, np.cumsum([len(e.times) for e in self.experiments])[:-1])

    def states(self, theta: FloatArray, experiments: tuple[Experiment, ...]) -> list[FloatArray]:
        """y [T, S] of every experiment. Raises SolveError where the integration fails."""
        return [trajectory.y for trajectory in self._solutions(self.binding.local(theta), experiments)]

    def _solutions(self, local: FloatArray, experiments: tuple[Experiment, ...]) -> Solutions:
        solutions = self.solutions(local[:, : self.n_system], experiments)
        if (failed := solutions.failed) is not None:
            raise solve_error(experiments[failed].name, solutions.failures[failed])
        return solutions

    @cached_property
    def data(self) -> tuple[ObservableData, ...]:
        """The measurements, one `ObservableData` per observable."""
        return observable_data(self.experiments, self.observation, [self._scale(o) for o in self.observation.names])

    def _scale(self, observable: str) -> Scale | None:
        """The estimated parameter that is a factor of the noise level of every cell, where the rest of it is known."""
        noise, binding = self.observation.noise[observable], self.binding
        split = None if noise.sigma is None else _factor(noise.sigma, binding.symbols)
        if split is None:
            return None
        name, known = split
        index = binding.index[:, binding.symbols.index(name)]
        position = int(index[0])
        if position < 0 or (index != position).any() or not self.table.parameters[position].estimate:
            return None
        names = (TIME, *self.observation.symbols[len(binding.symbols) :])
        if known == 1 or not free_names(known) <= set(names):
            return Scale(position) if known == 1 else None
        given = np.zeros((len(self.times), 0)) if self._given is None else self._given
        unit = np.broadcast_to(numpy_function([known], names)(self.clock, *given.T)[0], self.clock.shape)
        return Scale(position, unit)

    def has_estimated_scale(self, observable: str) -> bool:
        """Whether the scale of an observable's noise depends on an estimated parameter."""
        moving = set(self.observation.sensitive)
        if self.engine.sensitive:
            moving |= set(self.observation.levels)
        return self.observation.noise[observable].moves_with(moving)

    @property
    def is_least_squares(self) -> bool:
        """Whether the best parameters minimise a sum of squares.

        That is so where all measurements are of normal or log-normal noise, whose sigma is given, or is one estimated
        number per observable; and none is censored. Priors are not looked at.
        """
        for data, name in zip(self.data, self.observation.names, strict=True):
            if data.n and (data.family is not family_of("gaussian") or data.censored is not None):
                return False
            if data.n and self.has_estimated_scale(name) and data.scale_position is None:
                return False
        return True

    @property
    def is_smooth(self) -> bool:
        """Whether the objective has a gradient everywhere: no Laplace density, of measurements or of a parameter."""
        measured = all(data.family.is_smooth for data in self.data if data.n)
        return measured and all(p.prior.is_smooth for p in self.table if p.estimate and p.prior is not None)


_OF_DATA = ("n_measured", "measured_counts", "times", "clock", "owner", "compared_rows", "_given", "data")
"""What is known of a problem whoever solves it."""


def _filled(table: FloatArray) -> FloatArray:
    """[T, O] a table beside the measurements, also where nothing was measured: there its one number, if it has one."""
    return np.where(np.isnan(table), alike(table), table)


def _factor(sigma: sp.Expr, names: Sequence[str]) -> tuple[str, sp.Expr] | None:
    """A noise level s*f as s, one of the names, and f, which names none of them; None where it is anything else."""
    factors = sp.Mul.make_args(sigma)
    for name in names:
        if symbol(name) in factors:
            known = sp.Mul(*(factor for factor in factors if factor != symbol(name)))
            return (name, known) if free_names(known).isdisjoint(names) else None
    return None
