"""What the draws of a posterior say: the content of posterior.json, and a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass
from odefit.runs.results import finite_or_none
from odefit.sampling.diagnostics import bulk_ess, mean_ess, rank_r_hat, tail_ess
from odefit.text import abridged

SCHEMA_VERSION = 1
MOST_R_HAT = 1.01
ROUGH_R_HAT = 1.05
"""Below it chains may disagree because they are short."""
MOST_NAMED = 6
LEAST_ESS = 400.0
MOST_DIVERGED = 1e-3
"""The share of diverged transitions beyond which a verdict speaks of them."""


@dataclass(frozen=True)
class Verdict:
    """Whether the draws can be used: `kind` is converged, few_draws, divergent or not_converged."""

    kind: str
    sentence: str


def parameter_summary(draws: FloatArray, level: float, unit: str | None) -> dict[str, Any]:
    """What is said of one parameter from its draws [chains, n], natural scale."""
    a = (1 - level) / 2
    ess, sd = mean_ess(draws), float(draws.std(ddof=1))
    low, median, high = np.quantile(draws, [a, 0.5, 1 - a]).tolist()
    return {
        "mean": finite_or_none(draws.mean()),
        "sd": finite_or_none(sd),
        "median": finite_or_none(median),
        "interval": [finite_or_none(low), finite_or_none(high)],
        "mcse_mean": finite_or_none(sd / math.sqrt(ess)) if ess > 0 else None,
        "r_hat": finite_or_none(rank_r_hat(draws)),
        "ess_bulk": finite_or_none(bulk_ess(draws)),
        "ess_tail": finite_or_none(tail_ess(draws)),
        "unit": unit,
    }


def verdict_of(
    parameters: Mapping[str, Mapping[str, Any]], n_draws: int, diverged: int, improper: Sequence[str]
) -> Verdict:
    """The verdict on draws, with what to do."""
    r_hats = {name: one["r_hat"] for name, one in parameters.items()}
    unknown = [name for name, r in r_hats.items() if r is None]
    apart = [name for name, r in r_hats.items() if r is not None and r > MOST_R_HAT]
    sizes = [min(one["ess_bulk"] or 0.0, one["ess_tail"] or 0.0) for one in parameters.values()]
    least = min(sizes, default=0.0)
    if not n_draws or (unknown and n_draws < 16):
        return Verdict("few_draws", "too few draws to say anything of them; ask for more with --draws")
    worst = max((r for r in r_hats.values() if r is not None), default=math.inf)
    if apart and not unknown and worst < ROUGH_R_HAT:
        names = abridged(apart, MOST_NAMED)
        return Verdict(
            "few_draws", f"the chains agree but roughly on {names} (R-hat up to {worst:.2f}); ask for more draws"
        )
    if apart or unknown:
        flat = [name for name in apart if name in improper]
        why = f"; {abridged(flat, MOST_NAMED)} has no proper prior: give it bounds or a prior" if flat else ""
        what = "take more draws, and if that does not help look at the traces: there may be several modes"
        names = abridged(apart or unknown, MOST_NAMED)
        return Verdict("not_converged", f"the chains do not agree on {names} (R-hat up to {worst:.2f}); {what}{why}")
    share = diverged / max(n_draws, 1)
    if share > MOST_DIVERGED:
        what = "the steps do not follow the posterior everywhere, so parts of it may be missing"
        return Verdict("divergent", f"{diverged:,} of {n_draws:,} transitions diverged: {what}; try --accept 0.95")
    if least < LEAST_ESS:
        return Verdict("few_draws", f"the chains agree, but {least:.0f} effective draws are few; ask for more")
    none = "none diverged" if not diverged else f"{diverged} of {n_draws:,} transitions diverged"
    return Verdict("converged", f"all chains agree (R-hat at most {worst:.3f}), {least:,.0f} effective draws, {none}")
