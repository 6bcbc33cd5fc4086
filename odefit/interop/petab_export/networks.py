"""The networks of a problem in PEtab-SciML: descriptions, inputs, what outputs set, weights.

Each network stands in the problem with one set of inputs; what equations need of it is a parameter of the model that
its output takes the place of, and observables name its outputs themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.errors import Faults
from odefit.interop.mathematics import Name, Number, Tree, call
from odefit.interop.petab_export.names import Identifiers
from odefit.interop.petab_export.network_tables import NetworkTables, Prior, WeightsRow
from odefit.interop.petab_export.parameters import density_of
from odefit.interop.petab_export.perceptrons import description_of, has_units, plain_weights, scale_of_output
from odefit.model.system import NetworkCall, System, symbol
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.text import clip

if TYPE_CHECKING:
    from torch import nn

Output = tuple[str, int]
"""A network, and which of its outputs."""


@dataclass
class NetworkOutputs:
    """The calls of networks in formulas, each as a symbol for its output.

    Attributes
    ----------
    constant
        Symbol of a call of constants, which stands in the formulas already -> the call.
    identifiers
        Gives ids.
    arguments
        Network -> the arguments of all its calls.
    ids
        (network, component) -> the id of the output.
    targets
        (network, component) -> the parameter of the model that it sets, where equations need it.
    different
        Networks that are called with several sets of arguments.
    """

    constant: Mapping[str, sp.Expr]
    identifiers: Identifiers
    arguments: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    ids: dict[Output, str] = field(default_factory=dict)
    targets: dict[Output, str] = field(default_factory=dict)
    different: set[str] = field(default_factory=set)

    def gather(self, formulas: Iterable[Any]) -> None:
        """Look at all calls before anything is written."""
        for formula in (*self.constant.values(), *formulas):
            for one in sorted(sp.sympify(formula).atoms(NetworkCall), key=str):
                name, _, *arguments = one.args
                if self.arguments.setdefault(name.name, tuple(arguments)) != tuple(arguments):
                    self.different.add(name.name)
                self.id_of(output_of(one))

    def id_of(self, output: Output) -> str:
        """The id of an output."""
        if output not in self.ids:
            self.ids[output] = self.identifiers.new(f"{output[0]}_output{output[1]}")
        return self.ids[output]

    def target_of(self, output: Output) -> str:
        """The parameter of the model that an output sets."""
        if output not in self.targets:
            self.targets[output] = self.identifiers.new(f"{output[0]}_value{output[1]}")
        return self.targets[output]

    def put(self, formula: Any, stand_in: Callable[[Output], Tree]) -> tuple[Any, dict[str, Tree]]:
        """A formula with symbols in the place of calls, and what these are."""
        named: dict[Any, Any] = {}
        trees: dict[str, Tree] = {}
        for one in sorted(sp.sympify(formula).atoms(NetworkCall), key=str):
            output = output_of(one)
            stands = f"{output[0]}@output{output[1]}"
            named[one] = symbol(stands)
            trees[stands] = stand_in(output)
        return (sp.sympify(formula).xreplace(named), trees) if named else (formula, {})


def output_of(applied: Any) -> Output:
    """The network and the component of a call."""
    return str(applied.args[0].name), int(applied.args[1])


def names_in_arguments(outputs: NetworkOutputs, system: System) -> list[str]:
    """The symbols in arguments that are neither states nor inputs nor the time."""
    moving = {symbol(name) for name in (*system.states, *system.inputs, "t")}
    found = {s for arguments in outputs.arguments.values() for a in arguments for s in sp.sympify(a).free_symbols}
    return sorted(s.name for s in found - moving if not s.name.endswith("]"))


def refuse(assembly: Assembly, outputs: NetworkOutputs, faults: Faults) -> None:
    """What PEtab-SciML cannot hold, by name."""
    loaded, described = assembly.loaded, assembly.described.system
    for name in sorted(outputs.different):
        what = "is called with different arguments, and PEtab has one set of inputs for each network"
        faults.add(loaded.where("model", "networks", name), what)
    for name in loaded.config.data.arrays:
        faults.add(loaded.where("data", "arrays", name), "arrays as arguments of networks are not exported")
    initial = set().union(*(sp.sympify(f).free_symbols for f in assembly.problem.engine.system.initial.values()))
    for stands, applied in outputs.constant.items():
        if symbol(stands) in initial:
            what = f"the network '{applied.args[0].name}' is in an initial value, which is not exported"
            faults.add(loaded.where("model", "initial"), what)
    for name, network in described.networks.items():
        if network.gradient:
            faults.add(
                loaded.where("model"), f"the network '{clip(name)}' is a gradient, which PEtab has no layers for"
            )
        module = assembly.networks[name] if assembly.networks is not None else None
        if has_units(module) and any(prior.network == name for prior in assembly.problem.weight_priors):
            what = "priors are of weights in units of the data, which PEtab has not; set model.normalise to false"
            faults.add(loaded.where("model", "networks", name), what)
        if network.penalty:
            faults.add(loaded.where("model", "networks", name, "penalty"), "PEtab has no penalties; give a `prior`")


def network_tables(
    assembly: Assembly,
    outputs: NetworkOutputs,
    symbols: Mapping[str, str],
    tree: Callable[[Any], Tree],
    faults: Faults,
) -> NetworkTables:
    """The tables of all networks.

    Parameters
    ----------
    assembly, outputs
        The problem with the weights of its networks, and their calls.
    symbols
        The parameters of the model that stand for calls of constants, by symbol.
    tree
        A formula with the ids of the model.
    faults
        Take what cannot be held.
    """
    mapping: dict[str, str] = {}
    hybridization: dict[str, Tree] = {}
    rows: list[WeightsRow] = []
    descriptions: dict[str, str] = {}
    arrays: dict[str, FloatArray] = {}
    assert assembly.networks is not None
    for name, arguments in outputs.arguments.items():
        sizes = _sizes(assembly, name, len(arguments))
        for k, argument in enumerate(arguments):
            identifier = outputs.identifiers.new(f"{name}_input{k}")
            mapping[identifier] = f"{name}.inputs{_place(sizes, k)}"
            hybridization[identifier] = tree(argument)
        module = assembly.networks[name]
        descriptions[name] = _description(assembly, name, module)
        rows += _rows(assembly, name, module, outputs.identifiers, mapping, faults)
        arrays |= {f"parameters/{name}/{key.replace('.', '/')}": own for key, own in plain_weights(module).items()}
    for output, identifier in outputs.ids.items():
        mapping[identifier] = f"{output[0]}.outputs[0][{output[1]}]"
        if output in outputs.targets:
            hybridization[outputs.targets[output]] = value_of(assembly, outputs, output)
    for stands, applied in outputs.constant.items():
        hybridization[symbols[stands]] = value_of(assembly, outputs, output_of(applied))
    return NetworkTables(mapping, hybridization, tuple(rows), descriptions, arrays)


def value_of(assembly: Assembly, outputs: NetworkOutputs, output: Output) -> Tree:
    """What an output is, with the unit that no layer could take in."""
    assert assembly.networks is not None
    factor = scale_of_output(assembly.networks[output[0]], output[1])
    found: Tree = Name(outputs.id_of(output))
    return found if factor == 1 else call("*", Number(factor), found)


def _sizes(assembly: Assembly, name: str, count: int) -> tuple[int, ...]:
    section = assembly.loaded.config.model.networks.get(name)
    given = None if section is None else section.inputs
    return tuple(size for size in given if isinstance(size, int)) if given else (count,)


def _place(sizes: tuple[int, ...], k: int) -> str:
    for argument, size in enumerate(sizes):
        if k < size:
            return f"[{argument}][{k}]"
        k -= size
    return f"[0][{k}]"


def _description(assembly: Assembly, name: str, module: nn.Module) -> str:
    """The file that the network was read from, or one that says the same."""
    given = assembly.files.get(("model", "networks", name, "file"))
    return given.decode("utf-8") if given is not None else description_of(name, module)


def _rows(
    assembly: Assembly,
    name: str,
    module: nn.Module,
    identifiers: Identifiers,
    mapping: dict[str, str],
    faults: Faults,
) -> list[WeightsRow]:
    """One row for all weights, and one for each array that differs from it."""
    from odefit.model.weights import weights_by_layer

    own = weights_by_layer(module)
    priors = {p.name: p.prior for p in assembly.problem.weight_priors if p.network == name}
    densities: dict[str, Prior | None] = {}
    for key in own:
        densities[key] = None
        if key in priors:
            densities[key] = density_of(priors[key])
            if densities[key] is None:
                where = assembly.loaded.where("model", "networks", name)
                faults.add(where, f"PEtab has no {priors[key].kind} density of weights")
    settings = [(q.requires_grad, densities[key]) for key, q in own.items()]
    # A row for one array without a prior would have that of the row for all.
    common = max([setting for setting in settings if setting[1] is None] or settings, key=settings.count)
    rows = [WeightsRow(identifiers.new(f"{name}_weights"), f"{name}.parameters", *common)]
    for (key, _), setting in zip(own.items(), settings, strict=True):
        if setting != common:
            layer, array = key.rsplit(".", 1)
            identifier = identifiers.new(f"{name}_{key}")
            rows.append(WeightsRow(identifier, f"{name}.parameters[{layer}].{array}", *setting))
    mapping |= {row.id: row.entity for row in rows}
    return rows
