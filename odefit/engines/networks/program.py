"""The compiled right-hand side of one system and its networks: flat arrays in, flat arrays out."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, call_code
from odefit.compilation.machine_code import MachineCode, code_of, code_of_modules
from odefit.engines.kernel import interpolant
from odefit.engines.kernel.tableaus import CLASSICAL, TSITOURAS
from odefit.engines.networks import adaptive_steps, backwards, dense, fields, fixed_steps, kink_search, kinks
from odefit.engines.networks.text import FieldText, field_text
from odefit.errors import ModelError
from odefit.model.system import Network, System
from odefit.records import dataclass

STEPPERS = (dense, fields, kinks, interpolant, backwards, kink_search, fixed_steps, adaptive_steps)
"""The modules whose text becomes machine code."""
ENTRY_POINTS = ("march", "march_with_derivatives", "drive", "go_back_all")
ACTIVATIONS = {
    "leaky_relu": dense.LEAKY_RELU,
    "relu": dense.RELU,
    "tanh": dense.TANH,
    "sigmoid": dense.SIGMOID,
    "elu": dense.ELU,
    "gelu": dense.GELU,
    "silu": dense.SILU,
    "softplus": dense.SOFTPLUS,
}
HELD = {dense.LEAKY_RELU: dense.HELD_LEAKY_RELU, dense.RELU: dense.HELD_RELU}
"""Activations whose slopes a step of adaptive width holds."""
FIRST_ROOM, MOST_STEPS = 256, 16_384
"""Steps of one member for which there is room at first, and at most; a problem with more is left to torch."""


@dataclass(frozen=True)
class Method:
    """A Runge-Kutta method of `stages` stages.

    Attributes
    ----------
    tableau
        As backwards.py reads it.
    holds
        Whether its steps hold slopes that jump, and end where they do (kinks.py).
    """

    stages: int
    tableau: FloatArray
    holds: bool


FIXED = Method(4, CLASSICAL, holds=False)
ADAPTIVE = Method(7, TSITOURAS, holds=False)
CUT_AT_KINKS = replace(ADAPTIVE, holds=True)
MAX_RTOL_CUT = 1e-7
"""The largest rtol for which steps are cut at kinks: with less, control of the error over kinks takes more steps."""


@dataclass(frozen=True)
class Weights:
    """All weights of all networks, and the units of their inputs and outputs.

    Attributes
    ----------
    own, turned
        [W] as torch has them, and with each matrix transposed.
    units
        Network by network: centre and scale of the inputs, scale of the outputs.
    """

    own: FloatArray
    turned: FloatArray
    units: FloatArray


@dataclass(frozen=True)
class Members:
    """M members to be solved, arrays contiguous.

    Attributes
    ----------
    p
        [M, L], local values.
    start
        [M].
    elapsed
        [M, T], times since then.
    y
        [M, S], where they start.
    """

    p: FloatArray
    start: FloatArray
    elapsed: FloatArray
    y: FloatArray


@dataclass(frozen=True)
class Path:
    """The solution of M members, and how it was stepped through.

    Attributes
    ----------
    y
        [M, T, S].
    method
        That of the steps.
    record, taken, step_of, theta
        As backwards.py reads them.
    """

    y: FloatArray
    members: Members
    method: Method
    record: FloatArray
    taken: IntArray
    step_of: IntArray
    theta: FloatArray


class FieldProgram:
    """The machine code of a system with networks. Raises ModelError for what cannot be compiled."""

    def __init__(self, system: System) -> None:
        text = field_text(system)
        if text is None or any(network.gradient for network in system.networks.values()):
            raise ModelError("model", "these formulas and networks are not compiled")
        self.networks = [system.networks[name] for name in system.networks]
        self.states, self.parameters = len(system.states), len(system.parameters)
        self.n_weights = sum(map(_size, self.networks))
        self.plan, self._numbers = _plan(system, text, self.n_weights, holds=False)
        self.held_plan, _ = _plan(system, text, self.n_weights, holds=True)
        self._code = code_of(text.text)
        addresses = [self._code.address(name) for name in ("inputs", "rates", "partials")]
        self._values, self._all = addresses[:2], addresses
        self._functions = _entry_points()

    @property
    def kinks(self) -> int:
        """K: the units with kinks."""
        return int(self.held_plan[self.held_plan[fields.KINKS]])

    @property
    def columns(self) -> int:
        """C: local parameters, initial states and weights."""
        return self.parameters + self.states + self.n_weights

    def march(self, members: Members, steps: int, w: Weights) -> Path:
        """Members through their times by `steps` classical Runge-Kutta steps between two of them."""
        path = self._path(members, members.elapsed.shape[1] * steps, FIXED)
        work = np.empty(6 * self.states + self._numbers["kept"])
        heads = (*members.elapsed.shape, steps, self.plan, w.units, w.turned, *self._values)
        call_code(self._functions["march"], *heads, *self._arrays(path), work, path.y)
        return path

    def march_with_derivatives(self, members: Members, steps: int, w: Weights) -> FloatArray:
        """The same states, their derivatives [S, C] behind those of each time: [M, T, S (1 + C)]."""
        size = self.states * (1 + self.columns)
        out = np.empty((*members.elapsed.shape, size))
        work = np.empty(6 * size + self._numbers["kept"] + self.states + self._numbers["pull"])
        heads = (*members.elapsed.shape, steps, self.plan, w.units, w.turned, w.own, *self._all)
        given = (members.p, members.start, members.elapsed, members.y)
        call_code(self._functions["march_with_derivatives"], *heads, *given, work, out)
        return out

    def drive(self, members: Members, tolerances: FloatArray, w: Weights) -> Path | None:
        """The same by adaptive steps; None where a member fails. tolerances: rtol, then atol [S]."""
        method = CUT_AT_KINKS if self.kinks and tolerances[0] <= MAX_RTOL_CUT else ADAPTIVE
        search = 5 * self.kinks + 2 * self.states + ADAPTIVE.stages
        work = np.empty(10 * self.states + ADAPTIVE.stages + self._numbers["kept"] + search)
        status = np.empty(len(members.p), dtype=np.int64)
        room = FIRST_ROOM
        while room <= MOST_STEPS:
            path = self._path(members, room, method)
            heads = (*members.elapsed.shape, room, tolerances, method.tableau, self._plan_of(method))
            call_code(
                self._functions["drive"],
                *(*heads, w.units, w.turned, *self._values, *self._arrays(path), work, path.y, status),
            )
            if not status.any():
                return path
            if (status == adaptive_steps.FAILED).any():
                return None
            room *= 4
        return None

    def go_back(self, path: Path, gradient: FloatArray, w: Weights) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What `gradient` [M, T, S] is for local parameters [M, L], initial states [M, S] and weights [W]."""
        members, stages = path.members, path.method.stages
        p_bar, y_bar, w_bar = np.zeros(members.p.shape), np.empty(members.y.shape), np.zeros(self.n_weights)
        kept, pull = self._numbers["kept"], self._numbers["pull"]
        work = np.empty(self.states * (2 * stages + 3) + stages + stages * kept + pull)
        steps = path.record, path.taken, path.step_of, path.theta
        heads = (*members.elapsed.shape, path.record.shape[1], stages, path.method.tableau)
        weights = (self._plan_of(path.method), w.units, w.turned, w.own)
        given = (members.p, members.start, *steps, gradient, work, p_bar, y_bar, w_bar)
        call_code(self._functions["go_back_all"], *heads, *weights, *self._all, *given)
        return p_bar, y_bar, w_bar

    def _plan_of(self, method: Method) -> IntArray:
        return self.held_plan if method.holds else self.plan

    def _path(self, members: Members, room: int, method: Method) -> Path:
        m, count = members.elapsed.shape
        return Path(
            np.empty((m, count, self.states)),
            members,
            method,
            np.empty((m, room, 2 + self.states + (self.kinks if method.holds else 0))),
            np.empty(m, dtype=np.int64),
            np.empty((m, count), dtype=np.int64),
            np.empty((m, count)),
        )

    def _arrays(self, path: Path) -> tuple[FloatArray | IntArray, ...]:
        """As `march` and `drive` take them."""
        given = path.members.p, path.members.start, path.members.elapsed, path.members.y
        return (*given, path.record, path.taken, path.step_of, path.theta)


