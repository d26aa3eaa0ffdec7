"""Commands beside the work: what to cite, how this installation is, and results made again."""
