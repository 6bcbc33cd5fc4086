"""A report as HTML: which sections it has, and the template that sets them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from odefit.plots.selection import title_of
from odefit.reporting.blocks import Section
from odefit.reporting.sections.short import VERDICTS
from odefit.reporting.words import shown
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun


def title(run: StoredRun) -> str:
    """What the report is headed with."""
    return title_of(run) or "A fit"


def page(run: StoredRun, sections: Sequence[Section]) -> str:
    """The whole document.

    Parameters
    ----------
    run
        The run.
    sections
        In their order.

    Returns
    -------
    str
        One HTML file that loads nothing.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("odefit.reporting"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    script = environment.get_template("report.js").render().rstrip()
    looks, words = VERDICTS[run.result.status]
    return environment.get_template("report.html").render(
        title=title(run),
        version=run.result.versions.get("odefit", ""),
        when=_when(run),
        status_looks=looks,
        status_words=words,
        message=run.result.message,
        facts=_facts(run),
        sections=sections,
        script=Markup(script),
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def _facts(run: StoredRun) -> list[tuple[str, str]]:
    """The figures of the head."""
    o = run.result.objective
    facts: list[tuple[str, Any]] = [("experiments" if len(run.measured) > 1 else "experiment", len(run.measured))]
    facts += [("measurements", f"{o.n_observations:,}"), ("estimated", f"{o.n_estimated:,}")]
    facts += [("−log likelihood", shown(o.nll, 7))] if o.nll is not None else []
    facts += [(name, shown(value, 6)) for name, value in (("AICc", o.aicc), ("BIC", o.bic)) if value is not None]
    chi = run.result.reduced_chi_square
    facts += [("reduced χ²", shown(chi, 4))] if chi is not None else []
    return [(what, str(value)) for what, value in facts]


def _when(run: StoredRun) -> str:
    """The day of the fit, as its log has it."""
    if run.path is None:
        return ""
    try:
        with (run.path / files.LOG).open(encoding="utf-8", errors="replace") as log:
            first = re.match(r"\d{4}-\d\d-\d\d", log.readline())
    except OSError:
        return ""
    return first[0] if first else ""
