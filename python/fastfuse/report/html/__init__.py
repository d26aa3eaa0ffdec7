"""Reports as one HTML file: what was found, as tables and charts, and a viewer of the slices."""
