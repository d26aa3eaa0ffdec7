"""Arrays, grids and numbers as callers give them, checked."""
