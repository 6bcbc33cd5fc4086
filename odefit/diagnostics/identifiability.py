"""`odefit check --identifiability`: which parameters the planned times can determine, before there are data.

What can be learnt near a point is the rank of the root-Fisher rows there, A = U S V' with columns of length one: a
direction with a singular value next to nothing moves no prediction. It is looked at where the search would start and at
several points around, since a model may be identifiable here and not there. Errors that are to be expected are those of
the inverse information, at the start. After A. Cintron-Arias et al. (2009), Math. Biosci. Eng. 6:261, and A. Raue et
al. (2009), Bioinformatics 25:1923.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.diagnostics.planned_noise import AssumedLevel, assumed_levels, assumed_words
from odefit.errors import ConfigError, SolveError
from odefit.fitting.local_search import size_of
from odefit.fitting.solver_accuracy import problem_at
from odefit.linalg.score import Evaluation
from odefit.objective.likelihood import Likelihood
from odefit.problem.assembly import Assembly
from odefit.problem.planned import planned_measurements
from odefit.records import dataclass
from odefit.text import counted
from odefit.uncertainty.combinations import Combination, determined_combinations
from odefit.uncertainty.covariance import Covariance, fisher_covariance

POINTS = 5
"""Where it is looked, the start among them."""
SPREAD = 0.5
"""How far the other points lie from the start, in typical changes of each parameter."""
RTOL, TOLERANCE = 1e-9, 1e-6
"""Of the solver here; and the singular values, as a share of the largest, below which nothing is determined."""
POOR = 1.0
"""A relative error from which on a parameter is hardly determined."""


@dataclass(frozen=True)
class Finding:
    """One parameter.

    Parameters
    ----------
    name
        Which one.
    determined
        At how many of the points that could be solved.
    reason
        Why not at the others; None where it is everywhere.
    error
        The standard error to be expected at the start, relative to the value; None where it is not determined there.
    """

    name: str
    determined: int
    reason: str | None
    error: float | None


@dataclass(frozen=True)
class Identifiability:
    """What can be learnt from the planned measurements.

    Parameters
    ----------
    findings
        One for each estimated parameter.
    combinations
        What is determined of parameters that are not, at the start.
    ranks
        Of the points that could be solved, the start first: how many independent combinations are determined.
    n
        Planned measurements.
    levels
        Noise levels that are estimated, and what is assumed for them at the start.
    """

    findings: tuple[Finding, ...]
    combinations: tuple[Combination, ...]
    ranks: tuple[int, ...]
    n: int
    levels: tuple[AssumedLevel, ...] = ()

    @property
    def lines(self) -> list[str]:
        """In words."""
        width = max(len(f.name) for f in self.findings)
        where = f"at the start and {counted(len(self.ranks) - 1, 'point')} around it"
        found = [f"  {f.name:<{width}}  {self._told(f)}" for f in self.findings]
        if self.combinations:
            found.append(f"  together they determine {', '.join(one.text for one in self.combinations)}")
        found += [f"  {words}" for words in assumed_words(self.levels)]
        return [f"Identifiability, from {counted(self.n, 'planned measurement')}, {where}", *found, *self._verdict()]

    def _told(self, finding: Finding) -> str:
        n = len(self.ranks)
        error = "" if finding.error is None else f"; its standard error would be {_percent(finding.error)} at the start"
        if finding.determined == n:
            hardly = finding.error is not None and finding.error > POOR
            return ("hardly determined" if hardly else "determined") + error
        if not finding.determined:
            return f"not determined: {finding.reason}"
        return f"determined at {finding.determined} of {n} points only ({finding.reason}){error}"

    def _verdict(self) -> Iterator[str]:
        p, ranks = len(self.findings), sorted(set(self.ranks))
        rank = f"{ranks[0]}" if len(ranks) == 1 else f"{ranks[0]} to {ranks[-1]}"
        lost = [f.name for f in self.findings if f.determined < len(self.ranks)]
        if not lost:
            yield f"  these times can determine {'all ' * (p > 1)}{counted(p, 'parameter')}"
        else:
            remedy = f"fix some of {', '.join(lost[:6])}, measure more, or fit their combinations"
            yield f"  these times determine {rank} combinations of {p} parameters: {remedy}"


def identifiability(assembly: Assembly) -> Identifiability:
    """What the planned measurements can determine.

    Raises
    ------
    ConfigError
        The model has a network, or no parameter, or cannot be solved at the start.
    """
    where = assembly.loaded.where("model")
    if assembly.networks is not None:
        raise ConfigError(where, "has a network, whose weights are determined in no such sense")
    table = assembly.problem.table
    names = table.estimated_names
    if not names:
        raise ConfigError(assembly.loaded.where("parameters"), "nothing is estimated, so nothing is to be determined")
    options = assembly.problem.engine.options
    exact = problem_at(assembly, replace(options, rtol=min(options.rtol, RTOL)))
    levels, values = assumed_levels(assembly), table.values.copy()
    for level in levels:
        values[table.index[level.name]] = level.value
    start = table.to_search(values)
    found, ranks = list[Covariance](), list[int]()
    at_start: Likelihood | None = None
    for k, u in enumerate(_points(assembly, start)):
        try:
            likelihood = Likelihood(planned_measurements(exact, table.to_natural(u)), blocks=False)
            here = likelihood.information(u)
        except SolveError:
            here = Evaluation.failed(len(u))
        if not here.is_finite:
            if k == 0:
                raise ConfigError(where, "the model cannot be solved and differentiated at its starting values")
            continue
        at_start = at_start or likelihood
        found.append(fisher_covariance(here.A, names, tolerance=TOLERANCE))
        ranks.append(_rank(here.A.dense()))
    assert at_start is not None
    findings = tuple(_finding(k, name, found, table.sizes[k], table.parameters[int(table.estimated[k])].scale)
                     for k, name in enumerate(names))  # fmt: skip
    lost = [f.name for f in findings if f.name in found[0].undetermined]
    size = size_of([table[name] for name in names])
    information = at_start.information(start).A
    together = determined_combinations(at_start, start, lost, size, information, 1.0) if lost else []
    n = sum(e.n_measured for e in assembly.problem.experiments)
    return Identifiability(findings, tuple(together), tuple(ranks), n, levels)


def _finding(k: int, name: str, found: list[Covariance], size: float, scale: str) -> Finding:
    errors = [one.standard_errors[k] for one in found]
    known = [name not in one.undetermined and bool(np.isfinite(e)) for one, e in zip(found, errors, strict=True)]
    reasons = [one.undetermined.get(name, "the data do not determine it")
               for one, is_known in zip(found, known, strict=True) if not is_known]  # fmt: skip
    relative = float(errors[0]) / (1.0 if scale == "log" else size) if known[0] else None
    return Finding(name, sum(known), reasons[0] if reasons else None, relative)


def _rank(a: FloatArray) -> int:
    lengths = np.linalg.norm(a, axis=0)
    moving = lengths > 0
    if not moving.any():
        return 0
    s = np.linalg.svd(a[:, moving] / lengths[moving], compute_uv=False)
    return int((s > TOLERANCE * s[0]).sum())


def _points(assembly: Assembly, start: FloatArray) -> Iterator[FloatArray]:
    """The start, and others around it within the bounds."""
    table = assembly.problem.table
    rng = np.random.default_rng(assembly.loaded.config.fit.seed)
    low, high = table.search_bounds()
    yield start
    for _ in range(POINTS - 1):
        moved = start + SPREAD * table.sizes * rng.standard_normal(len(start))
        # Inside, and not on a bound, where a term may vanish.
        inside = (moved > low) & (moved < high)
        yield np.where(inside, moved, start)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{share:.2g} times its value"
