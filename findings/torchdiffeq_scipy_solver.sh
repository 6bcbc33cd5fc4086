#!/usr/bin/env bash
# torchdiffeq 0.2.5 with torch 2.13.0: `odeint` with method "scipy_solver" loses the gradient without a word.
#
# y' = -k y, where k requires a gradient. Seen: the result of scipy_solver does not require one, and no warning is given;
# that of dopri5 does; through odeint_adjoint scipy_solver has the right gradient, dy(2)/dk = -2 exp(-1.4) = -0.4932.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "torch==2.13.0" "torchdiffeq==0.2.5" "numpy<3" "scipy<2"
"$work/venv/bin/python" - <<'PY'
import warnings

import torch
from torchdiffeq import odeint, odeint_adjoint

torch.set_default_dtype(torch.float64)


class Decay(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.k = torch.nn.Parameter(torch.tensor(0.7))

    def forward(self, t, y):
        return -self.k * y


decay, t = Decay(), torch.tensor([0.0, 2.0])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    plain = odeint(decay, torch.ones(1), t, method="scipy_solver", options={"solver": "LSODA"})
other = odeint(decay, torch.ones(1), t, method="dopri5")
adjoint = odeint_adjoint(decay, torch.ones(1), t, method="scipy_solver", options={"solver": "LSODA"})
(gradient,) = torch.autograd.grad(adjoint[-1, 0], decay.k)
print("scipy_solver requires_grad:", plain.requires_grad, "- warnings:", len(caught))
print("dopri5 requires_grad:", other.requires_grad)
print("scipy_solver through odeint_adjoint: dy(2)/dk =", round(float(gradient), 4))
assert not plain.requires_grad and not caught, "it has changed: there is a gradient, or a warning"
assert other.requires_grad
assert abs(float(gradient) + 0.4932) < 1e-3
PY
