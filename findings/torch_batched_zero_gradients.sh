#!/usr/bin/env bash
# torch 2.13.0: `autograd.grad` with `is_grads_batched` and `materialize_grads` gives gradients of two shapes.
#
# Three vectors at once, of a result that depends on x [3] and not on y [2]. Seen: [3, 3] for x, but [2] for y, whose
# zeros have no axis for the batch; what stacks or broadcasts the two is wrong without a word.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "torch==2.13.0" "numpy<3"
"$work/venv/bin/python" - <<'PY'
import torch

x, y = torch.arange(3.0, requires_grad=True), torch.ones(2, requires_grad=True)
found = torch.autograd.grad(2 * x, (x, y), torch.eye(3), is_grads_batched=True, materialize_grads=True)
print("of x:", list(found[0].shape), " of y:", list(found[1].shape))
assert found[0].shape == (3, 3) and found[1].shape == (2,), "it has changed"
PY
