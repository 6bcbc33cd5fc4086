"""Integration in segments: doses, events, inputs, time switches and rest before the start, on any engine."""
