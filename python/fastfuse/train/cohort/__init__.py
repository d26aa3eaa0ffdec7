"""Cases of a cohort: their files, checks and folds."""
