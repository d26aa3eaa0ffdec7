"""Whether a model fits: the voxels that it expects with each number of marks, beside those that there are."""
