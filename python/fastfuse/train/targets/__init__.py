"""Training data: consensus masks, and slices of the images."""
