"""Several fits of the same measurements beside each other: which model the data prefer, and how surely."""
