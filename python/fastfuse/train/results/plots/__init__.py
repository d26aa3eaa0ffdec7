"""Figures of a run, or of several, from arrays."""
