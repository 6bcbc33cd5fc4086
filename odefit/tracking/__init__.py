"""Keeping track of fits in TensorBoard, MLflow and Weights & Biases: `fit.track`.

A process of its own talks to the tracker (`worker.py`), so that one that fails or hangs costs the fit no more than a
note. `session.py` feeds it, `listening.py` sends it what a fit tells while it runs, `content.py` what a run has at its
end.
"""
