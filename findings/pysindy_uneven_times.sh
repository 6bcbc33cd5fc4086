#!/usr/bin/env bash
# pysindy 2.1.0: `SmoothedFiniteDifference` takes the samples of a series for evenly spaced, whatever its times are.
#
# x' = v, v' = -x without noise, at 200 random times. Seen: the slopes of sin(t) are off by 40, 100,000 times as much as
# those of the plain `FiniteDifference`, and SINDy gives other equations with it; no warning. At even times both agree.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "pysindy==2.1.0" "scikit-learn==1.9.1" "numpy<3" "scipy<2"
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
import pysindy as ps

uneven = np.concatenate([[0.0], np.sort(np.random.default_rng(0).uniform(0, 10, 199))])


def error(method, t):
    return float(np.sqrt(np.mean((method(np.sin(t)[:, None], t)[:, 0] - np.cos(t))[10:-10] ** 2)))


def found(method):
    model = ps.SINDy(
        optimizer=ps.STLSQ(threshold=0.1), feature_library=ps.PolynomialLibrary(1), differentiation_method=method
    )
    model.fit(np.stack([np.cos(uneven), -np.sin(uneven)], 1), t=uneven, feature_names=["x", "v"])
    return model.coefficients()


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    plain, smoothed = ps.FiniteDifference(), ps.SmoothedFiniteDifference()
    print("errors of slopes, uneven times: plain", error(plain, uneven), "smoothed", error(smoothed, uneven))
    print("even times: smoothed", error(smoothed, np.linspace(0, 10, 200)))
    print("equations (columns 1, x, v), plain:", found(plain).round(3).tolist())
    print("smoothed:", found(smoothed).round(3).tolist())
print("warnings:", len(caught))
truth = [[0, 0, 1], [0, -1, 0]]
assert np.allclose(found(plain), truth, atol=0.01)
assert error(smoothed, uneven) > 1000 * error(plain, uneven) and not caught, "it has changed"
assert not np.allclose(found(smoothed), truth, atol=0.1), "it has changed"
PY
