"""Label maps, and networks' probabilities of several labels, from image files to image files."""
