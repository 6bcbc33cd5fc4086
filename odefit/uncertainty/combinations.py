"""What the data determine of parameters that they determine in combination only: c*k1, k1 + k2, k1/k2 and the like.

With the information A'A = V S² V' in units of typical changes, the directions whose singular values are next to nothing
are open. A simple formula f of some parameters is determined where its gradient has no part in these; as many
independent ones as there are closed directions describe all that is known. That holds at the optimum only, where
k1 + k2 and k1*k2 may look alike; so the objective is computed along the curve on which the formulas keep their values,
and it must not rise there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.linalg.matrix import Matrix
from odefit.model.derivatives import derivatives
from odefit.model.system import System, symbol
from odefit.objective.likelihood import Likelihood
from odefit.records import dataclass

OPEN = 0.05
"""Singular values below it are those of open directions: a standard error of 20 typical changes."""

ALONG = 0.02
"""Largest share of a formula's gradient in open directions."""

MOST_RISE = 0.02
"""Log-likelihood units by which the objective may rise along the curve."""

LENGTHS = (1.0, 0.5, 0.25, 0.1)
"""Typical changes along the curve, the longest that is possible."""

MOST_PARAMETERS, MOST_SETS = 5, 200
"""Of a group that formulas are looked for, and the sets of formulas that are tried."""

MOST_ENTRIES = 1_000_000
"""Entries of A that are decomposed for this."""


@dataclass(frozen=True)
class Combination:
    """A formula of parameters that the data determine.

    Parameters
    ----------
    text
        The formula.
    value, standard_error
        At the optimum.
    """

    text: str
    value: float
    standard_error: float


@dataclass(frozen=True)
class Form:
    """A product of powers, times a weighted sum where any weight is not zero: x^powers (weights x); [n] each."""

    names: tuple[str, ...]
    powers: tuple[int, ...]
    weights: tuple[int, ...]

    def of(self, x: FloatArray) -> float:
        """The value for natural values x [n]."""
        product = float(np.prod(x ** np.array(self.powers)))
        return product * float(np.dot(self.weights, x)) if any(self.weights) else product

    @property
    def is_ratio(self) -> bool:
        """Whether it is a/b."""
        return not any(self.weights) and sorted(power for power in self.powers if power) == [-1, 1]

    @property
    def text(self) -> str:
        """As a user would write it, names in alphabetical order."""
        pairs = sorted(zip(self.names, self.powers, self.weights, strict=True))
        raised = [(name, abs(power), power > 0) for name, power, _ in pairs if power]
        above, below = (
            [name if power == 1 else f"{name}^{power}" for name, power, up in raised if up == side]
            for side in (True, False)
        )
        terms = "".join(f" {'+' if weight > 0 else '-'} {name}" for name, _, weight in pairs if weight)
        total = terms.removeprefix(" + ").removeprefix(" ")
        above += [f"({total})" if raised else total] if total else []
        return "*".join(above) + "".join(f"/{name}" for name in below)


def determined_combinations(
    likelihood: Likelihood, u: FloatArray, names: Sequence[str], size: FloatArray, information: Matrix, scale: float
) -> list[Combination]:
    """Formulas that describe all that the data say of some parameters.

    Parameters
    ----------
    likelihood
        Of all parameters.
    u
        [P], the optimum.
    names
        The parameters in question; only groups of few are looked at.
    size
        [P], how much each component of u may typically change.
    information
        A [M, P] with the information A'A, the one that the other errors come from.
    scale
        What standard errors are multiplied by.

    Returns
    -------
    list of Combination
        Empty where no formulas of those that are known here hold.
    """
    table = likelihood.problem.table
    all_names = table.estimated_names
    if not names or information.shape[0] * information.shape[1] > MOST_ENTRIES:
        return []
    _, s, rows = np.linalg.svd(np.asarray(information) * size, full_matrices=True)
    lengths = np.append(s, np.zeros(len(rows) - len(s)))
    is_open = lengths < OPEN
    found: list[Combination] = []
    asked = {all_names.index(name) for name in names if name in all_names}
    for group in _groups(rows[is_open], asked):
        if len(group) > MOST_PARAMETERS:
            continue
        space = _Space(likelihood, u, group, size, rows[is_open][:, group])
        for form in space.described() or ():
            slope = np.zeros(len(u))
            slope[group] = space.gradient(form)
            error = scale * float(np.linalg.norm((rows[~is_open] @ slope) / lengths[~is_open]))
            value = form.of(space.natural(u))
            found.append(Combination(form.text, value, error))
            a, _, b = form.text.partition("/")
            if form.is_ratio and _are_summed(likelihood.problem.engine.system, a, b):
                # Of two rates at an equilibrium the share is what is seen: a/(a + b) is r/(1 + r) of r = a/b.
                found.append(Combination(f"{a}/({a} + {b})", value / (1 + value), error / (1 + value) ** 2))
    return found


def _are_summed(system: System, a: str, b: str) -> bool:
    """Whether a state relaxes at the rate a + b, as by -a*x + b*(1 - x)."""
    if not system.is_mechanistic:
        return False
    table = derivatives([sp.sympify(rate) for rate in system.rhs], system.states)
    for terms in (sp.Add.make_args(sp.expand(row[i])) for i, row in enumerate(table)):
        if {-symbol(a), -symbol(b)} <= set(terms):
            return True
    return False


