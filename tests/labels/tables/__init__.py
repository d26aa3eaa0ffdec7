"""Label tables: they add up, keep on disk, and tell all that a fusion of label maps needs."""
