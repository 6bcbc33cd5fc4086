"""What to say of columns of a file that nothing reads: nothing is ignored in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from odefit.text import abridged, clip

_MOST = 8
_ERRORS = r"(.*[_. \-(])?(sd|se|sem|std|stdev|stddev|sigma|err|error|cv|ci|var|variance|uncertainty)\)?"
_KINDS = (
    (
        r"(.*_)?(cens|censored|censoring|cen|blq|bloq|bql|lloq|uloq|loq|lod|limit|detection_limit)",
        "is named as what flags limits of detection",
        "`data.censored` reads flags, `data.limit` a limit",
    ),
    (
        r"mdv|evid|(.*_)?(flag|flags|exclude|excluded|outlier|qc|valid|quality|bad|status)",
        "is named as what flags rows",
        "`data.exclude` leaves rows out",
    ),
    (
        r"amt|amount|dose|doses|dosis|rate|ii|addl|ss|cmt|tinf|dur|duration|infusion|injection|bolus",
        "is named as what tells of doses",
        "`data.format: nonmem` reads doses from the file itself, `data.doses` from another",
    ),
    (
        r"units?|uom",
        "is named as what says units",
        "`data.unit` reads it, `data.units` says the unit of each observable",
    ),
    (_ERRORS, "is named as what tells of errors", "`data.sigma` names it, `noise: {sigma: column}` uses it"),
    (
        r"id|subj|subject|patient|animal|individual|replicate|rep|repeat|run|series|batch|plate|well|occ|occasion|usubjid",
        "is named as what tells experiments apart",
        "`data.experiment` names the column that does",
    ),
)
"""Names of columns that change what the others mean, what they look like, and which key reads them."""


def tells_of_errors(name: str) -> bool:
    """Whether a column is named as what holds standard deviations or the like."""
    return re.fullmatch(_ERRORS, name.strip(), re.IGNORECASE) is not None


def unused_notes(place: str, unused: Sequence[str], has_experiments: bool) -> Iterator[str]:
    """A sentence for each unused column whose name asks for attention, and one for all others.

    Parameters
    ----------
    place
        Of the file.
    unused
        The columns that nothing reads, without those that the config leaves alone on purpose.
    has_experiments
        Whether a column names the experiments.
    """
    others = []
    for name in unused:
        kind = next((k for k in _KINDS if re.fullmatch(k[0], name.strip(), re.IGNORECASE)), None)
        if kind is None or (kind is _KINDS[-1] and has_experiments):
            others.append(name)
            continue
        what = f"column '{clip(name)}' {kind[1]}, and is NOT used"
        yield f"{place}: {what}; {kind[2]}, `data.unused: [{clip(name)}]` ends this note"
    if others:
        verb = "is" if len(others) == 1 else "are"
        yield f"{place}: {abridged([clip(name) for name in others], _MOST)} {verb} not used"
