"""Fits and answers in parts, each on a machine of its own, and the whole that is made of them."""
