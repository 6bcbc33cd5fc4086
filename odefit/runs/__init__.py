"""One fit, from a config to a run folder."""
