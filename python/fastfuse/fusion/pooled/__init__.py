"""Raters' rates from many cases, of which each has a prior of its own."""
