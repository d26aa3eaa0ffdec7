"""The ``fastfuse`` command."""

from .shell import app, main

__all__ = ["app", "main"]
