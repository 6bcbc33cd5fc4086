"""What is known of profiles: their points, where the intervals end, and what that means, as files and as frames.

profiles.csv    quantity, branch, value, nll, then every estimated parameter: the points of all profiles
profiles.json   of each quantity: the verdict, a sentence, the ends, the threshold, what moves with it
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.html import html_table
from odefit.profiles.lanes import End
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.shapes import misfit
from odefit.runs.tables import Rows, Table, frame_of, rows_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from odefit.runs.stored import StoredRun

POINTS, VERDICTS = files.PROFILES, files.PROFILE_VERDICTS
COLUMNS = ("quantity", "branch", "value", "nll", "rise")
SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """What the data say of a quantity."""

    DETERMINED = "determined"
    PRACTICALLY_NOT = "practically not determined"
    NOT_AT_ALL = "not determined at all"
    UNFINISHED = "unfinished"


_NUMBER = (float, None)
SHAPE = {
    "level": float,
    "nll": float,
    "remarks": [str],
    "quantities": {
        str: {
            "unit": (str, None),
            "estimate": float,
            "low": _NUMBER,
            "high": _NUMBER,
            "low_end": End,
            "high_end": End,
            "level": float,
            "threshold": float,
            "verdict": Verdict,
            "sentence": str,
            "wald": (None, [float, float]),
            "wald_half": _NUMBER,
            "is_log": bool,
            "parts": [[_NUMBER, _NUMBER]],
            "moves_with": (str, None),
        }
    },
}
"""Of profiles.json."""


@dataclass(frozen=True)
class Profile:
    """The profile of one quantity.

    Attributes
    ----------
    name, unit
        As in reports.
    estimate
        The value at the optimum.
    low, high
        The ends of the interval; None where it is open, or not finished.
    low_end, high_end
        Why the profile ends there: `crossed` the threshold, or met a `bound`, stayed `flat`, the model `failed`, or it
        is `unfinished`.
    level
        The coverage of the interval.
    threshold
        How much the negative log-likelihood may rise above its least value.
    verdict, sentence
        In words.
    wald
        The interval by the curvature; None where there is none.
    wald_half
        Half its length on the scale that the quantity was followed on; None where it is not symmetric there.
    is_log
        Whether that scale is the logarithm.
    parts
        Separate intervals, where the data leave more than one.
    moves_with
        The formula that stays where it is while the quantity moves, where one is recognised; or the names of what moves
        with it.
    branch, value, nll, rise
        [n], the points, in the order of the values within each branch. rise is what is compared with the threshold: how
        far nll lies above the least; for a noise level after the adjustment for what the parameters took of the
        residuals.
    u
        [n, P], all estimated parameters there, natural scale.
    """

    name: str
    unit: str | None
    estimate: float
    low: float | None
    high: float | None
    low_end: str
    high_end: str
    level: float
    threshold: float
    verdict: Verdict
    sentence: str
    wald: tuple[float, float] | None = None
    wald_half: float | None = None
    is_log: bool = False
    parts: tuple[tuple[float | None, float | None], ...] = ()
    moves_with: str | None = None
    branch: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    value: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    nll: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    rise: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    u: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False, compare=False)

    @property
    def is_finished(self) -> bool:
        """Whether both ends are known, or known to be open."""
        return End.UNFINISHED not in (self.low_end, self.high_end)

    @property
    def interval(self) -> tuple[float, float]:
        """low and high, infinite where open."""
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    def to_json(self) -> dict[str, Any]:
        """All but the points."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("name", "branch", "value", "nll", "rise", "u")}
        return plain | {"verdict": str(self.verdict)}


