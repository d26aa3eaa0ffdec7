"""Tables of a report: cells are texts, pairs of a text and a smaller one below, or buttons that move the viewer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ..fusion import DISPUTED, faint_votes, outside_interval, over_lesions, without_interval
from ..names import numbered
from ..numbers import below_best, from_anchor, millilitres, number, rate
from ..words.fit import BY_PROBABILITY, model_called, there_called
from ..words.region import has_soft_votes
from .page import File

ON_PAPER = 16  # columns of numbers that a page of paper holds in letters that can be read
BLOCK = 12  # columns of each table of more
MOST_OPEN = 20  # rows of a table that may be folded away
ROUNDING = 5e-4  # of a difference to a median: below it is 0
Cell = str | tuple[str, str] | dict[str, Any]
Table = dict[str, Any]
NUMBER, TEXT, WRAP, LIST, HASH = "", "text", "text wrap", "text list", "text hash"


def table(
    caption: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Cell]],
    *,
    head: int = 0,
    sums: int = 0,
    folded: str = "",
) -> Table:
    """Return a table; ``columns`` are titles and kinds, ``head`` the cell that names a row, the last ``sums`` rows stand apart.

    ``folded``: what a long table is called while it is folded away; without it, it is not.
    """
    return {
        "caption": caption,
        "columns": [{"title": title, "kind": kind} for title, kind in columns],
        "head": head,
        "rows": [{"cells": list(row), "is_sum": place >= len(rows) - sums} for place, row in enumerate(rows)],
        "folded": folded if len(rows) > MOST_OPEN else "",
    }


def with_interval(value: float | None, interval: Sequence[float | None] | None = None) -> Cell:
    """Return a rate, with its interval below."""
    shown, _, ends = rate(value, interval).partition("\n")
    return (shown, ends) if ends else shown


def against(value: float | None, middle: float | None) -> str:
    """Return the difference to a median."""
    if value is None or middle is None:
        return ""
    return "0" if abs(value - middle) < ROUNDING else f"{value - middle:+.3f}"


def show_button(place: int, what: str) -> Cell:
    """Return a button that moves the viewer to one of its stops, from 0 on; ``what``: it in words."""
    return {"visit": place, "called": f"Show {what}"}


def places_table(view: Mapping[str, Any]) -> Table | None:
    """Return the places where raters disagree, each with a button that shows it; None where there are none."""
    if not view["rows"]:
        return None
    columns = [("place", NUMBER), ("disputed (ml)", NUMBER), ("at (mm)", TEXT)]
    columns += [
        (f"{view['data']['called']} there", NUMBER),
        ("marked there by", LIST),
        ("in the viewer", TEXT),
    ]
    rows = [
        [str(k), one["ml"], one["at"], one["consensus"], one["who"], show_button(k - 1, f"place {k}")]
        for k, one in enumerate(view["rows"], 1)
    ]
    caption = (
        "Connected regions of voxels on which not all raters agree, by the sum over their voxels of the share of pairs of "
        "raters who differ."
    )
    return table(caption, columns, rows)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def raters_table(facts: Mapping[str, Any], of_masks: Sequence[float | None], *, unread: str = "") -> Table:
    """Return a row for each rater: rates with intervals, sizes, and how these deviate from the median rater's.

    ``of_masks``: the Dice of each rater's mask with the consensus's; empty where there are no masks. ``unread``: what is
    said of voxels that a rater did not read.
    """
    raters = facts["raters"]
    border = any("offset" in one for one in raters)
    soft = has_soft_votes(raters)
    compared = of_masks or [one["dice"] for one in raters]
    dice, size = _median(compared), _median([one["marked_ml"] for one in raters])
    columns = [("#", NUMBER), ("rater", WRAP)]
    columns += [(title, NUMBER) for title in ("sensitivity", "specificity", "PPV", "NPV", "soft Dice")]
    columns += [("Dice", NUMBER)] if of_masks else []
    columns += [
        (f"{'' if of_masks else 'soft '}Dice against the median", NUMBER),
        ("marked (ml)", NUMBER),
        ("times the median", NUMBER),
    ]
    columns += [("votes (ml)", NUMBER)] if soft else []
    partly = reads_partly(facts)
    columns += [("voxels read", NUMBER)] if partly else []
    columns += [("border against the consensus's", NUMBER), ("sharpness", NUMBER)] if border else []
    rows = []
    for (called, one), overlap in zip(numbered(raters), compared, strict=True):
        rates = [with_interval(one[name], one.get(f"{name}_95")) for name in ("sensitivity", "specificity")]
        row: list[Cell] = [
            called,
            one["name"],
            *rates,
            *(rate(one[name]) for name in ("ppv", "npv", "dice")),
            *([rate(overlap)] if of_masks else []),
        ]
        marked = one["marked_ml"]
        times = f"× {marked / size:.2f}" if size and marked is not None else ""
        row += [against(overlap, dice), "" if marked is None else millilitres(marked), times]
        row += [millilitres(one["volume_ml"])] if soft else []
        row += [f"{one['voxels_read']:,}"] if partly else []
        row += (
            [from_anchor(one["offset"], facts["anchor"]["level"]) or "undefined", _plain(one["sharpness"])]
            if border
            else []
        )
        rows.append(row)
    held = [
        millilitres(facts["foreground"]["ml"]),
        f"× {facts['foreground']['ml'] / size:.2f}" if size else "",
    ]
    last: list[Cell] = [
        "",
        f"consensus, cut {facts['options']['cut']:.3g}",
        *[""] * (7 if of_masks else 6),
        *held,
    ]
    last += [millilitres(facts["probability"]["ml"])] if soft else []
    rows.append([*last, *[""] * (len(columns) - len(last))])
    return table(
        _of_raters(facts, unread if of_masks else "", masks=bool(of_masks)), columns, rows, head=1, sums=1
    )


def _of_raters(facts: Mapping[str, Any], unread: str, *, masks: bool) -> str:
    told = {
        "information": " Below the rates: 95 % intervals from the observed information, which takes voxels for independent.",
        "lesions": f" Below the rates: 95 % intervals {over_lesions(facts)}.",
        "bootstrap": " Below the rates: 95 % intervals over resampled voxels.",
    }
    said = told.get(facts["options"].get("intervals", "none"), " No intervals were asked for (--intervals).")
    dice = ""
    if masks:
        dice = f" Soft Dice: of votes and probabilities; Dice: of the masks.{f' {unread}' if unread else ''}"
    disputed = [DISPUTED] if facts["options"].get("roi") == "disputed" else []
    lines = (*without_interval(facts), *outside_interval(facts), *disputed, *faint_votes(facts))
    return " ".join([f"Each rater against the consensus.{dice}{said}", *lines])


def reads_partly(facts: Mapping[str, Any]) -> bool:
    """Tell whether a rater may have read a part of the volume only."""
    return bool(facts.get("present")) or facts["options"].get("missing", "error") != "error"


def _plain(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def pairs_tables(dice: Sequence[Sequence[float | None]], numbers: Sequence[str]) -> list[Table]:
    """Return the Dice of each two raters, who are called by numbers; of many in blocks of columns that a page of paper holds."""
    rows = []
    for i, row in enumerate(dice):
        others = [value for j, value in enumerate(row) if j != i and value is not None]
        mean = f"{sum(others) / len(others):.3f}" if others else ""
        cells = [
            "" if i == j else "undefined" if value is None else f"{value:.3f}" for j, value in enumerate(row)
        ]
        rows.append([numbers[i], *cells, mean])
    caption = "Dice of each two raters{}; mean: with the others."
    return in_blocks(caption, ("rater", NUMBER), numbers, rows, [("mean", NUMBER)])


def in_blocks(
    caption: str, first: tuple[str, str], names: Sequence[str], rows: Sequence[Sequence[Cell]],
    last: Sequence[tuple[str, str]] = (),
) -> list[Table]:  # fmt: skip
    """Return a table with a column of numbers for each name, of many as blocks that a page of paper holds.

    ``caption`` holds {} where a block says which names it has; ``first`` and ``last`` are columns of every block.
    """
    count = len(names)
    blocks = 1 if count <= ON_PAPER else -(-count // BLOCK)
    ends = [round(count * k / blocks) for k in range(blocks + 1)]
    found = []
    for start, end in itertools.pairwise(ends):
        of = "" if blocks == 1 else f", columns {names[start]} to {names[end - 1]}"
        columns = [first, *((name, NUMBER) for name in names[start:end]), *last]
        shown = [[row[0], *row[1 + start : 1 + end], *row[1 + count :]] for row in rows]
        found.append(table(caption.format(of), columns, shown))
    return found


def fit_table(fit: Mapping[str, Any]) -> Table:
    """Return the voxels by number of marks, those that there are and those that models expect."""
    models, soft = fit["models"], fit.get("soft", False)
    there = there_called(soft=soft)
    columns = [("raters who mark", NUMBER), *((name, NUMBER) for name in (there, *map(model_called, models)))]
    rows = [
        [str(k), f"{count:,.0f}", *(f"{one['expected'][k]:,.0f}" for one in models.values())]
        for k, count in enumerate(fit["observed"])
    ]
    known = [one["log_likelihood_per_mark"] for one in models.values()]
    if len(known) > 1 and None not in known:
        rows.append(["nats a mark below the best", "", *(below_best(value, max(known)) for value in known)])
    return table(
        f"Voxels by the number of raters who mark them{f'; {BY_PROBABILITY}' if soft else ''}.",
        columns,
        rows,
        sums=int(len(known) > 1 and None not in known),
    )


def files_table(files: Sequence[File]) -> Table:
    """Return the files of a page with their hashes."""
    columns = [("what", TEXT), ("file", WRAP), ("SHA-256", HASH)]
    rows = [[one.what, one.name, one.sha256] for one in files]
    folded = f"{len(rows)} files with their SHA-256"
    return table("Files that were read and written.", columns, rows, folded=folded)


def pairs_of(caption: str, facts: Mapping[str, Any], titles: tuple[str, str] = ("option", "value")) -> Table:
    """Return names and values as a table of two columns."""
    rows = [[name, _shown(value)] for name, value in facts.items()]
    return table(caption, [(titles[0], TEXT), (titles[1], WRAP)], rows)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_shown(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return number(value) if isinstance(value, float) else str(value)
