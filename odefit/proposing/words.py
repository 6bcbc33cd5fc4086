"""What columns of measurements are called."""

from __future__ import annotations

import re

TIMES = (
    r"time|t|zeit|uhrzeit|temps|heure|tiempo|hora|tempo|ora|clock"
    r"|(time|t)[ _.\-(\[].*|.*[ _.]time|hours?|hrs?|h|days?|d|minutes?|mins?"
    r"|seconds?|secs?|s|weeks?|months?|years?|yr|date([ _.]?time)?|datum|timestamp"
)
SERIES = (
    r"experiment|exp|id|subj(ect)?|patient|animal|individual|sample|series|run|batch|plate|well|strain|group|condition"
    r"|treatment|culture|vessel|reactor|(.*_)?id|replicate|rep"
)
OBSERVABLES, VALUES = (
    r"observable|name|variable|parameter|analyte|marker|assay|species|measure|quantity|what",
    r"value|measurement|val|dv|conc(entration)?|result|y",
)
DOSES = r"(.*[_ ])?(dose|dosis|amt|amount)([_ ].*)?"
ERRORS = r"{0}[ _.\-]*(sd|se|sem|std|stdev|sigma|err|error)|(sd|se|std|sigma|err)[ _.\-]*{0}"
CURRENT, VOLTAGE = r"(current|amps?|strom|i)([ _]?(a|ma))?", r"(.*[ _])?(voltage|volts?|spannung|u|v)([ _]?(v|mv))?"
MEAN = r"[ _.\-]*(mean|avg|average)$"
SENTINELS = (-9, -77, -88, -99, -999, -9999, -99999)
"""Numbers that stand for no value, where all others are positive."""
UNIT = re.compile(r"\s*[\[(][^\[\]()]*[\])]\s*$")


def is_called(name: str, pattern: str) -> bool:
    """Whether a column, with or without the unit in its name, is called as a pattern says."""
    return any(re.fullmatch(pattern, each.strip(), re.IGNORECASE) for each in (name, bare(name)))


def bare(name: str) -> str:
    """A column's name without the unit in brackets behind it."""
    return UNIT.sub("", name) or name
