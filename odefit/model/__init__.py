"""f(t, y, p): formulas, systems, the catalogue, networks."""
