"""The beginning: what was asked, what came out, and what to beware of."""

from __future__ import annotations

from collections import Counter

from odefit.reporting.blocks import Block, Bullets, Paragraph, Section
from odefit.reporting.words import listed, verdict
from odefit.runs.results import Result
from odefit.runs.stored import StoredRun
from odefit.status import Status
from odefit.text import counted

MOST_WARNINGS = 40
VERDICTS = {
    Status.CONVERGED: ("good", "Converged"),
    Status.STOPPED: ("fair", "Stopped before an optimum was certain"),
    Status.INTERRUPTED: ("fair", "Interrupted"),
    Status.FAILED: ("poor", "Failed"),
}


def short(run: StoredRun) -> Section:
    """What was asked and answered, in a few sentences, then the warnings."""
    result = run.result
    blocks: list[Block] = [Paragraph(_asked(run), is_lead=True), Paragraph(_answered(result))]
    remarks = [*_certificate(result), *result.notes]
    if remarks:
        blocks.append(Bullets([_sentence(text, result) for text in remarks]))
    if result.warnings:
        told = [_sentence(text, result) for text in result.warnings[:MOST_WARNINGS]]
        more = len(result.warnings) - len(told)
        told += [f"And {more:,} more, in result.json."] if more > 0 else []
        blocks.append(Bullets(told, "warnings"))
    return Section("short", "In short", blocks)


def _asked(run: StoredRun) -> str:
    result, n = run.result, run.result.objective.n_observations
    k = result.objective.n_estimated
    what = f"{k:,} unknown{'s' * (k != 1)}"
    where = counted(len(run.measured), "experiment")
    return (
        f"{what} of a model with {counted(len(run.states), 'state')} {'was' if k == 1 else 'were'} to be found from "
        f"{counted(n, 'measurement')} of {listed(run.observables)} in {where}."
    )


def _answered(result: Result) -> str:
    groups: dict[str, list[str]] = {}
    for name, e in result.estimates.items():
        looks, words = verdict(e)
        if not e.fixed and e.formula is None and words != "no standard error":
            groups.setdefault(looks, []).append(name)
    groups = {looks: _by_parameter(names, result) for looks, names in groups.items()}
    told = []
    if good := groups.get("good"):
        told.append(f"The data determine {listed(good)}.")
    if fair := groups.get("fair"):
        told.append(f"They determine {listed(fair)} roughly.")
    if poor := groups.get("poor"):
        told.append(f"They do not determine {listed(poor)}: see the table of estimates.")
    return " ".join(told) or "No standard errors are known."


def _by_parameter(names: list[str], result: Result) -> list[str]:
    """`ka[1]`, `ka[2]`, … as `ka (11 of 12)`."""
    bases = Counter(name.partition("[")[0] for name in names)
    whole = Counter(name.partition("[")[0] for name in result.estimates)
    return [base if whole[base] == 1 else f"{base} ({n} of {whole[base]})" for base, n in bases.items()]


def _certificate(result: Result) -> list[str]:
    if result.left_to_gain is None or result.status != Status.CONVERGED:
        return []
    left = f"{result.left_to_gain:.1g}" if result.left_to_gain > 1e-6 else "less than a millionth"
    return [
        f"A certificate computed apart from the search leaves {left} of a log-likelihood unit to gain (half a unit is "
        "one standard error)."
    ]


def _sentence(text: str, result: Result) -> str:
    """With a capital, unless it begins with a name, and a full stop."""
    first = text.split(" ", 1)[0].rstrip(":,")
    begun = text if first in result.estimates or not first.isalpha() else text[:1].upper() + text[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."
