"""What conditions cannot do with networks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from odefit.errors import Faults
from odefit.interop.mathematics import Name, Tree, names_in, uses_time
from odefit.interop.model import Model
from odefit.interop.petab_hybrid import ARRAY, Hybrid
from odefit.interop.petab_problem import PetabExperiment, PetabProblem
from odefit.records import dataclass
from odefit.text import clip


def with_checked_conditions(
    hybrid: Hybrid, problem: PetabProblem, model: Model, outputs: Mapping[str, Tree], faults: Faults
) -> PetabProblem:
    """A problem without what its conditions cannot do with networks, each of which is a fault with its place.

    Parameters
    ----------
    hybrid, problem
        The networks and the conditions.
    model
        With what outputs set in the place of its own values.
    outputs
        Id of an output -> its call.
    """
    networks = hybrid.networks.values()
    before, during = (
        frozenset(name for network in networks if network.before is early for name in network.inputs.values())
        for early in (True, False)
    )
    moving = frozenset(name for name, tree in outputs.items() if _moves(tree, model))
    _check_early(hybrid, outputs, moving, model, faults)
    checks = _Checks(frozenset(hybrid.assigned), before, during, moving)
    experiments = {name: checks.checked(experiment, faults) for name, experiment in problem.experiments.items()}
    return replace(problem, experiments=experiments)


def _check_early(
    hybrid: Hybrid, outputs: Mapping[str, Tree], moving: Collection[str], model: Model, faults: Faults
) -> None:
    """Networks before the start are of constants."""
    for network in hybrid.networks.values():
        if not network.before or not any(name in moving for name in network.outputs if name in outputs):
            continue
        for name in network.inputs.values():
            tree, where = hybrid.assigned.get(name, (None, ""))
            if tree is not None and _moves(tree, model):
                what = (
                    f"'{clip(name)}' depends on states or the time, and '{clip(network.name)}' is evaluated before the"
                )
                faults.add(where, f"{what} start; set its pre_initialization to false")


@dataclass(frozen=True)
class _Checks:
    """assigned: ids of the hybridization table; before, during: inputs of networks; moving: outputs."""

    assigned: frozenset[str]
    before: frozenset[str]
    during: frozenset[str]
    moving: frozenset[str]

    def checked(self, experiment: PetabExperiment, faults: Faults) -> PetabExperiment:
        periods = []
        for period in experiment.periods:
            kept = {}
            for name, tree in period.changes.items():
                what = self._wrong(name, tree, is_later=period in experiment.from_start[1:])
                if what:
                    faults.add(experiment.place(period, name), what)
                else:
                    kept[name] = tree
            periods.append(replace(period, changes=kept))
        return replace(experiment, periods=tuple(periods))

    def _wrong(self, name: str, tree: Tree, *, is_later: bool) -> str:
        """What is wrong with a change; empty for nothing."""
        if name in self.assigned:
            return f"sets '{clip(name)}', which the hybridization table sets: it cannot have both"
        if tree == Name(ARRAY) and name in self.before | self.during:
            what = f"gives '{clip(name)}' the word `{ARRAY}`, which is of the hybridization table only; arrays by"
            return f"{what} condition are datasets of inputs/{clip(name)} in a file of arrays"
        if is_later and name in self.before & self.during:
            what = f"sets '{clip(name)}' on the way, an input of a network before the start and of one during the"
            return f"{what} simulation: give each of these an input of its own"
        own = sorted({*names_in(tree)} & self.moving)
        if own:
            what = f"sets '{clip(name)}' by '{clip(own[0])}', the output of a network of states or the time"
            return f"{what}, which can stand in equations and observables only"
        return ""


def _moves(tree: Tree, model: Model) -> bool:
    """Whether a formula depends on states or the time, through expressions too."""
    return any(uses_time(part) or not model.rates.keys().isdisjoint(names_in(part)) for part in _parts(tree, model))


def _parts(tree: Tree, model: Model) -> Iterator[Tree]:
    """A formula, and all that it depends on."""
    seen: set[str] = set()
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        yield part
        new = {*names_in(part)} - seen
        seen |= new
        waiting += [model.expressions[name] for name in sorted(new) if name in model.expressions]
