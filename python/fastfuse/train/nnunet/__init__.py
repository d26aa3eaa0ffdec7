"""nnU-Net (version 2) as a peer: a cohort in its format, and its predictions read back."""
