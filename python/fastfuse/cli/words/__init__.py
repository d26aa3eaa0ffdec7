"""What is typed: how commands declare it, and the two ways to read it."""
