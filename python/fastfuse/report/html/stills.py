"""Still pictures of three slices, for where the viewer cannot run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..colours import BARS_MM, LINES, RAMP, Line
from .png import png_bytes
from .scan import Scan

SIDE = 420  # pixels of the longest side
OPACITY, LEAST = 0.45, 0.025  # of the consensus, and the least probability that is drawn
# Each plane: the axis that stays, the one that runs across and the one that runs up; and what lies on its sides.
PLANES = {
    "axial": ((2, 0, 1), ("R", "L", "A")),
    "coronal": ((1, 0, 2), ("R", "L", "S")),
    "sagittal": ((0, 1, 2), ("A", "P", "S")),
}
Pixels = NDArray[np.float64]


def planes_of(shape: tuple[int, ...]) -> list[str]:
    """Return the planes that hold more than one voxel in both directions."""
    return [name for name, ((_, across, up), _) in PLANES.items() if shape[across] > 1 and shape[up] > 1]


def stills_of(
    scan: Scan, at: tuple[int, ...], colours: list[str], words: str, lines: Sequence[Line]
) -> list[dict[str, Any]]:
    """Return the slices through a voxel as PNG; ``colours`` are those of labels, ``words`` say where the voxel lies.

    Lines here have no dashes: of many raters those are drawn that have a colour of their own, and the caption says so.
    """
    drawn = [colour for colour, _ in lines[: len(LINES)]]
    few = f" Outlines are those of the first {len(drawn)} raters." if len(drawn) < len(lines) else ""
    said = f"{words} mm.{few}"
    return [_still(scan, name, at, colours, said, drawn) for name in planes_of(scan.shown.consensus.shape)]


def _still(
    scan: Scan, name: str, at: tuple[int, ...], colours: list[str], said: str, drawn: Sequence[str]
) -> dict[str, Any]:
    (fixed, across, up), (left, right, above) = PLANES[name]
    shown = scan.shown

    def seen(volume: NDArray[Any]) -> NDArray[Any]:
        flat = np.moveaxis(volume, (across, up, fixed), (1, 0, 2))[..., at[fixed]]
        return flat[::-1, ::-1]  # as in the viewer

    spacing = shown.spacing_mm
    extents = [shown.consensus.shape[axis] * spacing[axis] for axis in range(3)]
    scale = SIDE / max(extents)  # one for all three
    columns, rows = (max(1, round(extents[axis] * scale)) for axis in (across, up))
    source = seen(shown.consensus).shape
    places = np.ix_(
        np.arange(rows) * source[0] // rows,
        np.arange(columns) * source[1] // columns,
    )
    pixels = np.repeat(_below(scan, seen, at[fixed], fixed)[places][..., None], 3, axis=2)
    pixels = _with_consensus(pixels, seen(shown.consensus)[places], shown.labels, colours)
    for rater, colour in zip(shown.raters, drawn, strict=False):
        pixels[_edges(seen(rater)[places])] = _rgb(colour)
    length = max((mm for mm in BARS_MM if mm * scale <= columns / 3), default=BARS_MM[0])
    pixels[max(rows - 14, 0) : rows - 10, 10 : 10 + round(length * scale)] = 255
    png = base64.b64encode(png_bytes(np.rint(pixels).astype(np.uint8))).decode("ascii")
    caption = f"{name.capitalize()} slice, {said} The white bar is {length} mm."
    alt = f"{name.capitalize()} slice, {said} With raters’ outlines."
    sides = {"left": left, "right": right, "up": above}
    return {"png": png, "width": columns, "height": rows, "caption": caption, "alt": alt, **sides}


def _below(scan: Scan, seen: Any, at: int, fixed: int) -> Pixels:
    """Return the image's slice between black and white; black without an image."""
    shape = seen(scan.shown.consensus).shape
    if scan.grey is None or scan.image is None:
        return np.zeros(shape)
    low, high = scan.image["window"]
    factor = scan.image["factor"]
    part = np.take(scan.grey, [at // factor], axis=fixed)
    for axis in range(3):
        part = np.repeat(part, 1 if axis == fixed else factor, axis=axis)
    held = tuple(
        slice(0, 1 if axis == fixed else size) for axis, size in enumerate(scan.shown.consensus.shape)
    )
    whole = np.broadcast_to(part[held], scan.shown.consensus.shape)
    return np.asarray(np.clip((seen(whole).astype(float) - low) * (255 / max(high - low, 1)), 0, 255))


def _with_consensus(
    pixels: Pixels, held: NDArray[Any], labels: tuple[int, ...], colours: list[str]
) -> Pixels:
    """Return pixels with the consensus over them, in colour."""
    if labels:
        table = np.array([_rgb(colour) for colour in colours], float)
        colour, drawn = table[np.searchsorted(labels, held)], held != 0
    else:
        stops = np.array([_rgb(colour) for colour in RAMP], float)
        at = np.linspace(0, 1, len(stops))
        colour = np.stack([np.interp(held, at, stops[:, k]) for k in range(3)], axis=-1)
        drawn = held >= LEAST
    share = np.where(drawn, OPACITY, 0)[..., None]
    return np.asarray(pixels * (1 - share) ** 2 + colour * share)  # as in the viewer


def _edges(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels whose value differs from that of the next one to the right or below."""
    found = np.zeros(values.shape, bool)
    found[:, :-1] |= values[:, :-1] != values[:, 1:]
    found[:-1] |= values[:-1] != values[1:]
    return found


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue
