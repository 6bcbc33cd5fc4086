"""From a config and its data to a Problem: every name is bound here."""
