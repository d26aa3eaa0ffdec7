"""Colours that figures and reports share."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from math import dist

# Figures and notebooks: seven hues that can be told apart on grey, also by the colour-blind (after Okabe and Ito).
OUTLINES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#4d7cff", "#d55e00", "#cc79a7")
# Figures and notebooks: stops of matplotlib's plasma, from probability 0 to 1.
PLASMA = ("#0d0887", "#7e03a8", "#cc4778", "#f89540", "#f0f921")
BARS_MM = (1, 2, 5, 10, 20, 50, 100)  # lengths of a scale bar

# Pages: lines are light (L* of 68 and more), areas are dark (L* of 60 and less), so that no line looks like an area. No two
# of these, nor white and the grey cross-hair, are closer than a CIEDE2000 of 10, also to the colour-blind of each kind.
LINES = ("#ffdd22", "#aaaaff", "#ffaacc", "#66cc99", "#66eeff", "#99bb11", "#ccff99")  # of raters
WHITE, CROSS = "#ffffff", "#9e9e9e"  # the outline of what the raters are held against; the cross-hair
AREAS = ("#0077ff", "#ee3377", "#997700", "#007755", "#991111", "#0000ff", "#773366")  # of labels
RAMP = ("#0d0887", "#6a00a8", "#b12a90", "#e16462")  # from probability 0 to 1: plasma, as far as it is dark
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 3), (1.5, 2.5), (8, 2.5, 1.5, 2.5))  # of every seven raters
MOST_LIGHT = 60.0  # L* of an area
FAR = 30.0  # in CIELAB, between labels' colours while there is room
XYZ = (  # of linear sRGB, each by that of white
    (0.43395, 0.37622, 0.18983),
    (0.2126, 0.7152, 0.0722),
    (0.01776, 0.10948, 0.87276),
)

Line = tuple[str, tuple[float, ...]]  # a colour, and the lengths of its dashes and gaps


def lines_of(count: int) -> list[Line]:
    """Return a line for each rater, no two alike: beyond seven, the colours come again in dashes."""
    return [(LINES[k % len(LINES)], _dashes(k // len(LINES))) for k in range(count)]


def _dashes(turn: int) -> tuple[float, ...]:
    return DASHES[turn] if turn < len(DASHES) else (5.0 + 3 * (turn - 2), 3.0)


def areas_of(given: Sequence[str | None]) -> list[str]:
    """Return a colour for each label, no two alike: its own, as dark as areas are; else the next that is free."""
    found: list[str] = []
    own = [None if colour is None else _darkened(colour) for colour in given]
    others = _others([colour for colour in own if colour is not None])
    for colour in own:
        found.append(next(others) if colour is None or colour in found else colour)
    return found


def _others(taken: Sequence[str]) -> Iterator[str]:
    """Yield colours of areas: those for up to seven labels, then hues a golden angle apart, in three depths.

    Each is as far from all before, and from those that are taken, as there is room.
    """
    before = [_lab(colour) for colour in taken]
    apart, turn = FAR, 0
    while True:
        if turn < len(AREAS):
            colour = AREAS[turn]
        else:
            depth = (0.25, 0.36, 0.47)[turn % 3]
            colour = _darkened(_hex(colorsys.hls_to_rgb(turn * 0.618034 % 1, depth, (0.9, 0.55)[turn % 2])))
        turn += 1
        apart *= 0.99 if turn > len(AREAS) else 1
        here = _lab(colour)
        if all(dist(here, other) >= apart for other in before):
            before.append(here)
            yield colour


def _linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def _lab(colour: str) -> tuple[float, float, float]:
    """Return a colour in CIELAB, of the white of sRGB."""
    linear = _linear(colour)
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (sum(a * b for a, b in zip(row, linear, strict=True)) for row in XYZ)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def lightness(colour: str) -> float:
    """Return L* of a colour, from 0 (black) to 100 (white)."""
    return _lab(colour)[0]


def _darkened(colour: str) -> str:
    """Return a colour that is dark enough for an area, of the same hue."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    while lightness(_hex(parts)) > MOST_LIGHT:
        parts = [part * 0.98 for part in parts]
    return _hex(parts)


def _hex(parts: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
