"""Reads volumes block by block: what slices, in which order, within how much memory, and on which workers."""
