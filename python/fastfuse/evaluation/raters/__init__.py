"""Scores of a segmentation against several raters."""
