"""Cohorts of several raters, read for the comparisons of methods."""
