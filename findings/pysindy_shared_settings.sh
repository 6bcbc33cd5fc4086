#!/usr/bin/env bash
# pysindy 2.1.0: each `SmoothedFiniteDifference` shares its settings with all others that were given none.
#
# A smoother of one's own, called with keyword arguments. Seen: none at first; once another object with the default
# smoother exists, it is called with window_length=11, polyorder=3 and axis=0, which are that one's. A mapping of
# one's own, too, has these three entries after it was given as `smoother_kws`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "pysindy==2.1.0" "scikit-learn==1.9.1" "numpy<3" "scipy<2"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import pysindy as ps

t = np.linspace(0, 1, 50)
seen = []


def unchanged(x, **settings):
    seen.append(dict(settings))
    return x


own = ps.SmoothedFiniteDifference(smoother=unchanged)
own(np.sin(t)[:, None], t)
ps.SmoothedFiniteDifference()
own(np.sin(t)[:, None], t)
mine = {}
ps.SmoothedFiniteDifference(smoother_kws=mine)
print("at first:", seen[0])
print("after another object:", seen[1])
print("a mapping of one's own:", mine)
assert seen[0] == {} and seen[1] == mine == {"window_length": 11, "polyorder": 3, "axis": 0}, "it has changed"
PY
