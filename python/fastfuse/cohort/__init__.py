"""Many cases: found, fused with raters' rates that they share, and told in tables."""
