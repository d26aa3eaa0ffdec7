"""Review: lesions on which raters disagree go out as a list, and a reviewer's decisions come back."""
