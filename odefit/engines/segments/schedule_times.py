"""Times that stand for none."""

NEVER = 1e30
"""What comes as late does not come, not even before infinite time."""
