"""Image files: read, written whole or not at all, and the JSON beside them."""
