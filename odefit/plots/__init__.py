"""Pictures of a run folder."""
