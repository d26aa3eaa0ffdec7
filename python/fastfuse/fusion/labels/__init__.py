"""Fusion of label maps: K labels in the place of two."""
