"""What networks are trained on: consensus masks and slices."""
