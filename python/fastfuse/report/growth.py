"""What ``fastfuse soften`` prints: the growth of each mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .names import Names, for_tables
from .numbers import number, plural
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width

TITLES = ("voxels", "ring", "size", "cut (image)")


def print_softened(sidecars: Sequence[dict[str, Any]], names: Sequence[str], written: Path | None) -> None:
    """Print the growth of each mask, as the sidecars have it."""
    console = output()
    plans = list(for_tables(names))
    tables = [_table(sidecars, plan) for plan in plans]
    table = first_that_fits(tables, width())
    table.print(console)
    said = next(plan.said for plan, one in zip(plans, tables, strict=True) if one is table)
    beside = "it" if len(sidecars) == 1 else "each soft mask"
    print_below(console, map(printable, (*said, f"wrote {written}, with a .json beside {beside}")))


def _table(sidecars: Sequence[dict[str, Any]], names: Names) -> Table:
    columns = [Column("mask", right=False), *map(Column, TITLES)]
    rows = [Row([name, *_cells(facts)]) for name, facts in zip(names.short, sidecars, strict=True)]
    return Table(f"conditional dilation of {plural(len(sidecars), 'mask')}", columns, rows)


def _cells(facts: dict[str, Any]) -> list[str]:
    size = "undefined" if facts["size"] is None else f"{facts['size']:.3f}"
    return [f"{facts['mask_voxels']:,}", f"{facts['ring_voxels']:,}", size, _cut(facts["image_threshold"])]


def _cut(threshold: Any) -> str:
    """Return one cut as text, or the range of several lesions' cuts."""
    given = threshold if isinstance(threshold, list) else [threshold]
    cuts: list[float] = [cut for cut in given if cut is not None]
    if not cuts:
        return "none"
    low, high = number(min(cuts)), number(max(cuts))
    return low if low == high else f"{low} to {high}"
