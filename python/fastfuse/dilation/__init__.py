"""Soft labels by conditional dilation."""
