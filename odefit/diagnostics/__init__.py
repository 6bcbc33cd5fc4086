"""Is the gradient right, which solver is best, what would a fit need."""
