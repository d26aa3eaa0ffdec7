"""NIfTI files larger than memory: read by their heads, and written slab by slab."""
