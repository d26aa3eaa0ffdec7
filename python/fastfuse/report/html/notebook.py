"""A fusion in a notebook: a compact table of the raters beside a slice, in HTML without scripts."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.native.kind import in_memory, upright
from ...fusion.result import BorderFusion, Fusion
from ...images.image import ras_axes
from ...inputs.names import counted
from ..colours import PLASMA
from ..numbers import rate
from .png import png_bytes

MOST_RATERS = 30  # rows of the table
SIDE = 240  # pixels of the picture's longest side
FAINT = 0.005  # probability that is black
COLUMNS = ("sensitivity", "specificity", "ppv", "npv", "dice")
TITLES = {"ppv": "PPV", "npv": "NPV", "dice": "Dice"}
CELL = "padding:.1em .5em;text-align:right;white-space:nowrap"


def fusion_html(fusion: Fusion) -> str:
    """Return the table and the picture; all text is escaped, and nothing is loaded."""
    state = "converged" if fusion.converged else "not converged"
    how = "" if fusion.method == "majority" else f", {counted(fusion.n_iter, 'iteration')}, {state}"
    head = (
        f"{type(fusion).__name__}: {fusion.method} of {counted(len(fusion.sensitivity), 'rater')}, shape "
        f"{tuple(fusion.probability.shape)}, prior {rate(fusion.prior)}{how}"
    )
    picture = _picture(fusion)
    return (
        f'<div><div><b>{escape(head)}</b></div><div style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start">'
        f"{_table(fusion)}{picture}</div></div>"
    )


def _table(fusion: Fusion) -> str:
    origin = fusion._origin
    count = len(fusion.sensitivity)
    names = origin.names if origin is not None else [f"rater {i}" for i in range(count)]
    columns: dict[str, NDArray[np.float64]] = {name: getattr(fusion, name) for name in COLUMNS}
    if isinstance(fusion, BorderFusion):
        columns["offset"] = fusion.offsets
    head = "".join(
        f'<th scope="col" style="{CELL}">{TITLES.get(name, name)}</th>'
        for name in ("rater", *columns, "votes")
    )
    rows = []
    for i in range(min(count, MOST_RATERS)):
        cells = [rate(float(values[i])) for values in columns.values()]
        cells.append(f"{fusion.volume[i]:,.0f}")
        row = "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in cells)
        rows.append(
            f'<tr><th scope="row" style="{CELL};text-align:left">{escape(str(names[i]))}</th>{row}</tr>'
        )
    if count > MOST_RATERS:
        rows.append(f'<tr><td colspan="{len(columns) + 2}">and {count - MOST_RATERS} more</td></tr>')
    return f'<table style="border-collapse:collapse;font-size:.85em;width:auto"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _picture(fusion: Fusion) -> str:
    """Return the slice that holds most of the consensus; nothing of a lazy array, or of fewer than two axes."""
    if hasattr(fusion.probability, "dask"):
        return ""
    shown = _slice(in_memory(fusion.probability), fusion)
    if shown is None:
        return ""
    values, at, sides = shown
    step = max(1, -(-max(values.shape) // SIDE))
    values = values[::step, ::step]
    times = max(1, SIDE // max(values.shape))
    pixels = np.repeat(np.repeat(_coloured(values), times, axis=0), times, axis=1)
    png = base64.b64encode(png_bytes(pixels)).decode("ascii")
    said = f"probability, slice {at}{sides}"
    return (
        f'<figure style="margin:0"><img alt="{escape(said)}" width="{pixels.shape[1]}" height="{pixels.shape[0]}" '
        f'style="image-rendering:pixelated" src="data:image/png;base64,{png}">'
        f"<figcaption>{escape(said)}</figcaption></figure>"
    )


def _slice(values: NDArray[Any], fusion: Fusion) -> tuple[NDArray[Any], int, str] | None:
    """Return rows and columns of a slice, its number, and which side is where."""
    place = None if fusion._origin is None else fusion._origin.kind.place
    if place is not None and place.affine is not None:
        volume, affine = upright(values, place, "the consensus")
        assert affine is not None
        order, reverse = ras_axes(affine)
        volume = np.flip(volume.transpose(order), reverse)
        at = int(np.argmax(volume.sum(axis=(0, 1), dtype=np.float64)))
        flat = volume[::-1, ::-1, at].T  # radiological: the patient's right is on the left
        whole = values.shape[order[2]] if values.ndim == 3 else volume.shape[2]
        own = whole - 1 - at if 2 in reverse else at
        return flat, own, ", the patient's right on the left"
    values = values.reshape([length for length in values.shape if length > 1] or [1])
    if values.ndim not in (2, 3):
        return None
    if values.ndim == 2:
        return values, 0, ""
    at = int(np.argmax(values.sum(axis=(0, 1), dtype=np.float64)))
    return values[:, :, at], at, " of the last axis"


def _coloured(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pixels: black where the probability is next to 0, then from blue to yellow."""
    stops = np.array([[int(one[k : k + 2], 16) for k in (1, 3, 5)] for one in PLASMA], float)
    at = np.linspace(0, 1, len(stops))
    colour = np.stack([np.interp(values, at, stops[:, k]) for k in range(3)], axis=-1)
    return np.asarray(np.rint(colour * (values >= FAINT)[..., None]), np.uint8)
