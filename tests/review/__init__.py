"""Review: lesions go out as a list, and decisions come back."""
