"""Pictures of a run folder: `draw.draw` for the still ones, `animation.animate` for the moving one."""
