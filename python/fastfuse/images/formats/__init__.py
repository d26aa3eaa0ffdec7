"""Readers of formats other than NIfTI."""
