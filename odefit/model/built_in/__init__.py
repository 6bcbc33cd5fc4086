"""The built-in systems, a file for each field."""
