"""What a finished run can be asked for beside its own tables: each question has a room of its own above this one.

A room is found by its name when it is first asked for, so that a run knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from odefit.runs.progress import Progress

if TYPE_CHECKING:
    Answer = Any


class Reported:
    """What every run can be asked for, whatever its model."""

    def report(self, out: Path | str | None = None, *, against: Sequence[Any] = ()) -> Answer:
        """One HTML document with all that there is to say of the run: see `odefit.report`."""
        return _of("reports", "report")(self, out, against=against)


class Asked(Reported):
    """The questions to a run of equations as its methods."""

    def profile(
        self,
        parameters: Sequence[str] | None = None,
        *,
        level: float = 0.95,
        seconds: float | None = None,
        overwrite: bool = False,
        cluster: str | Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        """Profile likelihoods of parameters, derived quantities and predictions: see `odefit.profile`."""
        ask = _of("profiles.profiling", "profile")
        limits = {"seconds": seconds, "overwrite": overwrite, "cluster": cluster, "progress": progress}
        return ask(self, parameters, level=level, **limits)

    def predict(
        self,
        times: ArrayLike | Mapping[str, ArrayLike] | None = None,
        *,
        experiments: Any = None,
        doses: Any = None,
        inputs: Path | str | None = None,
        curves: Sequence[str] | None = None,
        bands: str = "wald",
        level: float = 0.95,
        seconds: float | None = None,
    ) -> Answer:
        """Curves and bands at new times, under new conditions, doses and inputs: see `odefit.predict`."""
        how = {"experiments": experiments, "doses": doses, "inputs": inputs, "curves": curves, "bands": bands}
        return _of("studies", "predict")(self, times, **how, level=level, seconds=seconds)

    def compare(self, *others: Any) -> Answer:
        """This fit beside others of the same measurements: see `odefit.compare`."""
        return _of("studies", "compare")(self, *others)

    def bootstrap(
        self,
        samples: int = 1000,
        *,
        kind: str = "parametric",
        intervals: str = "studentized",
        level: float = 0.95,
        seed: int = 0,
        seconds: float | None = None,
        overwrite: bool = False,
        cluster: str | Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        """How the estimates scatter when the data are drawn anew and fitted again: see `odefit.bootstrap`."""
        ask, settings = _of("resampling.bootstrap", "bootstrap"), {"kind": kind, "intervals": intervals, "level": level}
        limits = {"seconds": seconds, "overwrite": overwrite, "cluster": cluster, "progress": progress}
        return ask(self, samples, **settings, seed=seed, **limits)

    def sample(
        self,
        draws: int = 250,
        *,
        chains: int = 16,
        warm_up: int = 200,
        acceptance: float = 0.8,
        level: float = 0.95,
        seed: int = 0,
        seconds: float | None = None,
        overwrite: bool = False,
        cluster: str | Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        """Draws from the posterior under the priors: see `odefit.sample`."""
        ask, settings = _of("sampling.sample", "sample"), {"chains": chains, "warm_up": warm_up, "seed": seed}
        limits = {"seconds": seconds, "overwrite": overwrite, "cluster": cluster, "progress": progress}
        return ask(self, draws, acceptance=acceptance, level=level, **settings, **limits)

    def symbols(
        self,
        *,
        terms: Sequence[str] = ("polynomial", "saturating", "exp", "sin"),
        degree: int = 3,
        most: int = 5,
        seconds: float | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        """Formulas in the places of the run's networks: see `odefit.symbols`."""
        ask = _of("symbolic.finding", "symbols")
        return ask(self, terms=terms, degree=degree, most=most, seconds=seconds, progress=progress)

    def design(
        self,
        candidates: Any,
        quantities: Sequence[str] | None = None,
        *,
        criterion: str | None = None,
        choose: int = 1,
        times: ArrayLike | None = None,
        doses: Any = None,
        inputs: Path | str | None = None,
    ) -> Answer:
        """Candidate experiments by how much they would reduce the errors: see `odefit.design`."""
        ask, conditions = _of("studies", "design"), {"times": times, "doses": doses, "inputs": inputs}
        return ask(self, candidates, quantities, criterion=criterion, choose=choose, **conditions)


def figure_with(run: Any, kind: str, write: Callable[[Path], None]) -> Any:
    """A picture of what was made of a run: `odefit.plot(run, kind)`, of a run in memory as well.

    write: writes what the picture is drawn from into a run folder.
    """
    plot = _of("pictures", "plot")
    if run.path is not None:
        return plot(run.path, kind)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="odefit-") as place:
        folder = Path(place) / "run"
        run.save(folder)
        write(folder)
        return plot(folder, kind)


def from_folder(folder: Path | str) -> Any:
    """The run in a folder, of whatever model: see `odefit.load_run`."""
    return _of("api", "load_run")(folder)


def _of(room: str, function: str) -> Any:
    return getattr(import_module(f"odefit.{room}"), function)
