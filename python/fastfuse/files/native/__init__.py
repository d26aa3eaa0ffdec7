"""Files of a fusion of votes that lay in memory, as those of files."""
