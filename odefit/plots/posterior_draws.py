"""What pictures of a posterior share: its draws, those shown of them, and where the axes end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.records import dataclass
from odefit.runs.stored import StoredRun
from odefit.sampling.storage import read_summary, read_values

LACKING = "the run has no draws of its posterior; make some with `odefit sample RUN`"
LEFT_OUT = 0.003
"""The share of draws on each side that may lie beyond an axis."""


def lacking_draws(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    summary = read_summary(pictures.run)
    return "" if summary is not None and summary["draws"] > 1 else LACKING


@dataclass(frozen=True)
class PosteriorDraws:
    """The draws of a run.

    Parameters
    ----------
    summary
        posterior.json.
    names
        Of the parameters.
    values
        [C, n, K].
    """

    summary: dict[str, Any]
    names: tuple[str, ...]
    values: FloatArray

    @classmethod
    def of(cls, run: StoredRun, most: int) -> PosteriorDraws:
        """The first `most` parameters. Raises RunError."""
        summary = read_summary(run)
        assert summary is not None  # or the picture would be lacking
        names, values, _ = read_values(run, summary)
        return cls(summary, names[:most], values[:, :, :most])

    @property
    def note(self) -> str:
        """What stands below the title."""
        s, shown = self.summary, len(self.names)
        more = len(s["parameters"])
        text = f"{s['chains']} chains of {s['draws']} draws; {s['verdict']['kind'].replace('_', ' ')}"
        return text + (f"; the first {shown} parameters of {more}" if shown < more else "")

    @cached_property
    def flat(self) -> FloatArray:
        """[C n, K]."""
        return self.values.reshape(-1, self.values.shape[2])

    def label(self, k: int, between: str = " ") -> str:
        """The name, with its unit."""
        unit = self.summary["parameters"][self.names[k]]["unit"]
        name = style.plain(self.names[k], 22)
        return f"{name}{between}({style.plain(unit, 22)})" if unit else name

    def limits(self, k: int, beside: Sequence[float]) -> tuple[float, float]:
        """Where the axis of a parameter ends, with some values that it must hold."""
        ends = np.quantile(self.flat[:, k], [LEFT_OUT, 1 - LEFT_OUT]).tolist()
        low, high = min([*ends, *beside]), max([*ends, *beside])
        room = 0.03 * (high - low) or 1.0
        return low - room, high + room
