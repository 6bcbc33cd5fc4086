"""`odefit.discover`: search, refit every candidate on the trajectories, compare, and say what the data support."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from odefit.config.load import LoadedConfig
from odefit.discovery.asked import Asked
from odefit.discovery.candidates import Draft, draft
from odefit.discovery.found import INTERRUPTED, Candidate, Discovery, judged
from odefit.discovery.reading import Prepared, prepared
from odefit.discovery.searching import Search
from odefit.discovery.shooting import Model
from odefit.discovery.storage import held, write_discovery, write_search
from odefit.errors import FitError, SolveError
from odefit.fitting.run import Run
from odefit.folder_fits import Place, fit_in_folder
from odefit.model_kinds import call, kind_of
from odefit.runs.checkpoint import Forgetful
from odefit.runs.fingerprint import identity_of
from odefit.runs.log import Logged
from odefit.runs.progress import Progress, Silent
from odefit.status import Status

BELOW, ABOVE = 3, 2
"""How many sets of fewer and of more terms than the best are candidates."""
RIVALS = 2.0
"""Further sets that the search met are candidates where their criterion is this close to the best."""


def discovered(
    loaded: LoadedConfig,
    out: Path | None,
    asked: Asked,
    load: Callable[[Path], Any],
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Discovery:
    """Find equations; see `odefit.discover`. load: reads a run folder."""
    told = Logged(progress or Silent())
    until = None if asked.seconds is None else time.monotonic() + asked.seconds
    ready = prepared(loaded)
    for note in (*loaded.notes, *ready.notes):
        told.note(note)
    if loaded.config.fit.cluster is not None:
        told.note("Candidates are fitted on this machine: fit.cluster is not used.")
    identity = identity_of(loaded, ready.assembly.measured)
    with held(out, overwrite, identity, asked) as kept:
        drafts, terms = _searched(ready, asked, told, until) if kept is None else (kept.drafts, kept.terms)
        if out is not None and kept is None:
            write_search(out, identity, asked, drafts, terms)
        work = _Refits(ready, out, told, load, until)
        found = work.all(drafts)
        discovery = judged(ready, found, terms, asked.gamma, work.unfinished)
        if out is not None:
            write_discovery(out, discovery)
    return discovery


def _searched(
    ready: Prepared, asked: Asked, told: Progress, until: float | None
) -> tuple[list[Draft], list[dict[str, Any]]]:
    """The candidates, and the table of terms. Raises FitError where no equations can be followed."""
    told.now("looking for the terms")
    search = Search(ready.series, ready.library, ready.known, ready.p, asked.gamma, until=until)
    search.run()
    if search.is_cut:
        told.note("the time was over before the search for terms was; --overwrite begins it anew, with more of it")
    if not search.ranked:
        what = "no set of terms could be solved along the data; try a lower `degree` or fewer `functions`"
        raise FitError(f"{what}, or cut long series of chaotic states into several experiments")
    search.around(BELOW, ABOVE)
    told.now("resampling stretches of time")
    share = search.inclusion(asked.samples, ready.loaded.config.fit.seed)
    drafts = [draft(ready, model, name) for model, name in _chosen(search, asked.models)]
    inside = {j for one in drafts for j in one.columns}
    terms: list[dict[str, Any]] = [
        {"term": term.name, "inclusion": round(float(share[j]), 4) if asked.samples else None}
        for j, term in enumerate(ready.library.terms)
        if share[j] > 0 or j in inside
    ]
    terms.sort(key=lambda row: -(row["inclusion"] or 0.0))
    return drafts, terms


def _chosen(search: Search, most: int) -> list[tuple[Model, str]]:
    """The models that are candidates, the best first, with their names.

    Those are the best of the sizes about the best one, what comes close to it, and where all states are positive the
    best one whose terms vanish with their states, and the best of these of at most second order: few data may prefer
    others, but populations come from populations, and what two of them do together is the usual beginning.
    """
    best = search.ranked[0]
    chosen: list[Model] = []
    for model in search.ranked:
        size = len(model.columns)
        near = search.criterion(model) - search.criterion(best) <= RIVALS
        # A set that explains less than one of no more terms is none of the path, or not at its optimum.
        beaten = any(len(m.columns) <= size and m.misfit <= model.misfit for m in chosen)
        if near or (-BELOW <= size - len(best.columns) <= ABOVE and not beaten):
            chosen.append(model)
    chosen = chosen[:most]
    special: list[Model] = []
    for found in search.population_models:  # the best that vanish with their states may be of second order themselves
        if found is not None and not any(found is one for one in (*chosen, *special)):
            special.append(found)
    special = special[: most - 1]
    chosen = [*chosen[: most - len(special)], *special]
    count: Counter[int] = Counter()
    named = []
    for model in chosen:
        size = len(model.columns)
        count[size] += 1
        named.append((model, _name(size, count[size])))
    return named


def _name(size: int, k: int) -> str:
    name = "1-term" if size == 1 else f"{size}-terms"
    return name if k == 1 else f"{name}-{chr(ord('a') + k - 1)}"


class _Refits:
    """Fits of the candidates on the trajectories."""

    def __init__(
        self, ready: Prepared, out: Path | None, told: Progress, load: Callable[[Path], Any], until: float | None
    ) -> None:
        self.ready, self.out, self.told, self.load, self.until = ready, out, told, load, until
        self.unfinished = ""

    def all(self, drafts: Sequence[Draft]) -> list[Candidate]:
        """As many as there is time for, the first in any case."""
        found: list[Candidate] = []
        self.told.begin("candidates", len(drafts))
        try:
            for k, one in enumerate(drafts):
                is_over = self.until is not None and time.monotonic() > self.until
                if is_over and any(c.is_solved for c in found):
                    self.unfinished = f"the time was over after {len(found)} of {len(drafts)} candidates"
                    break
                run = self._fitted(one)
                if run is not None and run.result.status == Status.INTERRUPTED:
                    raise KeyboardInterrupt
                found += [] if run is None else [Candidate(one, run)]
                self.told.part(k + 1, one.name)
        except KeyboardInterrupt:
            self.unfinished = f"{INTERRUPTED} after {len(found)} of {len(drafts)} candidates"
        finally:
            self.told.end()
        return found

    def _fitted(self, one: Draft) -> Run | None:
        """The fit of a candidate, which says nothing of its own; None where it cannot be solved."""
        loaded = one.loaded(self.ready)
        try:
            if self.out is None:
                _, work = call(kind_of(loaded).plan, loaded)
                run: Run = work(Silent(), Forgetful())
                return run
            place = Place(self.out / one.name, resume=True, accept_changes=True)
            fitted = fit_in_folder(loaded, place, Silent(), f"candidate {one.name}", self.load)
            assert isinstance(fitted, Run), "the candidates are equations"
            return fitted
        except (SolveError, FitError) as error:
            self.told.note(f"{one.name}: {error}")
            return None
