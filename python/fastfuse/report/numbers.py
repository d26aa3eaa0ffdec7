"""Numbers as tables show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from ..inputs.names import counted

ROUNDING = 1e-9  # cuts below count as 0
SMALL_ML = 0.1  # volumes below are shown with more digits
LEAST, MOST = 1e-6, 1e15  # below and above, numbers are shown with a power of ten


def rate(value: float | None, interval: Sequence[float | None] | None = None) -> str:
    """Return a rate, and its interval on a second line."""
    shown = "undefined" if value is None or math.isnan(value) else f"{value:.4f}"
    if interval is None or interval[0] is None or interval[1] is None:
        return shown
    shown_ends = {"0.0000": "0", "1.0000": "1"}  # as narrow as the column's title
    ends = (shown_ends.get(f"{end:.4f}", f"{end:.4f}".removeprefix("0")) for end in interval)
    return f"{shown}\n{'–'.join(ends)}"


def millilitres(volume: float) -> str:
    """Return a volume in ml."""
    return f"{volume:.2f}" if volume == 0 or volume >= SMALL_ML else significant(volume, 3)


def significant(value: float, digits: int) -> str:
    """Return a number of any ordinary size with so many digits, and all those before the point: 0.00005, 12.3, 1,010."""
    if not math.isfinite(value) or (value != 0 and not LEAST <= abs(value) < MOST):
        return f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{Decimal(f'{value:.{digits}g}'):,f}"


def times(size: float | None) -> str:
    """Return the growth of a mask."""
    return "empty" if size is None or math.isnan(size) else f"× {size:.3f}"


def number(value: float) -> str:
    """Return a number with four digits."""
    return significant(0.0 if abs(value) < ROUNDING else value, 4)


def plural(count: int, what: str) -> str:
    """Return a count of things."""
    return counted(count, what, ",")
