"""Linear algebra of least squares: the score form (z, A), and matrices in arrow form."""
