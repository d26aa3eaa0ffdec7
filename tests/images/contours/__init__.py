"""Contours of RT Structure Sets."""
