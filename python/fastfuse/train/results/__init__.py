"""Predictions, scores, tables and figures of a run."""
