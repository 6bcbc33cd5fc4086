"""Fitting strategies and their report: many starts, training in stages, cross-validation."""
