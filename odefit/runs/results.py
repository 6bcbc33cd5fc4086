"""What a fit found, as the keys of `result.json`: a contract with other programs."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import field, is_dataclass
from dataclasses import fields as fields_of
from typing import Any

import numpy as np

from odefit._version import __version__
from odefit.records import dataclass
from odefit.runs.installed import installed
from odefit.status import Status

SCHEMA_VERSION = 2
"""Of `result.json`: raised by one when a key is added, goes, or means something else.

An older odefit then refuses the file and says why (`validation.check_result`); `Result.from_json` reads every version
up to this one, and gives a key that an older one lacks its default."""


@dataclass(frozen=True)
class Estimate:
    """One parameter, natural scale. None where the data do not determine it; `reason` says why then.

    at_bound: `lower`, `upper` or None. formula: what it was computed by, for a parameter that follows from others.
    """

    value: float | None
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    scale: str = "linear"
    unit: str | None = None
    fixed: bool = False
    at_bound: str | None = None
    reason: str | None = None
    formula: str | None = None


@dataclass(frozen=True)
class Score:
    """How well measurements that the fit did not see are predicted.

    nll: their negative log-likelihood. rmse: per observable, the root mean squared difference to the prediction,
    natural scale, censored measurements left out; None where there are none.
    """

    n_observations: int
    nll: float | None
    nll_per_observation: float | None
    rmse: Mapping[str, float | None]


@dataclass(frozen=True)
class ObjectiveSummary:
    """nll: negative log-likelihood (no priors). rss: squared residuals on the noise model's own scale."""

    nll: float | None
    rss: float | None
    n_observations: int
    n_estimated: int
    aic: float | None
    aicc: float | None
    bic: float | None

    @classmethod
    def of(cls, nll: float, rss: float, n: int, k: int) -> ObjectiveSummary:
        """Akaike (1974), Hurvich & Tsai (1989) and Schwarz (1978) from the likelihood, n data and k parameters."""
        if not math.isfinite(nll):
            return cls(None, None, n, k, None, None, None)
        aic = 2 * nll + 2 * k
        aicc = aic + 2 * k * (k + 1) / (n - k - 1) if n - k - 1 > 0 else None
        return cls(nll, rss if math.isfinite(rss) else None, n, k, aic, aicc, 2 * nll + k * math.log(n))


@dataclass(frozen=True)
class Dates:
    """What times that were dates are counted from.

    seconds_per_unit: of the unit of the times. zero: the date of 0, as ISO 8601 writes it; by experiment where each
    counts from its own first row.
    """

    seconds_per_unit: float
    zero: str | Mapping[str, str]


@dataclass(frozen=True)
class Starts:
    requested: int = 1
    finished: int = 1
    failed: int = 0
    at_best: int = 1


@dataclass(frozen=True)
class Result:
    """The outcome of one fit. `warnings`: sentences that the user should read before the numbers.

    reduced_chi_square: the sum of squared standardised residuals over n - p, where the noise levels are
    given; near 1 if they are right. None where they are estimated from the same residuals.
    residual_standard_error: s, the root of rss over n - p, where one noise level is estimated for all; else None.
    combinations: formulas of parameters that the data determine in combination only, with their values and errors.
    information: whose inverse the covariance is, `expected`, `observed`, `sandwich` or `penalised`; None where there is
    none.
    held: parameters at a bound, which the errors of the others take as known.
    notes: how the errors came about, a sentence each: which information, what is held, a small sample.
    left_to_gain: what the certificate of the optimum leaves to gain, in units of the negative log-likelihood (half a
    unit is one standard error); None where there is no certificate.
    tolerances_divided_by: what odefit has divided the solver's tolerances by, because they limited the fit.
    hold_out: of what `data.hold_out` names; cross_validation: of all folds of `fit.folds` together.
    original_names: of what an import had to call otherwise, as in `model.original_names`.
    dates: what times that were dates are counted from; None where they were numbers, times of day or durations.
    validation: of the series that a latent ODE was not trained on: `observed`, what was read of them, and `continued`.
    """

    status: Status
    message: str
    method: str
    estimates: Mapping[str, Estimate]
    objective: ObjectiveSummary
    starts: Starts
    seconds: float
    seed: int
    truth: Mapping[str, float] | None = None
    warnings: tuple[str, ...] = ()
    correlation: Mapping[str, Mapping[str, float]] | None = None
    reduced_chi_square: float | None = None
    residual_standard_error: float | None = None
    left_to_gain: float | None = None
    information: str | None = None
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tolerances_divided_by: int = 1
    combinations: Mapping[str, Estimate] = field(default_factory=dict)
    original_names: Mapping[str, str] = field(default_factory=dict)
    dates: Dates | None = None
    hold_out: Score | None = None
    cross_validation: Score | None = None
    validation: Mapping[str, Score] | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    schema_version: int = SCHEMA_VERSION

    def original_name(self, name: str) -> str | None:
        """What the problem that the config was imported from calls a parameter, or the state of an initial value.

        None where that is the same name.
        """
        known, (own, bracket, group) = self.original_names, name.partition("[")
        found = known.get(name) or known.get(own)
        if found is None and own.endswith("_0") and own[:-2] in known:
            found = f"{known[own[:-2]]}_0"
        return found if found is None or name in known else f"{found}{bracket}{group}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes null."""
        order = ["schema_version", "status", "message", "method", "estimates", "objective", "truth", "starts"]
        plain: dict[str, Any] = _plain(self)
        return {key: plain[key] for key in [*order, *(k for k in plain if k not in order)]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """The inverse of `to_json`. Raises KeyError or TypeError where the contract is broken.

        Values of a wrong kind, such as an unknown status, stay as they are: `validation.check_result` finds them.
        """
        fields = dict(data)
        fields["status"] = {str(status): status for status in Status}.get(data["status"], data["status"])
        for key in ("estimates", "combinations"):
            fields[key] = {
                name: Estimate(**{**e, "interval": tuple(e["interval"]) if e["interval"] else None})
                for name, e in (data["estimates"] if key == "estimates" else data.get(key) or {}).items()
            }
        fields["objective"] = ObjectiveSummary(**data["objective"])
        fields["starts"] = Starts(**data["starts"])
        for key in ("hold_out", "cross_validation"):
            fields[key] = Score(**data[key]) if data.get(key) else None
        fields["dates"] = Dates(**data["dates"]) if data.get("dates") else None
        if data.get("validation"):
            fields["validation"] = {part: Score(**score) for part, score in data["validation"].items()}
        for key in ("warnings", "held", "notes"):
            fields[key] = tuple(data.get(key) or ())
        return cls(**fields)


def finite_or_none(value: float | np.floating[Any]) -> float | None:
    """A number as JSON has it: null where it is not finite."""
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is float:  # by far the most
        return value if math.isfinite(value) else None
    if value is None or kind in (str, int, bool):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {key.name: _plain(getattr(value, key.name)) for key in fields_of(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return finite_or_none(value)
    if isinstance(value, str):  # a Status is one
        return str(value)
    return int(value) if isinstance(value, np.integer) else value


def versions() -> dict[str, str]:
    """Of what the numbers came from."""
    return {"odefit": __version__, "python": platform.python_version(), **installed()}
