"""Synthetic cases and cohorts to try fastfuse on."""
