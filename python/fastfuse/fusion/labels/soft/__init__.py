"""Fusion of soft votes of several labels."""
