"""Transforms for other libraries' pipelines: ``fastfuse.adapters.monai``, ``fastfuse.adapters.torchio``."""
