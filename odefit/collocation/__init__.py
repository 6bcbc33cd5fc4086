"""Equations fitted to data without being solved: states at the nodes of a grid are unknowns of their own."""
