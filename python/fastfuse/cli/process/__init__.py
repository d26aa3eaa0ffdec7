"""The process that a command runs in: its streams, and the signals it gets."""
