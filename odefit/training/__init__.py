"""Training by gradients in torch: objectives over windows and whole series, and the optimizers of modules."""
