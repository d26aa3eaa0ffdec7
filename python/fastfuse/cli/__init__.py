"""The ``fastfuse`` command."""

from .shell import app_of_words, main

__all__ = ["app_of_words", "main"]
