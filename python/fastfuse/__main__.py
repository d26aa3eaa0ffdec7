"""``python -m fastfuse``."""

from .cli import main

main()
