"""Every way to a consensus beside every other, on one case."""
