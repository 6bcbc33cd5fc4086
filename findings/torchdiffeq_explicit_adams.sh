#!/usr/bin/env bash
# torchdiffeq 0.2.5 with torch 2.13.0: the fixed-step method `explicit_adams` diverges at its default order.
#
# y' = -y from 1 over t = 0 ... 5 with steps of 0.1, which every other method of the package follows closely.
# Seen: explicit_adams 3.5e+11, explicit_adams with max_order 4 1.3e-04, implicit_adams 3.7e-07 (largest errors).
# The default max_order is 12, and the explicit formula of that order is unstable for this step; no warning is given.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "torch==2.13.0" "torchdiffeq==0.2.5" "numpy<3"
"$work/venv/bin/python" - <<'PY'
import torch
from torchdiffeq import odeint

torch.set_default_dtype(torch.float64)
t = torch.linspace(0, 5, 51)
errors = {}
for method, order in (("explicit_adams", None), ("explicit_adams", 4), ("implicit_adams", None)):
    options = {"step_size": 0.1} | ({} if order is None else {"max_order": order})
    y = odeint(lambda t, y: -y, torch.ones(1), t, method=method, options=options)
    errors[method, order] = float((y[:, 0] - torch.exp(-t)).abs().max())
    print(method, "default order" if order is None else f"max_order {order}", f"largest error {errors[method, order]:.1e}")
assert errors["explicit_adams", None] > 1e6, "it has changed: the default order does not diverge any more"
assert errors["explicit_adams", 4] < 1e-3
assert errors["implicit_adams", None] < 1e-5
PY
