"""Cases of a cohort: files, checks, folds."""
