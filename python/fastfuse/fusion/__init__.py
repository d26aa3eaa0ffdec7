"""Fusion of several raters' votes into one consensus."""