def _widths(network: Network) -> tuple[int, ...]:
    return (network.inputs, *network.hidden, network.outputs)


def _size(network: Network) -> int:
    widths = _widths(network)
    return sum(n * (before + 1) for before, n in itertools.pairwise(widths))


def _plan(system: System, text: FieldText, n_weights: int, *, holds: bool) -> tuple[IntArray, Mapping[str, int]]:
    """What fields.py reads; and how many numbers `kept` and `pull` (entries and room) need.

    holds: slopes that jump, which makes a list of units with kinks.
    """
    first_weight, first_unit, at_weight, at_unit = {}, {}, 0, 0
    for name, network in system.networks.items():
        first_weight[name], first_unit[name] = at_weight, at_unit
        at_weight += _size(network)
        at_unit += 2 * network.inputs + network.outputs
    outputs = sum(system.networks[call.network].outputs for call in text.calls)
    inputs = sum(len(call.arguments) for call in text.calls)
    kept, x, o, widest = outputs + inputs, 0, 0, 1
    descriptions: list[list[int]] = []
    units: list[int] = []
    for call in text.calls:
        network, widths = system.networks[call.network], _widths(system.networks[call.network])
        last = dense.SOFTPLUS if network.output == "positive" else dense.LINEAR
        places = [first_weight[call.network], x, o, first_unit[call.network], kept, int(call.is_nested)]
        kind = ACTIVATIONS[network.activation]
        if holds and kind in HELD:
            units += _units_with_kinks(kept, widths, leaks=kind == dense.LEAKY_RELU)
            kind = HELD[kind]
        descriptions.append([len(widths) - 1, kind, last, *places, *widths])
        kept += widths[0] + 3 * sum(widths[1:])
        x, o, widest = x + network.inputs, o + network.outputs, max(widest, *widths)
    parts = [[len(part), *(row for row, _ in part), *(column for _, column in part)] for part in text.entries]
    head = fields.DESCRIPTIONS + len(text.calls)
    places = np.cumsum([head, *map(len, descriptions)]).tolist()
    n_entries = sum(map(len, text.entries))
    states, parameters = len(system.states), len(system.parameters)
    numbers = [len(text.calls), states, parameters, outputs, inputs, kept, n_weights, places[-1], n_entries]
    listed = [len(units) // kinks.PLACES, *units]
    flat = [*places[:-1], *(n for own in (*descriptions, *parts) for n in own)]
    flat = [*numbers, len(numbers) + 1 + len(flat), *flat, *listed]
    pull = n_entries + states + inputs + states + parameters + outputs + 2 * widest
    return np.array(flat, dtype=np.int64), {"kept": kept, "pull": pull}


def _units_with_kinks(kept: int, widths: Sequence[int], *, leaks: bool) -> list[int]:
    """What kinks.py lists of the hidden units of a network whose numbers are kept from there on."""
    found, z = [], kept + widths[0]
    for n in widths[1:-1]:
        found += [number for i in range(n) for number in (z + i, z + n + i, int(leaks))]
        z += 3 * n
    return found


@lru_cache(maxsize=1)
def _steppers() -> MachineCode:
    return code_of_modules([module.__name__ for module in STEPPERS], ENTRY_POINTS)


@lru_cache(maxsize=1)
def _entry_points() -> Mapping[str, Any]:
    """The steppers as functions that are called without Python's lock."""
    code, found = _steppers(), {}
    for name, (numbers, pointers) in {
        "march": (3, 15),
        "march_with_derivatives": (3, 13),
        "drive": (3, 18),
        "go_back_all": (4, 19),
    }.items():
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * numbers, *[ctypes.c_void_p] * pointers)
        found[name] = kind(code.address(name))
    return found
