"""Whether one fitted model is a special case of another, as far as the formulas tell.

The small model is nested in the large one where the large one's formulas become those of the small one when some of its
parameters, which the small one lacks, are put to numbers (to what they are fixed at there, or to 0 or 1), and where
every parameter of the small one stands in the place of one or several of the large one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.fitting.run import Run
from odefit.model.operators import number_putter
from odefit.model.system import System, symbol
from odefit.objective.parameters import Binding, ParameterTable
from odefit.records import dataclass

MOST_EXTRA = 4
"""Parameters that the small model lacks, for which numbers are tried."""
LIKELY = (0.0, 1.0)
"""Numbers at which a term or an exponent vanishes."""


@dataclass(frozen=True)
class Nesting:
    """How a model is a special case of another.

    Parameters
    ----------
    fixed
        The larger model's parameters that are numbers in the smaller one.
    shared
        Parameters of the larger one that are one parameter in the smaller one.
    on_bound
        Those of `fixed` whose number lies on a bound that the larger model has.
    degrees
        How many more parameters the larger one estimates.
    """

    fixed: Mapping[str, float]
    shared: tuple[str, ...]
    on_bound: tuple[str, ...]
    degrees: int

    @property
    def text(self) -> str:
        """`c = 0`, `one k for all`."""
        parts = [f"{name} = {value:g}" for name, value in self.fixed.items()]
        return ", ".join([*parts, *(f"one {name}" for name in self.shared)])


def nesting(small: Run, large: Run) -> Nesting | None:
    """How the first is a special case of the second; None where the formulas do not tell."""
    a, b = (run.assembly.problem for run in (small, large))
    degrees = len(b.table.estimated) - len(a.table.estimated)
    if degrees <= 0 or small.assembly.networks is not None or large.assembly.networks is not None:
        return None
    for numbers in _candidates(small, large):
        try:
            if _formulas(large, numbers) != _formulas(small, {}):
                continue
        except ModelError:
            continue
        shared = _shared(small, large, numbers)
        if shared is not None:
            on_bound = tuple(name for name, value in numbers.items() if _is_on_bound(b.table, name, value))
            return Nesting(numbers, shared, on_bound, degrees)
    return None


def _candidates(small: Run, large: Run) -> Iterator[dict[str, float]]:
    """Numbers for the symbols that the formulas of the large model have and those of the small one have not."""
    extra = sorted(_symbols(large) - _symbols(small))
    if len(extra) > MOST_EXTRA:
        return
    sections = small.loaded.config.parameters
    choices = list[tuple[float, ...]]()
    for name in extra:
        section = sections.get(name)
        if section is not None and section.value is not None and not section.estimate:
            choices.append((float(section.value),))
        else:
            choices.append(LIKELY)
    for values in itertools.product(*choices):
        yield dict(zip(extra, values, strict=True))


def _symbols(run: Run) -> set[str]:
    binding, sensitive = run.assembly.problem.binding, run.assembly.problem.observation.sensitive
    return {*sensitive} & {*binding.symbols}


def _formulas(run: Run, numbers: Mapping[str, float]) -> dict[str, str]:
    """Every formula of equations, observables and noise, written in one form."""
    observation = run.assembly.problem.observation
    put = number_putter({symbol(name): value for name, value in numbers.items()})
    system: System = observation.system.bind(numbers) if numbers else observation.system
    found = {f"d{state}": f for state, f in system.equations.items()}
    found |= {f"{state}(0)": f for state, f in system.initial.items()}
    found |= {f"observable {k}": g for k, g in enumerate(system.observables.values())}
    found |= {f"event {k}": f for k, event in enumerate(system.events) for f in (event.time, *event.changes.values())}
    found |= {f"trigger {k}": f for k, f in enumerate(f for one in system.triggers for f in one.formulas)}
    if system.dosing is not None:
        found |= {"lag": system.dosing.lag, "fraction": system.dosing.fraction}
    for k, name in enumerate(observation.names):
        noise = observation.noise[name]
        found[f"noise {k} {noise.model} {noise.df}"] = sp.S.Zero if noise.sigma is None else put(noise.sigma)
    return {place: str(sp.expand(sp.sympify(formula))) for place, formula in found.items()}


def _shared(small: Run, large: Run, numbers: Mapping[str, float]) -> tuple[str, ...] | None:
    """The small model's parameters that stand for several of the large one's; None where one does not determine it."""
    a, b = small.assembly.problem, large.assembly.problem
    if len(a.experiments) != len(b.experiments):
        return None
    names = [name for name in b.binding.symbols if name not in numbers]
    if not set(_symbols(large)) - set(numbers) <= set(a.binding.symbols):
        return None
    place: dict[str, str | float] = {}
    for name in names:
        if name not in a.binding.symbols:
            continue
        for e in range(len(b.experiments)):
            mine, theirs = _target(b.table, b.binding, e, name), _target(a.table, a.binding, e, name)
            if isinstance(mine, float):
                if mine != theirs:
                    return None
            elif place.setdefault(mine, theirs) != theirs:
                return None
    joined: dict[str | float, list[str]] = {}
    for mine, theirs in place.items():
        joined.setdefault(theirs, []).append(mine)
    return tuple(str(theirs) for theirs, own in joined.items() if isinstance(theirs, str) and len(own) > 1)


def _target(table: ParameterTable, binding: Binding, e: int, name: str) -> str | float:
    column = binding.symbols.index(name)
    index = int(binding.index[e, column])
    if index < 0:
        return float(binding.constant[e, column])
    parameter = table.parameters[index]
    return parameter.name if parameter.estimate else parameter.value


def _is_on_bound(table: ParameterTable, name: str, value: float) -> bool:
    """Whether a number lies at an end of what the larger model allows."""
    own = [p for p in table if p.name.partition("[")[0] == name]
    return any(value <= p.lower or value >= p.upper for p in own)
