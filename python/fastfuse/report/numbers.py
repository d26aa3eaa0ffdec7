"""Numbers as tables show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from ..inputs.names import counted

ROUNDING = 1e-9  # cuts below count as 0
SMALL_ML, SMALL_MM, SMALL_MM3 = 0.1, 0.005, 0.05  # volumes and distances below are shown with more digits
LEAST, MOST = 1e-6, 1e15  # below and above, numbers are shown with a power of ten
DECIMALS = 4  # of rates
FINEST = 5  # decimals of an interval's ends, at most


def rate(value: float | None, ends: Sequence[float | None] | None = None) -> str:
    """Return a rate, and its interval on a second line; an end reads 0 or 1 where it is that alone."""
    decimals, below = DECIMALS, ""
    if ends is not None and ends[0] is not None and ends[1] is not None:
        decimals, told = interval(ends[0], ends[1], DECIMALS)
        if 1 > ends[0] >= 1 - 0.5 * 10**-FINEST:
            decimals, told = DECIMALS, ["> .9999"]
        elif 0 < ends[1] < 0.5 * 10**-FINEST:
            decimals, told = DECIMALS, ["< .0001"]
        else:
            told = [_end(end, text, decimals) for end, text in zip(ends[-len(told) :], told, strict=True)]
        below = "\n" + "–".join(told)
    shown = "undefined" if value is None or math.isnan(value) else f"{value:.{decimals}f}"
    return f"{shown}{below}"


def _end(end: float | None, text: str, decimals: int) -> str:
    """Return the end of an interval of rates without its 0; what is rounded to 0 or 1, and is not, as a bound."""
    bounds = {0.0: f"<.{1:0{decimals}}", 1.0: ">." + decimals * "9"}
    whole = float(text)
    if whole not in bounds:
        return text.replace("0.", ".", 1)
    return f"{whole:.0f}" if end == whole else bounds[whole]


def interval(low: float, high: float, least: int, sign: str = "") -> tuple[int, list[str]]:
    """Return how many decimals an estimate takes, and the ends of its interval as texts; one of both where they stay alike.

    They have ``least`` decimals; up to ``FINEST`` where ends that differ would otherwise look the same.
    """
    plans = range(least, max(FINEST, least) + 1 if low != high else least + 1)
    told = [[f"{end:{sign}.{decimals}f}" for end in (low, high)] for decimals in plans]
    apart = next((k for k, ends in enumerate(told) if float(ends[0]) != float(ends[1])), None)  # -0.0 is +0.0
    return (plans[-1], told[-1][1:]) if apart is None else (plans[apart], told[apart])


def small(value: float | None) -> str:
    """Return a share that may be next to 0, such as a prior or an error: four decimals, or three digits."""
    return rate(value) if not value or math.isnan(value) or value >= 0.01 else significant(value, 3)


def below_best(value: float, best: float) -> str:
    """Return by how many nats a fit lies below the best one."""
    gap = value - best
    if abs(gap) < ROUNDING:
        return "0"
    return f"{gap:+.3f}" if abs(gap) >= 5e-4 else significant(gap, 1)


def from_anchor(offset: float | None, anchor: float | None) -> str:
    """Return how far a rater's border lies from the consensus's: levels have no origin of their own. Nothing if undefined."""
    return "" if offset is None or anchor is None else f"{offset - anchor:+.2f}"


def millilitres(volume: float) -> str:
    """Return a volume in ml."""
    return f"{volume:,.2f}" if volume == 0 or volume >= SMALL_ML else significant(volume, 3)


def millimetres(distance: float) -> str:
    """Return a distance in mm, or what it is if it is no number."""
    if math.isnan(distance):
        return "undefined"
    if math.isinf(distance):
        return "infinite"
    return f"{distance:.2f}" if distance == 0 or distance >= SMALL_MM else significant(distance, 3)


def cubic_millimetres(volume: float) -> str:
    """Return a lesion's volume in mm³."""
    return f"{volume:,.1f}" if volume == 0 or volume >= SMALL_MM3 else significant(volume, 3)


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
