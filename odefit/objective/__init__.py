"""How well parameters explain the data: parameters, transforms, noise, likelihood."""