def _groups(open_rows: FloatArray, asked: set[int]) -> Iterator[list[int]]:
    """The parameters that are moved together by open directions [k, P], as far as they are asked for."""
    together = np.abs(open_rows.T @ open_rows) > 1e-3
    left = {k for k in asked if together[k, k]}
    while left:
        group, new = set[int](), {min(left)}
        while new:
            group |= new
            new = {int(j) for k in new for j in np.flatnonzero(together[k])} - group
        left -= group
        if group <= asked:
            yield sorted(group)


class _Space:
    """A group of parameters, n of them, with the open directions [d, n] among them, in units of `size`."""

    def __init__(
        self, likelihood: Likelihood, u: FloatArray, group: list[int], size: FloatArray, open_rows: FloatArray
    ) -> None:
        self.likelihood, self.u, self.group, self.size = likelihood, u, group, size[group]
        self.table = likelihood.problem.table
        self.names = [self.table.estimated_names[k] for k in group]
        _, s, rows = np.linalg.svd(open_rows)
        self.open = rows[: int((s > 1e-2).sum())]

    def natural(self, u: FloatArray) -> FloatArray:
        """The natural values [n] of the group at u [P]."""
        theta = self.table.to_natural(u)
        return theta[self.table.estimated[self.group]]

    def gradient(self, form: Form, u: FloatArray | None = None) -> FloatArray:
        """Of a formula, [n], in units of `size`."""
        at = self.u if u is None else u
        slopes = []
        for k, size in zip(self.group, self.size, strict=True):
            sides = []
            for side in (-1, 1):
                moved = at.copy()
                moved[k] += side * 1e-6 * size
                sides.append(form.of(self.natural(moved)))
            slopes.append((sides[1] - sides[0]) / 2e-6)
        return np.array(slopes)

    def described(self) -> tuple[Form, ...] | None:
        """As many independent formulas as there are closed directions, the simplest ones that hold along the curve."""
        wanted = len(self.group) - len(self.open)
        if not 0 < wanted < len(self.group):
            return None
        values = self.natural(self.u)
        if not np.isfinite(values).all() or (values <= 0).any():
            return None
        holding = []
        for form in simple_forms(self.names):
            slope = self.gradient(form)
            length = float(np.linalg.norm(slope))
            if length > 0 and np.linalg.norm(self.open @ slope) < ALONG * length:
                holding.append((form, slope / length))
        tried = 0
        for chosen in itertools.combinations(holding, wanted):
            if np.linalg.matrix_rank(np.array([slope for _, slope in chosen]), tol=1e-2) < wanted:
                continue
            forms = tuple(form for form, _ in chosen)
            if self._holds(forms):
                return forms
            tried += 1
            if tried >= MOST_SETS:
                break
        return None

    def _holds(self, forms: Sequence[Form]) -> bool:
        """Whether the objective stays where it is along the curve on which the formulas do, both ways."""
        value = self.likelihood.value(self.u)
        for direction in (*self.open, *-self.open):
            points = (self._on_curve(forms, length * direction / np.abs(direction).max()) for length in LENGTHS)
            there = next((u for u in points if u is not None), None)
            if there is None or not self.likelihood.value(there) - value < MOST_RISE:
                return False
        return True

    def _on_curve(self, forms: Sequence[Form], move: FloatArray) -> FloatArray | None:
        """The point [P] on the curve next to a move [n]; None where it is out of bounds, or there is none."""
        target = np.array([form.of(self.natural(self.u)) for form in forms])
        low, high = (bound[self.group] for bound in self.table.search_bounds())
        u = self.u.copy()
        u[self.group] += self.size * move
        for _ in range(20):
            values = np.array([form.of(self.natural(u)) for form in forms])
            miss = (values - target) / np.abs(target)
            inside = ((u[self.group] >= low) & (u[self.group] <= high)).all() and (self.natural(u) > 0).all()
            if not np.isfinite(miss).all() or not np.isfinite(u).all():
                return None
            if np.abs(miss).max() < 1e-9:
                return u if inside else None
            slopes = np.array([self.gradient(form, u) / abs(t) for form, t in zip(forms, target, strict=True)])
            u[self.group] -= self.size * (np.linalg.pinv(slopes) @ miss)
        return None


def simple_forms(names: Sequence[str]) -> Iterator[Form]:
    """Simple formulas of two and three of the parameters, the simplest first."""
    n, none = len(names), (0,) * len(names)

    def entries(*pairs: tuple[int, int]) -> tuple[int, ...]:
        values = dict(pairs)
        return tuple(values.get(k, 0) for k in range(n))

    for i, j in itertools.combinations(range(n), 2):
        for sign in (1, -1):
            yield Form(tuple(names), entries((i, 1), (j, sign)), none)
        for sign in (1, -1):
            yield Form(tuple(names), none, entries((i, 1), (j, sign)))
    for i, j, k in itertools.combinations(range(n), 3):
        yield Form(tuple(names), none, entries((i, 1), (j, 1), (k, 1)))
        yield Form(tuple(names), entries((i, 1), (j, 1), (k, 1)), none)
    for i in range(n):
        for j, k in itertools.combinations([m for m in range(n) if m != i], 2):
            yield Form(tuple(names), entries((i, -1), (j, 1), (k, 1)), none)
            yield Form(tuple(names), entries((i, 1)), entries((j, 1), (k, 1)))
            yield Form(tuple(names), entries((i, -1)), entries((j, 1), (k, 1)))
    for i, j in itertools.permutations(range(n), 2):
        for power in (2, -2):
            yield Form(tuple(names), entries((i, 1), (j, power)), none)
