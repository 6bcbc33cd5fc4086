"""Networks described by a file: a list of layers, and a graph of calls, read by name and never run as code."""
