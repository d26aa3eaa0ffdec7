"""Which random draws run by default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_slow(draws: Iterable[Any], by_default: int) -> list[Any]:
    """Return all draws as parameters: the first few run by default, and the others with -m slow."""
    return [
        draw if number < by_default else pytest.param(draw, marks=pytest.mark.slow)
        for number, draw in enumerate(draws)
    ]
