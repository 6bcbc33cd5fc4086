"""The posterior of a fit under its priors: draws by Hamiltonian dynamics, many chains at once, and what they say."""
