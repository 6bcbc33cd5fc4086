"""The description of a network in YAML, as PEtab-SciML has it: named layers, and the steps of a forward pass.

    nn_model_id: net1
    inputs: [{input_id: input0}]
    layers: [{layer_id: layer1, layer_type: Linear, args: {in_features: 2, out_features: 5, bias: true}}, ...]
    forward: [{name: x, op: placeholder, target: x, args: [], kwargs: {}}, ...]

A step is an argument (`placeholder`), a layer (`call_module`), a function or method by its name, or the result
(`output`). Nothing here needs torch; layers.py knows the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odefit.config.source import Source, read_yaml
from odefit.errors import ConfigError, Faults
from odefit.model.graphs.names import ACTIVATION_LAYERS, FUNCTIONS, KINKED, LAYERS, METHODS
from odefit.records import dataclass
from odefit.text import clip, suggest

MAX_STEPS = 10_000
"""The most layers, and the most steps, of one network."""
MAX_LIST = 1_000
"""The most numbers of one argument of a layer."""
OPERATIONS = ("placeholder", "call_module", "call_function", "call_method", "output")


@dataclass(frozen=True)
class Reference:
    """The value of an earlier step."""

    step: str


@dataclass(frozen=True)
class Layer:
    """A layer by its type, with its arguments by name."""

    name: str
    kind: str
    arguments: tuple[tuple[str, Any], ...]
    where: str


@dataclass(frozen=True)
class Step:
    """One step of the forward pass; lists are tuples, and names of earlier steps are `Reference`s."""

    name: str
    operation: str
    target: str
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]
    where: str


@dataclass(frozen=True)
class Graph:
    """A network.

    Attributes
    ----------
    name
        As its file calls it.
    inputs
        What the file calls its arguments, as many as the forward pass has.
    layers, steps
        In the order of the file; steps use earlier ones only, and the last is the only `output`.
    where
        The file.
    """

    name: str
    inputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]
    where: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the steps that are arguments."""
        return tuple(step.name for step in self.steps if step.operation == "placeholder")

    @property
    def has_kinks(self) -> bool:
        """Whether the derivatives of what it computes may jump."""
        return any(layer.kind in KINKED for layer in self.layers) or any(step.target in KINKED for step in self.steps)


def read_graph(path: Path) -> Graph:
    """The network that a file describes. Raises ConfigError with all faults of the file, by its lines."""
    return graph_of(read_yaml(path))


def graph_of(source: Source) -> Graph:
    """The same for YAML that has been read."""
    faults = Faults()
    data = source.data
    layers = [_layer(source, n, one, faults) for n, one in enumerate(_list(source, "layers", faults))]
    known = {layer.name: layer for layer in layers if layer is not None}
    steps: list[Step] = []
    for n, one in enumerate(_list(source, "forward", faults)):
        step = _step(source, n, one, {s.name for s in steps}, known, faults)
        if step is not None:
            steps.append(step)
    if not faults.found:
        _check_ends(source, steps, faults)
    name = data.get("nn_model_id")
    arguments = [step.name for step in steps if step.operation == "placeholder"]
    listed = data.get("inputs")
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    inputs = [str(one["input_id"]) for one in entries if one.get("input_id")]
    if len(inputs) != len(arguments):
        inputs = arguments
    faults.check()
    kept = tuple(layer for layer in layers if layer is not None)
    return Graph(str(name or ""), tuple(inputs), kept, tuple(steps), source.name)


def _list(source: Source, key: str, faults: Faults) -> list[Any]:
    value = source.data.get(key)
    if key not in source.data:
        known = "'nn_model_id', 'inputs', 'layers' and 'forward'"
        faults.add(source.where(()), f"has no key '{key}': the description of a network has {known}")
    elif not isinstance(value, list):
        faults.add(source.where((key,)), "must be a list")
    elif len(value) > MAX_STEPS:
        faults.add(source.where((key,)), f"has {len(value):,} entries; at most {MAX_STEPS:,}")
    else:
        return value
    return []


def _layer(source: Source, n: int, one: Any, faults: Faults) -> Layer | None:
    keys = ("layers", n)
    where = source.where(keys)
    if not isinstance(one, Mapping):
        faults.add(where, "must be a mapping with layer_id, layer_type and args")
        return None
    name, kind, arguments = one.get("layer_id"), one.get("layer_type"), one.get("args") or {}
    if not isinstance(name, str) or not name:
        faults.add(where, "has no layer_id")
        return None
    if any(before.get("layer_id") == name for before in source.data["layers"][:n] if isinstance(before, Mapping)):
        faults.add(source.where((*keys, "layer_id")), f"'{clip(name)}' stands twice")
    known = {**LAYERS, **ACTIVATION_LAYERS}
    if kind not in known:
        what = f"'{clip(str(kind))}' is no layer that is known here; {suggest(str(kind), known)}"
        faults.add(source.where((*keys, "layer_type")), what)
        return None
    if not isinstance(arguments, Mapping):
        faults.add(source.where((*keys, "args")), "must be a mapping")
        return None
    pairs = []
    for key, value in arguments.items():
        place = source.where((*keys, "args", key))
        if key not in known[kind]:
            what = f"'{clip(str(key))}' is no argument of {kind}; {suggest(str(key), known[kind])}"
            faults.add(place, what)
        elif not _is_plain(value):
            faults.add(place, f"'{key}' of {kind} must be a number, a word, true or false, or a list of whole numbers")
        elif key == "return_indices" and value:
            faults.add(place, "return_indices makes two results of one; set it to false")
        else:
            pairs.append((str(key), _frozen(value)))
    return Layer(name, str(kind), tuple(pairs), where)


