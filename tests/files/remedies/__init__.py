"""Each remedy that an error names is tried."""
