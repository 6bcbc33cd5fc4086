"""Profile likelihoods: how far a parameter can go before the data object, all others doing their best for it."""
