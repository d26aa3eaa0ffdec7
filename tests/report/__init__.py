"""Reports as HTML: what they hold, and how they behave in a browser."""