@dataclass(frozen=True)
class Profiles:
    """The profiles of a run: what `odefit.profile` and `Run.profile` return.

    Attributes
    ----------
    names
        The estimated parameters, [P].
    nll
        The negative log-likelihood, with priors, that the heights are measured from.
    level
        The coverage of the intervals.
    profiles
        By the names of the quantities.
    remarks
        What else came out on the way, a sentence each.
    """

    names: tuple[str, ...]
    nll: float
    level: float
    profiles: Mapping[str, Profile]
    remarks: tuple[str, ...] = ()

    def of(self, names: Iterable[str]) -> Profiles:
        """Those of some quantities, as far as they are there."""
        return replace(self, profiles={name: self.profiles[name] for name in names if name in self.profiles})

    def __getitem__(self, name: str) -> Profile:
        return self.profiles[name]

    def __iter__(self) -> Iterator[Profile]:
        return iter(self.profiles.values())

    def __len__(self) -> int:
        return len(self.profiles)

    def __repr__(self) -> str:
        known = "; ".join(f"{p.name} {p.verdict}" for p in list(self)[:6])
        return f"<Profiles of {len(self)}: {known}{', …' if len(self) > 6 else ''}>"

    def _repr_html_(self) -> str:
        rows = [(p.name, p.estimate, p.low, p.high, p.unit, p.sentence) for p in self]
        head = ("quantity", "estimate", "low", "high", "unit", "")
        return html_table(f"{self.level:.0%} profile intervals", head, rows, list(self.remarks))

    def figure(self, kind: str = "profiles") -> Figure:
        """The same as `plot`."""
        return self.plot(kind)

    def plot(self, kind: str = "profiles") -> Figure:
        """The picture `profiles`, or `profile_paths`: what the other parameters do. Raises ValueError."""
        functions = {"profiles": "profiles_figure", "profile_paths": "paths_figure"}
        if kind not in functions:
            raise ValueError(f"there is no picture {kind!r} of profiles; there are {' and '.join(functions)}")
        from importlib import import_module

        room = import_module(f"odefit.plots.{kind}")  # above this one
        with import_module("odefit.plots.style").styled():
            figure: Figure = getattr(room, functions[kind])(self, f"{100 * self.level:.4g} % profile intervals")
        return figure

    @property
    def is_finished(self) -> bool:
        """Whether all of them are."""
        return all(p.is_finished for p in self)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each quantity, by name: estimate, low, high, verdict, sentence, unit."""
        import pandas as pd

        rows = [(p.name, p.estimate, p.low, p.high, str(p.verdict), p.sentence, p.unit) for p in self]
        head = ["name", "estimate", "low", "high", "verdict", "sentence", "unit"]
        frame = pd.DataFrame(rows, columns=head).set_index("name")
        return frame.astype({"low": float, "high": float})

    @property
    def points(self) -> pd.DataFrame:
        """The points of all profiles: quantity, branch, value, nll, then every estimated parameter there."""
        return frame_of(self.table.text)

    @property
    def table(self) -> Table:
        """profiles.csv."""
        rows = []
        for p in self:
            for k in range(len(p.value)):
                numbers = (p.value[k], p.nll[k], p.rise[k], *p.u[k])
                rows.append([p.name, int(p.branch[k]), *map(float, numbers)])
        return Table((*COLUMNS, *self.names), rows)

    def to_json(self) -> dict[str, Any]:
        """profiles.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "level": self.level,
            "nll": self.nll,
            "remarks": list(self.remarks),
            "quantities": {p.name: p.to_json() for p in self},
        }

    def write(self, folder: Path) -> None:
        """Both files, each whole or not at all. Raises StorageError."""
        files.write_text(folder, POINTS, self.table.text)
        files.write_text(folder, VERDICTS, self.json_text)

    @property
    def json_text(self) -> str:
        """profiles.json as text."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_profiles(run: StoredRun, points: str | None = None, verdicts: str | None = None) -> Profiles | None:
    """What a run knows of profiles already; None where nothing. Raises RunError where the files are damaged.

    points, verdicts: the texts of both files, in place of those that the run has.
    """
    rows = run.rows(POINTS) if points is None else rows_of(points, POINTS)
    text = run.table_text(VERDICTS) if verdicts is None else verdicts
    if rows is None or text is None:
        return None
    place = f"{run.place}: {VERDICTS}"
    try:
        data = json.loads(text)
        if data["schema_version"] > SCHEMA_VERSION:
            what = f"was written by a newer odefit (schema_version {data['schema_version']}); update odefit"
            raise RunError(place, what)
        if (bad := misfit(data, SHAPE)) is not None:
            raise ValueError(bad)
        found = {name: _profile(name, own, rows) for name, own in data["quantities"].items()}
        names = tuple(rows.header[len(COLUMNS) :])
        return Profiles(names, float(data["nll"]), float(data["level"]), found, tuple(data["remarks"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(place, f"is damaged ({error}); say `odefit profile --overwrite`") from None


def _profile(name: str, own: Mapping[str, Any], rows: Rows) -> Profile:
    chosen = [k for k, text in enumerate(rows.text(0)) if text == name]
    numbers = [rows.numbers(column)[chosen] for column in range(1, len(rows.header))]
    wald = None if own["wald"] is None else (float(own["wald"][0]), float(own["wald"][1]))
    parts = tuple((low, high) for low, high in own["parts"])
    fields = {**own, "verdict": Verdict(own["verdict"]), "wald": wald, "parts": parts}
    branch, value, nll, rise, *others = numbers
    if not all(np.isfinite(column).all() for column in (branch, value, *others)):
        raise ValueError(f"a point of {name} in {POINTS} has no number")
    u = np.stack(others, axis=1) if others else np.zeros((len(chosen), 0))
    return Profile(name=name, **fields, branch=branch, value=value, nll=nll, rise=rise, u=u)
