"""Fusion of volumes that are read block by block: count, estimate, look up."""
