"""Image files: readers, outputs that are written completely or not at all, and the JSON beside them."""
