"""From image files to image files."""