def _step(
    source: Source, n: int, one: Any, before: set[str], layers: Mapping[str, Layer], faults: Faults
) -> Step | None:
    keys = ("forward", n)
    where = source.where(keys)
    if not isinstance(one, Mapping):
        faults.add(where, "must be a mapping with name, op, target, args and kwargs")
        return None
    name, operation, target = one.get("name"), one.get("op"), one.get("target")
    if not (isinstance(name, str) and name and isinstance(operation, str) and isinstance(target, str)):
        faults.add(where, "needs name, op and target, each a word")
        return None
    if name in before:
        faults.add(where, f"a step '{clip(name)}' stands above already")
    if operation not in OPERATIONS:
        faults.add(source.where((*keys, "op")), f"'{clip(operation)}' is none of {', '.join(OPERATIONS)}")
        return None
    kinds: dict[str, tuple[str, Mapping[str, Any]]] = {
        "call_module": ("layer", layers),
        "call_function": ("function", FUNCTIONS),
        "call_method": ("method", METHODS),
    }
    if operation in kinds:
        what, known = kinds[operation]
        if target not in known:
            fault = f"'{clip(target)}' is no {what} that is known here; {suggest(target, list(known))}"
            faults.add(source.where((*keys, "target")), fault)
    arguments, options = one.get("args") or [], one.get("kwargs") or {}
    if not isinstance(arguments, list) or not isinstance(options, Mapping):
        faults.add(where, "args must be a list, and kwargs a mapping")
        return None
    needed = operation in ("call_module", "call_function", "call_method", "output")
    if needed and not arguments:
        faults.add(where, f"'{clip(name)}' is applied to nothing: its args are empty")
    resolved = tuple(_resolved(value, before, where, faults) for value in arguments) if needed else ()
    named = []
    for key, value in options.items():
        if key == "inplace":
            continue
        wanted = FUNCTIONS.get(target) if operation == "call_function" else METHODS.get(target)
        if wanted is None or str(key) not in wanted:
            if operation in kinds and target in kinds[operation][1]:
                faults.add(where, f"'{clip(str(key))}' is no option of {clip(target)} that is known here")
            continue
        named.append((str(key), _resolved(value, before, where, faults, literal=True)))
    return Step(name, operation, target, resolved, tuple(named), where)


def _resolved(value: Any, before: set[str], where: str, faults: Faults, *, literal: bool = False) -> Any:
    """A value of a step: a reference where it names an earlier one."""
    if isinstance(value, list):
        if len(value) > MAX_LIST:
            faults.add(where, f"a list of {len(value):,} values; at most {MAX_LIST:,}")
            return ()
        return tuple(_resolved(part, before, where, faults, literal=literal) for part in value)
    if isinstance(value, str) and value in before:
        return Reference(value)
    if isinstance(value, str) and not literal:
        faults.add(where, f"'{clip(value)}' is no step above this one; {suggest(value, sorted(before))}")
        return 0
    if value is None or isinstance(value, bool | int | float | str):
        return value
    faults.add(where, "an argument must be the name of a step, a number, true or false, or a list of these")
    return 0


def _check_ends(source: Source, steps: list[Step], faults: Faults) -> None:
    outputs = [step for step in steps if step.operation == "output"]
    if len(outputs) != 1 or steps[-1].operation != "output":
        faults.add(source.where(("forward",)), "must end with its one step `op: output`")
    elif not _references(outputs[0].arguments):
        faults.add(outputs[0].where, "the output names no step")
    if not any(step.operation == "placeholder" for step in steps):
        faults.add(source.where(("forward",)), "has no step `op: placeholder`: a network needs an argument")


def _references(value: Any) -> list[Reference]:
    if isinstance(value, tuple):
        return [reference for part in value for reference in _references(part)]
    return [value] if isinstance(value, Reference) else []


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= MAX_LIST and all(isinstance(part, int) for part in value)
    return value is None or isinstance(value, bool | int | float | str)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_format(given: object, where: str) -> None:
    """Refuse by its name a description that is no data: source code of a framework. Raises ConfigError."""
    word = str(given)
    if word.lower() == "yaml":
        return
    code = {
        "pytorch": "Python source of PyTorch",
        "equinox": "Python source of Equinox",
        "lux.jl": "Julia source of Lux",
    }
    kind = code.get(word.lower())
    if kind is None:
        raise ConfigError(where, f"'{clip(word)}' is no format of networks that is read; odefit reads YAML")
    what = f"'{clip(word)}' is {kind}, and code of a file is never run; write the network as YAML (petab_sciml does)"
    raise ConfigError(where, what)
