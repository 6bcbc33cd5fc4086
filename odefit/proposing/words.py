"""What columns of measurements are called."""

from __future__ import annotations

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
