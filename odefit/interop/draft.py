"""A config of odefit before it is written: every part as trees and numbers, with what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from odefit.interop.mathematics import Tree
from odefit.records import dataclass


@dataclass(frozen=True)
class DraftEvent:
    """An entry of `model.events`: at a time, or when a condition becomes true."""

    changes: Mapping[str, Tree]
    time: Tree | None = None
    when: Tree | None = None
    delay: Tree | None = None
    priority: Tree | None = None
    at_start: bool = False
    early_values: bool = False
    persistent: bool = True
    comment: str = ""


@dataclass(frozen=True)
class DraftParameter:
    """An entry of `parameters`: estimated, fixed, or a formula."""

    name: str
    value: float | None = None
    formula: Tree | None = None
    bounds: tuple[float, float] | None = None
    log: bool = False
    estimate: bool = True
    prior: Mapping[str, object] | None = None
    comment: str = ""


@dataclass(frozen=True)
class DraftNoise:
    """An entry of `noise`; sigma is None where the data have a column of it."""

    model: str
    sigma: Tree | None


@dataclass(frozen=True)
class DraftTable:
    """A CSV file: the column names, and rows of formulas and texts."""

    header: Sequence[str]
    rows: Sequence[Sequence[Tree | str]]

    def mapped(self, change: Callable[[Tree], Tree]) -> DraftTable:
        """The table with every formula changed."""
        return replace(self, rows=[[c if isinstance(c, str) else change(c) for c in row] for row in self.rows])


@dataclass(frozen=True)
class DraftCurve:
    """A curve of a picture: an observable in some experiments."""

    observable: str
    experiments: Sequence[str]
    label: str


@dataclass(frozen=True)
class DraftPlot:
    """An entry of `plots`."""

    title: str
    curves: Sequence[DraftCurve]
    x: str = "time"
    x_label: str = ""
    y_label: str = ""
    x_log: bool = False
    y_log: bool = False
    x_offset: float = 0.0


@dataclass(frozen=True)
class DraftWeights:
    """Settings of some weights of a network; None where nothing is said."""

    value: float | None = None
    estimate: bool | None = None
    prior: Mapping[str, object] | None = None


@dataclass(frozen=True)
class DraftNetwork:
    """An entry of `model.networks`: its files, how many numbers go in and out, its weights.

    Attributes
    ----------
    inputs
        Per argument how many numbers, or the name of an array.
    file, weights
        Names of files beside the config; weights may be none.
    whole, layers
        Settings of all weights, and of a layer or an array.
    """

    file: str
    inputs: Sequence[int | str]
    outputs: int
    weights: str | None
    whole: DraftWeights
    layers: Mapping[str, DraftWeights]


@dataclass(frozen=True)
class Times:
    """When a model without data is observed."""

    start: float
    stop: float
    count: int


@dataclass(frozen=True)
class Draft:
    """One config with its tables.

    Attributes
    ----------
    name, origin
        What it is called, and the file that it was made from.
    steady_state
        None where there is none; else what was different before the start.
    data, experiments
        The tables; experiments is None where they have nothing of their own.
    jumps
        Whether something changes at a time that measurements may stand at.
    simulate
        For a model without data.
    decisions
        A sentence for each thing that had to be decided.
    unnamed
        Parameters of the problem that nothing in it names: what to say of them.
    renamed
        Names of the problem: those that odefit has for them.
    networks, arrays, kinks
        The networks, and the files of their arrays; whether equations have a network with kinks that steps go over.
    files
        What stands beside the config for these, by the names of the files.
    """

    name: str
    origin: str
    equations: Mapping[str, Tree]
    expressions: Mapping[str, Tree]
    initial: Mapping[str, Tree]
    observables: Mapping[str, Tree]
    events: Sequence[DraftEvent]
    steady_state: Mapping[str, Tree] | None
    parameters: Sequence[DraftParameter]
    noise: Mapping[str, DraftNoise]
    start: float | None
    data: DraftTable | None
    experiments: DraftTable | None
    jumps: bool
    simulate: Times | None
    decisions: Sequence[str]
    unnamed: Mapping[str, str] = field(default_factory=dict)
    plots: Mapping[str, DraftPlot] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, DraftNetwork] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    kinks: bool = False

    def mapped(self, change: Callable[[Tree], Tree], new: Mapping[str, str] | None = None) -> Draft:
        """The draft with every formula changed, and with new names where `new` has some."""
        names = new or {}

        def each(trees: Mapping[str, Tree]) -> dict[str, Tree]:
            return {names.get(name, name): change(tree) for name, tree in trees.items()}

        def one(tree: Tree | None) -> Tree | None:
            return None if tree is None else change(tree)

        return replace(
            self,
            equations=each(self.equations),
            expressions=each(self.expressions),
            initial=each(self.initial),
            observables=each(self.observables),
            events=[
                replace(
                    event,
                    changes=each(event.changes),
                    time=one(event.time),
                    when=one(event.when),
                    delay=one(event.delay),
                    priority=one(event.priority),
                )
                for event in self.events
            ],
            steady_state=None if self.steady_state is None else each(self.steady_state),
            parameters=[replace(p, name=names.get(p.name, p.name), formula=one(p.formula)) for p in self.parameters],
            noise={names.get(name, name): replace(n, sigma=one(n.sigma)) for name, n in self.noise.items()},
            data=self.data and self.data.mapped(change),
            experiments=self.experiments and self.experiments.mapped(change),
            plots={
                name: replace(
                    plot,
                    x=names.get(plot.x, plot.x),
                    curves=[replace(c, observable=names.get(c.observable, c.observable)) for c in plot.curves],
                )
                for name, plot in self.plots.items()
            },
            notes={names.get(name, name): note for name, note in self.notes.items()},
        )
