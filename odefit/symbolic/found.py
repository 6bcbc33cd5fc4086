"""What was found for the networks of a run: models by how well they explain its measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from odefit.config.versions import newest_version
from odefit.errors import FitError
from odefit.fitting.run import Run
from odefit.records import dataclass
from odefit.runs.tables import Table, frame_of
from odefit.status import Status
from odefit.symbolic.models import with_estimates, with_numbers
from odefit.symbolic.refits import Candidate, Refits
from odefit.symbolic.samples import Sample

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEADER = ("rank", "complexity", "error", "status", "parameters", "nll", "aicc", "bic", "delta", "hold_out", "formulas")
EQUAL = 2.0
"""Differences of BIC up to which the data do not tell models apart."""


@dataclass(frozen=True)
class Symbols:
    """Formulas for networks: what `odefit.symbols` returns.

    Attributes
    ----------
    run
        The fit with the networks.
    samples
        What the networks say along its curves.
    candidates
        The models that were fitted, the best first: of those whose BIC is within 2 of the least the simplest, then by
        BIC.
    judgement
        What the best formulas are, and how they compare with the network, in a sentence or two.
    unfinished
        Why models are missing, or empty.
    written
        False where the run's folder keeps the answer of an earlier call, which had more time.
    """

    run: Run
    samples: tuple[Sample, ...]
    candidates: tuple[Candidate, ...]
    judgement: str
    unfinished: str = ""
    written: bool = True

    @property
    def best(self) -> Run:
        """The fit of the best model."""
        found = self.candidates[0].run
        assert found is not None, "a model without a fit is none of the best"
        return found

    @cached_property
    def formulas(self) -> dict[str, str]:
        """Output of a network -> its formula in the best model, with numbers."""
        return formulas_with_numbers(self.samples, self.candidates[0])

    @cached_property
    def equations(self) -> dict[str, str]:
        """State -> its rate in the best model, with numbers for the constants of the formulas."""
        one = self.candidates[0]
        values = {n: _value(one, n) for n in one.form.parameters}
        return {s: with_numbers(text, values) for s, text in one.config["model"]["equations"].items()}

    @cached_property
    def table(self) -> Table:
        """A row for each model, the network's own last; `error` is a share of the rates, `delta` of the BIC."""
        first = self.candidates[0].bic
        rows: list[list[Any]] = []
        for rank, one in enumerate(self.candidates, start=1):
            text = "; ".join(f"{k} = {v}" for k, v in formulas_with_numbers(self.samples, one).items())
            rows.append([rank, one.complexity, math.sqrt(one.error), *_criteria(one.run, first), text])
        rows.append([None, None, 0.0, *_criteria(self.run, first), "(the network)"])
        return Table(HEADER, rows)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table as a pandas frame."""
        return frame_of(self.table.text)

    @cached_property
    def config_text(self) -> str:
        """The best model as an ordinary config that begins at its estimates, its files those of the run's folder."""
        import yaml

        one = self.candidates[0]
        values = {n: e.value for n, e in self.best.result.estimates.items()}
        config = {"version": newest_version()} | with_estimates(one.config, values)
        head = [f"# {self.judgement}", "# Made by `odefit symbols`: formulas in place of the network."]
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)
        return "\n".join(line for line in head) + "\n" + text

    def to_json(self) -> dict[str, Any]:
        """As plain values, without the table."""
        estimates = self.best.result.estimates
        return {
            "judgement": self.judgement,
            "unfinished": self.unfinished,
            "formulas": self.formulas,
            "equations": self.equations,
            "estimates": {
                n: {"value": e.value, "standard_error": e.standard_error, "interval": e.interval and list(e.interval)}
                for n, e in estimates.items()
            },
            "models": [dict(zip(HEADER, row, strict=True)) for row in self.table.rows],
        }

    def figure(self) -> Figure:
        """Error against complexity, and each network beside its formula."""
        found: Figure = import_module("odefit.plots.symbols_picture").draw_symbols(self)
        return found

    def __repr__(self) -> str:
        return f"<Symbols {', '.join(f'{k} = {v}' for k, v in self.formulas.items())}>"


def _value(one: Candidate, name: str) -> float | None:
    return None if one.run is None else one.run.result.estimates[name].value


def formulas_with_numbers(samples: Sequence[Sample], one: Candidate) -> dict[str, str]:
    """Output of a network -> its formula, with numbers: those of the fit, else of the regression."""
    start = {name: float(section["value"]) for name, section in one.form.parameters.items()}
    values: Mapping[str, float | None] = start | ({} if one.run is None else {n: _value(one, n) for n in start})
    return {s.call: with_numbers(one.form.texts[s.network, s.output], values) for s in samples}


def _criteria(run: Run | None, first: float) -> list[Any]:
    """status, parameters, nll, aicc, bic, delta, hold_out."""
    if run is None:
        return ["failed", None, None, None, None, None, None]
    summary, scored = run.result.objective, run.result.hold_out
    delta = None if summary.bic is None else summary.bic - first
    hold_out = None if scored is None else scored.nll_per_observation
    return [str(run.result.status), summary.n_estimated, summary.nll, summary.aicc, summary.bic, delta, hold_out]


def judged(run: Run, samples: Sequence[Sample], refits: Refits) -> Symbols:
    """All models in their order, and what to say of the best. Raises FitError where none could be fitted."""
    ordered = sorted(refits.found.values(), key=lambda c: (c.bic, c.complexity))
    alike = [c for c in ordered if c.bic <= ordered[0].bic + EQUAL]
    first = min(alike, key=lambda c: (c.complexity, c.bic), default=None)
    ordered.sort(key=lambda c: c is not first)
    if not ordered or not math.isfinite(ordered[0].bic):
        what = "no model with formulas in place of the network could be fitted; try other terms, or a higher degree"
        raise FitError(what)
    best = ordered[0]
    assert best.run is not None, "it has a criterion"
    named = "; ".join(f"{k} = {v}" for k, v in formulas_with_numbers(samples, best).items())
    sentences = [named]
    near = [c for c in alike if c is not best]
    if near:
        others = " or ".join("; ".join(formulas_with_numbers(samples, c).values()) for c in near[:3])
        sentences.append(f"the data do not tell it from {others}")
    sentences.append(_beside_the_network(run, best.run))
    if best.run.result.status != Status.CONVERGED:
        sentences.append(f"its fit is `{best.run.result.status}`")
    return Symbols(run, tuple(samples), tuple(ordered), "; ".join(sentences), refits.unfinished)


def _beside_the_network(run: Run, best: Run) -> str:
    """How the formulas compare with the network on the measurements, and on those that were held out."""
    a, b = best.result.objective, run.result.objective
    if a.nll is None or b.nll is None:
        return "the network's likelihood is not known"
    gain = b.nll - a.nll
    how = f"{gain:.4g} better" if gain > 0 else f"{-gain:.4g} worse"
    said = f"-log likelihood {a.nll:.6g} with {a.n_estimated} parameters, {how} than the network with {b.n_estimated}"
    held, network = best.result.hold_out, run.result.hold_out
    if held is not None and network is not None and held.nll_per_observation and network.nll_per_observation:
        said += f"; held out, per measurement: {held.nll_per_observation:.4g} against {network.nll_per_observation:.4g}"
    return f"{said}; BIC {a.bic:.6g} against {b.bic:.6g}" if a.bic is not None and b.bic is not None else said
