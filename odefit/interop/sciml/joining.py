"""Networks put into the formulas of a problem and its model: an output is a call of its network on its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from odefit.errors import Faults
from odefit.interop.conditions import later_targets
from odefit.interop.draft import Draft, DraftNetwork
from odefit.interop.mathematics import Name, Number, Tree, call, names_in, replaced
from odefit.interop.model import Model
from odefit.interop.petab_hybrid import Hybrid, PetabNetwork, network_call
from odefit.interop.petab_problem import PetabProblem
from odefit.interop.sciml.arrays import arrays_of
from odefit.interop.sciml.condition_checks import with_checked_conditions
from odefit.interop.sciml.dimensions import Results, Shape, results_of
from odefit.interop.sciml.lifting import with_calls_as_parameters
from odefit.interop.sciml.weights import settings_of
from odefit.model.graphs.description import Graph, read_graph
from odefit.model.graphs.perceptron import perceptron_of
from odefit.records import dataclass
from odefit.text import abridged, clip, counted, suggest


@dataclass(frozen=True)
class Joined:
    """A problem and a model with calls of networks in their formulas, and what the config says of the networks."""

    problem: PetabProblem
    model: Model
    networks: Mapping[str, DraftNetwork]
    arrays: Mapping[str, str]
    files: Mapping[str, bytes]
    kinks: bool = False
    outputs: Mapping[str, Tree] = field(default_factory=dict)


def hybrid_of(problem: PetabProblem, model: Model, faults: Faults) -> Joined:
    """A problem with its networks where they belong; as it is where it has none.

    faults: is told of what contradicts, or is missing.
    """
    if problem.hybrid is None:
        return Joined(problem, model, {}, {}, {})
    return _Joiner(problem, problem.hybrid, model, faults).joined()


def with_networks(draft: Draft, joined: Joined) -> Draft:
    """A draft with what its config says of networks."""
    draft = with_calls_as_parameters(draft, joined.outputs)
    return replace(draft, networks=joined.networks, arrays=joined.arrays, files=joined.files, kinks=joined.kinks)


class _Joiner:
    def __init__(self, problem: PetabProblem, hybrid: Hybrid, model: Model, faults: Faults) -> None:
        self.problem, self.hybrid, self.model, self.faults = problem, hybrid, model, faults
        self.graphs: dict[str, Graph] = {}
        self.results: dict[str, Results] = {}
        for name, network in hybrid.networks.items():
            with faults.catching():
                self.graphs[name] = read_graph(network.path)
        self.conditioned: set[str] = set()
        """Inputs that conditions set."""

    def joined(self) -> Joined:
        sizes = {name: self._sizes(network) for name, network in self.hybrid.networks.items() if name in self.graphs}
        for name, own in sizes.items():
            self._results(self.hybrid.networks[name], own)
        calls = {name: self._calls(self.hybrid.networks[name], sizes[name]) for name in sizes}
        outputs = self._nested({name: tree for own in calls.values() for name, tree in own.items()})
        model = self._with_targets(outputs)
        self._check_use()
        problem = with_checked_conditions(self.hybrid, self.problem, model, outputs, self.faults)
        problem = _replaced(problem, outputs)
        arrays = arrays_of(self.hybrid, self.problem, self._array_names(), self.faults)
        settings = settings_of(self.hybrid, arrays, self.graphs, self.faults)
        networks = {
            name: DraftNetwork(
                f"{name}.yaml",
                [size if isinstance(size, str) else len(size) for size in sizes[name]],
                self.results[name].count if name in self.results else 1,
                settings.files.get(name),
                settings.whole[name],
                settings.layers[name],
            )
            for name in sizes
        }
        files = {f"{name}.yaml": _content(self.hybrid.networks[name]) for name in sizes}
        files |= {**settings.content, **arrays.content}
        decisions = (*problem.decisions, *self.hybrid.decisions, *settings.decisions)
        problem = replace(problem, decisions=decisions, arrays=tuple(arrays.names))
        solved = [self.graphs[name] for name in sizes if not self.hybrid.networks[name].before]
        kinks = any(graph.has_kinks and perceptron_of(graph) is None for graph in solved)
        if kinks:
            solver = "the solver has a small tolerance, for kinks of the network in the equations are not located"
            problem = replace(problem, decisions=(*problem.decisions, solver))
        return Joined(problem, model, networks, arrays.names, files, kinks, outputs)

    # -- inputs

    def _sizes(self, network: PetabNetwork) -> list[list[str] | str]:
        """Per argument the ids of its elements, or the name of the array that it is."""
        count = len(self.graphs[network.name].arguments)
        found: list[list[str] | str] = []
        for argument in range(count):
            own = {element: name for (a, element), name in network.inputs.items() if a == argument}
            whole = own.pop(None, None)
            if whole is None and not own and argument < len(self.graphs[network.name].inputs):
                named = self.graphs[network.name].inputs[argument]
                whole = named if self._is_array(named) else None
            if whole is not None and not own:
                if not self._is_array(whole):
                    what = f"'{clip(whole)}' is a whole argument of '{network.name}', and so must be an array"
                    self.faults.add(network.where, f"{what}: its elements are {network.name}.inputs[{argument}][0], …")
                found.append(whole)
            elif own and sorted(own, key=_number) == list(range(len(own))):
                found.append([own[k] for k in range(len(own))])
            else:
                there = abridged([str(element) for element in own], 5) or "none"
                what = f"argument {argument} of '{network.name}' needs elements 0, 1, … in the mapping table"
                self.faults.add(network.where, f"{what} (there are: {there})")
                found.append([])
        for argument, _ in network.inputs:
            if argument >= count:
                what = (
                    f"'{network.name}' has {counted(count, 'argument')}, and the mapping table names number {argument}"
                )
                self.faults.add(network.where, what)
        return found

    def _is_array(self, name: str) -> bool:
        assigned = self.hybrid.assigned.get(name)
        return (assigned is not None and assigned[0] is None) or name in self._in_files

    @property
    def _in_files(self) -> set[str]:
        """Inputs that nothing else gives: a file of arrays may, by condition."""
        given = {*self.hybrid.assigned, *self.problem.parameters, *self._condition_targets()}
        return {
            name
            for network in self.hybrid.networks.values()
            for (_, element), name in network.inputs.items()
            if element is None and name not in given
        }

    def _array_names(self) -> list[str]:
        named = {name for name, (tree, _) in self.hybrid.assigned.items() if tree is None}
        return sorted(named | self._in_files)

    def _condition_targets(self) -> set[str]:
        return {n for e in self.problem.experiments.values() for period in e.periods for n in period.changes}

    def _input(self, name: str, network: PetabNetwork) -> Tree:
        """What an input is."""
        tree, where = self.hybrid.assigned.get(name, (None, network.where))
        if name in self.hybrid.assigned:
            if tree is None:
                self.faults.add(where, f"'{clip(name)}' is one number, and no array: name the whole argument")
                return Number(0.0)
            return tree
        if name in self.problem.parameters:
            return Name(name)
        if name in self._condition_targets():
            self.conditioned.add(name)
            return Name(name)
        what = f"nothing says what the input '{clip(name)}' of '{network.name}' is: neither the hybridization table, "
        self.faults.add(network.where, f"{what}nor the parameter table, nor a condition")
        return Number(0.0)

    # -- outputs

    def _calls(self, network: PetabNetwork, sizes: list[list[str] | str]) -> dict[str, Tree]:
        arguments: list[Tree] = []
        for size in sizes:
            arguments += [Name(size)] if isinstance(size, str) else [self._input(name, network) for name in size]
        results = self.results.get(network.name)
        if results is None:
            return {}
        found = {}
        for name, (result, indices) in network.outputs.items():
            component = results.component(result, indices)
            if component is None:
                where = network.places.get(name, network.where)
                self.faults.add(where, f"'{network.name}' has no such output: its results have the shapes {results}")
            else:
                single = results.count == 1
                found[name] = network_call(network.name, None if single else component, tuple(arguments))
        return found

    def _results(self, network: PetabNetwork, sizes: list[list[str] | str]) -> None:
        """Take the shapes of what a network returns; a fault where its arguments do not fit."""
        shapes: list[Shape] = []
        for size in sizes:
            if isinstance(size, str):
                shapes += [a.shape for file in self.hybrid.arrays for a in file.inputs(size).values()][:1]
            elif size:
                shapes.append((len(size),))
        if len(shapes) < len(sizes):
            return  # an argument is missing, which has been said
        with self.faults.catching():
            self.results[network.name] = results_of(self.graphs[network.name], shapes)

    @property
    def _declared(self) -> dict[str, str]:
        """Id of an output -> its network."""
        return {name: network.name for network in self.hybrid.networks.values() for name in network.outputs}

    def _nested(self, outputs: dict[str, Tree]) -> dict[str, Tree]:
        """Calls in the place of outputs that are inputs of other networks; a fault where these go in circles."""
        for _ in self.hybrid.networks:
            outputs = {name: replaced(tree, outputs) for name, tree in outputs.items()}
        circular = [name for name, tree in outputs.items() if not outputs.keys().isdisjoint(names_in(tree))]
        for network in dict.fromkeys(self._declared[name] for name in circular):
            what = f"the inputs of '{clip(network)}' depend on its own outputs"
            self.faults.add(self.hybrid.networks[network].where, what)
        return {name: tree for name, tree in outputs.items() if name not in circular}

    def _check_use(self) -> None:
        """Networks of which nothing uses an output."""
        trees = [tree for tree, _ in self.hybrid.assigned.values() if tree is not None]
        trees += [tree for o in self.problem.observables.values() for tree in (o.formula, o.noise)]
        for experiment in self.problem.experiments.values():
            trees += [tree for period in experiment.periods for tree in period.changes.values()]
        used = {name for tree in trees for name in names_in(tree)}
        for name, network in self.hybrid.networks.items():
            if used.isdisjoint(network.outputs):
                what = (
                    f"nothing uses an output of '{clip(name)}'; name one in the hybridization table, in an observable"
                )
                self.faults.add(network.where, f"{what} or in a condition")

    def _with_targets(self, outputs: Mapping[str, Tree]) -> Model:
        """The model with outputs in the place of what they set."""
        inputs = {name for network in self.hybrid.networks.values() for name in network.inputs.values()}
        model = self.model
        values, expressions = dict(model.values), dict(model.expressions)
        values |= dict.fromkeys(sorted(self.conditioned), Number(float("nan")))
        rates = {**model.rates, **dict.fromkeys(sorted(self.conditioned & self._moved()), Number(0.0))}
        known = list(dict.fromkeys([*self._declared, *values, *expressions, *model.rates, *self.problem.parameters]))
        for name, (tree, where) in self.hybrid.assigned.items():
            unknown = [] if tree is None else [n for n in names_in(tree) if n not in known]
            if unknown:
                self.faults.add(where, f"unknown symbol '{clip(unknown[0])}'; {suggest(unknown[0], known)}")
            if name in inputs or tree is None or unknown:
                continue
            made = replaced(tree, outputs)
            if name in self.problem.parameters:
                what = f"'{clip(name)}' has a row in the parameter table, and a network sets it: it cannot have both"
                self.faults.add(where, what)
            elif name in model.amounts:
                state, compartment = model.amounts[name]
                values[state] = call("*", made, Name(compartment))
            elif name in model.rates:
                values[name] = made
            elif name in values:
                del values[name]
                expressions[name] = made
            else:
                what = f"sets '{clip(name)}', which the model does not have; {suggest(name, [*values])}"
                self.faults.add(where, what)
        return replace(model, values=values, expressions=expressions, rates=rates)

    def _moved(self) -> set[str]:
        """Inputs of networks of the simulation that conditions set on the way: each is a state that stands still."""
        later = later_targets(self.problem.experiments.values())
        networks = self.hybrid.networks.values()
        return {name for network in networks if not network.before for name in network.inputs.values() if name in later}


def _replaced(problem: PetabProblem, outputs: Mapping[str, Tree]) -> PetabProblem:
    """The problem with calls in the place of outputs."""
    return replace(
        problem,
        observables={
            n: replace(o, formula=replaced(o.formula, outputs), noise=replaced(o.noise, outputs))
            for n, o in problem.observables.items()
        },
        experiments={
            n: replace(
                e,
                periods=tuple(
                    replace(p, changes={name: replaced(tree, outputs) for name, tree in p.changes.items()})
                    for p in e.periods
                ),
            )
            for n, e in problem.experiments.items()
        },
    )


def _content(network: PetabNetwork) -> bytes:
    try:
        return network.path.read_bytes()
    except OSError:
        return b""  # which reading it has said


def _number(element: int | None) -> int:
    return -1 if element is None else element
