"""What fusions become for other programs."""
