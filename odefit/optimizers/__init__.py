"""Better parameters. An optimizer knows nothing of differential equations."""
