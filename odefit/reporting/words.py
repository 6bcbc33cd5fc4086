"""Numbers and verdicts as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from odefit.reporting.charts.scales import raised
from odefit.runs.results import Estimate

WELL, ROUGHLY, POORLY = 0.1, 0.5, 1.0
"""Standard errors, as a share of the value, up to which an estimate is well determined, determined, roughly so."""


LEAST, MOST = 1e-4, 1e6
"""Numbers between these are written without a power of ten."""


def shown(value: float | None, digits: int = 5) -> str:
    """A number with so many digits, a true minus sign, and powers of ten as such."""
    if value is None or not math.isfinite(value):
        return "–"
    rounded = f"{value:.{digits}g}"
    if value == 0 or LEAST <= abs(value) < MOST:
        rounded = f"{float(rounded):.15g}"  # 10550 and not 1.055e+04
    mantissa, _, exponent = rounded.replace("-", "−").partition("e")
    return f"{mantissa}·10{raised(int(exponent.replace('−', '-')))}" if exponent else mantissa


def digits_of(e: Estimate) -> int:
    """Enough digits to show two of the standard error."""
    if not e.value or not e.standard_error:
        return 5
    return min(max(4, math.ceil(math.log10(abs(e.value / e.standard_error))) + 2), 12)


def interval_text(low: float | None, high: float | None, digits: int = 5) -> str:
    """`0.43 … 0.67`; an end that is missing or infinite is open."""
    ends = [v is not None and math.isfinite(v) for v in (low, high)]
    if not any(ends):
        return "–"
    return f"{shown(low, digits) if ends[0] else 'open'} … {shown(high, digits) if ends[1] else 'open'}"


def verdict(e: Estimate) -> tuple[str, str]:
    """What an estimate is worth: a class of CSS (`good`, `fair`, `poor`, `none`), and words."""
    if e.fixed:
        return "none", "fixed, not estimated"
    if e.at_bound:
        return "poor", f"at its {e.at_bound} bound"
    if e.reason:
        return "poor", f"not determined: {e.reason}"
    if e.value is None or e.standard_error is None:
        return "none", "no standard error"
    if e.value == 0:
        return "fair", "determined"
    share = e.standard_error / abs(e.value)
    percent = f"± {_percent(share)}"
    if share <= WELL:
        return "good", f"well determined ({percent})"
    if share <= ROUGHLY:
        return "good", f"determined ({percent})"
    if share <= POORLY:
        return "fair", f"roughly determined ({percent})"
    return "poor", f"poorly determined ({percent})"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %" if share < 100 else "far more than its value"


def listed(names: Sequence[str], most: int = 6) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    if len(names) <= 1:
        return "".join(names)
    if len(names) <= most:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"
