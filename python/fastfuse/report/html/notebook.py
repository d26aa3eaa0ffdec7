"""A fusion in a notebook: a compact table of the raters beside a slice, in HTML without scripts."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.intervals import shown_rates
from ...fusion.labels.result import LabelFusion
from ...fusion.native.kind import in_memory, upright
from ...fusion.native.origin import Origin
from ...fusion.result import BorderFusion, Fusion
from ...images.image import ras_axes
from ...inputs.names import counted
from ..colours import OUTLINES, PLASMA
from ..numbers import rate, small
from .png import png_bytes

MOST_RATERS = 30  # rows of the table
SIDE = 240  # pixels of the picture's longest side
MOST_LABELS = 12  # that the picture's key names
FAINT = 0.005  # probability that is black
COLUMNS = ("sensitivity", "specificity", "ppv", "npv", "dice")
TITLES = {"ppv": "PPV", "npv": "NPV", "dice": "soft Dice"}
CELL = "padding:.1em .5em;text-align:right;white-space:nowrap"


def fusion_html(fusion: Fusion) -> str:
    """Return the table and the picture; all text is escaped, and nothing is loaded."""
    prior = f"shape {tuple(fusion.probability.shape)}, prior {small(fusion.prior)}"
    head = f"{type(fusion).__name__}: {fusion.method} of {counted(len(fusion.sensitivity), 'rater')}, {prior}"
    columns: dict[str, NDArray[np.float64]] = {name: getattr(fusion, name) for name in COLUMNS}
    columns |= shown_rates(fusion)
    if isinstance(fusion, BorderFusion):
        columns["offset - anchor"] = fusion.offsets - fusion.anchor
    origin = fusion._origin
    names = [f"rater {i}" for i in range(len(fusion.sensitivity))] if origin is None else origin.names
    shown = None
    if not hasattr(fusion.probability, "dask"):
        shown = _slice(in_memory(fusion.probability), origin)
    return _html(
        f"{head}{_how(fusion)}",
        _table(names, columns, [f"{volume:,.0f}" for volume in fusion.volume]),
        "" if shown is None else _picture(_coloured(shown[0]), f"probability, slice {shown[1]}{shown[2]}"),
    )


def label_fusion_html(fusion: LabelFusion) -> str:
    """Return the same of label maps: each rater's means over labels that the consensus holds, but 0, and a slice in colours."""
    head = (
        f"LabelFusion: {fusion.method} of {counted(len(fusion.raters), 'rater')}, {counted(len(fusion.labels), 'label')}, "
        f"{counted(fusion.n_voxels, 'voxel', ',')}"
    )
    columns, many = {}, "over"
    held, front = fusion.consensus_volume > 0, np.asarray(fusion.labels) != 0
    chosen = held & front if (held & front).any() else held
    for name, values in (
        ("sensitivity", fusion._shown_sensitivity()),
        ("ppv", fusion.ppv),
        ("dice", fusion.dice),
    ):
        known = np.where(chosen, values, np.nan)
        counts = np.count_nonzero(~np.isnan(known), axis=1)
        many = "over up to" if (counts < chosen.sum()).any() else many
        columns[name] = np.where(counts > 0, np.nansum(known, axis=1) / np.maximum(counts, 1), np.nan)
    left_out = ", background left out" if (chosen != held).any() else ""
    over = f", means {many} {counted(int(chosen.sum()), 'label')}{left_out}"
    marked = fusion.volume[:, front].sum(axis=1)
    table = _table(fusion.raters, columns, [f"{volume:,.0f}" for volume in marked], "voxels but 0", "mean ")
    shown = _slice(fusion.label(), fusion._origin)
    if shown is None:
        return _html(f"{head}{_how(fusion)}{over}", table, "")
    values, at, sides = shown
    names = dict(zip(fusion.labels, fusion.label_names or map(str, fusion.labels), strict=True))
    hues = {label: OUTLINES[place % len(OUTLINES)] for place, label in enumerate(sorted({*names} - {0}))}
    key = "".join(
        f'<span style="white-space:nowrap"><span style="color:{hues[label]}">■</span> {escape(str(names[label]))}</span> '
        for label in [label for label in hues if (values == label).any()][:MOST_LABELS]
    )
    picture = _picture(_in_hues(values, hues), f"labels, slice {at}{sides}", key)
    return _html(f"{head}{_how(fusion)}{over}", table, picture)


