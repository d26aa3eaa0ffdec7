"""border-STAPLE's own: what an image tells of levels."""
