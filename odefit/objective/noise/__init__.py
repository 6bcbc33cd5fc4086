"""How measurements scatter: the noise models, their densities, tails and exact derivatives."""
