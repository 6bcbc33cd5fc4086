"""How sure we are."""
