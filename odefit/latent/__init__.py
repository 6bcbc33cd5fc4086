"""Latent ODEs: series whose states are not measured, nor their number known. See `model.py`."""
