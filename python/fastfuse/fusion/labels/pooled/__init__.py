"""Label maps of several cases, each with a prior of its own."""
