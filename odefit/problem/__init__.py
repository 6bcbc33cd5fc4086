"""From a config and its data to a FitProblem: every name is bound here."""
