"""Who does the work of a cohort: processes, dask, any executor."""