def _how(fusion: Fusion | LabelFusion) -> str:
    state = "converged" if fusion.converged else "not converged"
    return "" if fusion.method == "majority" else f", {counted(fusion.n_iter, 'iteration')}, {state}"


def _html(head: str, table: str, picture: str) -> str:
    return (
        f'<div><div><b>{escape(head)}</b></div><div style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start">'
        f"{table}{picture}</div></div>"
    )


def _table(
    names: Sequence[str],
    columns: Mapping[str, NDArray[np.float64]],
    votes: Sequence[str],
    of_votes: str = "votes",
    mean: str = "",
) -> str:
    """Return a row for each rater; the heads of the columns begin with ``mean``."""
    titles = ["rater", *(f"{mean}{TITLES.get(name, name)}" for name in columns), of_votes]
    head = "".join(f'<th scope="col" style="{CELL}">{title}</th>' for title in titles)
    rows = []
    for i in range(min(len(names), MOST_RATERS)):
        cells = [*(rate(float(values[i])) for values in columns.values()), votes[i]]
        row = "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in cells)
        rows.append(
            f'<tr><th scope="row" style="{CELL};text-align:left">{escape(str(names[i]))}</th>{row}</tr>'
        )
    if len(names) > MOST_RATERS:
        rows.append(f'<tr><td colspan="{len(columns) + 2}">and {len(names) - MOST_RATERS} more</td></tr>')
    return f'<table style="border-collapse:collapse;font-size:.85em;width:auto"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _picture(colours: NDArray[np.uint8], said: str, key: str = "") -> str:
    """Return a slice as a picture, at most so large; ``key``: what its colours mean, in HTML."""
    step = max(1, -(-max(colours.shape[:2]) // SIDE))
    colours = colours[::step, ::step]
    times = max(1, SIDE // max(colours.shape[:2]))
    pixels = np.repeat(np.repeat(colours, times, axis=0), times, axis=1)
    png = base64.b64encode(png_bytes(pixels)).decode("ascii")
    return (
        f'<figure style="margin:0"><img alt="{escape(said)}" width="{pixels.shape[1]}" height="{pixels.shape[0]}" '
        f'style="image-rendering:pixelated" src="data:image/png;base64,{png}">'
        f'<figcaption style="max-width:{SIDE}px">{escape(said)}{"<br>" if key else ""}{key}</figcaption></figure>'
    )


def _slice(values: NDArray[Any], origin: Origin | None) -> tuple[NDArray[Any], int, str] | None:
    """Return the slice that holds most: rows and columns, its number, and which side is where; None of fewer than two axes."""
    place = None if origin is None else origin.kind.place
    if place is not None and place.affine is not None:
        volume, affine = upright(values, place, "the consensus")
        assert affine is not None
        order, reverse = ras_axes(affine)
        volume = np.flip(volume.transpose(order), reverse)
        at = _fullest(volume)
        flat = volume[::-1, ::-1, at].T  # radiological: the patient's right is on the left
        whole = values.shape[order[2]] if values.ndim == 3 else volume.shape[2]
        own = whole - 1 - at if 2 in reverse else at
        return flat, own, ", the patient's right on the left"
    values = values.reshape([length for length in values.shape if length > 1] or [1])
    if values.ndim not in (2, 3):
        return None
    if values.ndim == 2:
        return values, 0, ""
    at = _fullest(values)
    return values[:, :, at], at, " of the last axis"


def _fullest(volume: NDArray[Any]) -> int:
    """Return the number of the slice with most of the consensus: the sum of probabilities, or the labels but 0."""
    held = volume if volume.dtype.kind == "f" else volume != 0
    return int(np.argmax(held.sum(axis=(0, 1), dtype=np.float64)))


def _coloured(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pixels: black where the probability is next to 0, then from blue to yellow."""
    stops = np.array([[int(one[k : k + 2], 16) for k in (1, 3, 5)] for one in PLASMA], float)
    at = np.linspace(0, 1, len(stops))
    colour = np.stack([np.interp(values, at, stops[:, k]) for k in range(3)], axis=-1)
    return np.asarray(np.rint(colour * (values >= FAINT)[..., None]), np.uint8)


def _in_hues(values: NDArray[Any], hues: Mapping[int, str]) -> NDArray[np.uint8]:
    """Return pixels of a slice of labels, each in its colour; 0, and what is no label, black."""
    found = np.zeros((*values.shape, 3), np.uint8)
    for label, hue in hues.items():
        found[values == label] = [int(hue[k : k + 2], 16) for k in (1, 3, 5)]
    return found
