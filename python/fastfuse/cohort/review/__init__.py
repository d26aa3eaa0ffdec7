"""Review of a cohort: one list over all cases, and what each case takes of it."""
