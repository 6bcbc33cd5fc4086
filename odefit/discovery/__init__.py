"""Equations found in data: libraries of terms, sparse regression, searches on trajectories, candidates compared."""
