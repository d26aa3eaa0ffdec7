"""What ``fastfuse review`` prints: the lesions of the list on which most hangs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .names import Names
from .numbers import millilitres, plural
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width

PRINTED = 20  # lesions
NAMED = 12  # numbers of lesions in a line


def print_review(facts: Mapping[str, Any]) -> None:
    """Print the first lesions, what the numbers are, and what was written."""
    console = output()
    lesions, names = facts["lesions"], Names.told_apart(facts["raters"])
    if lesions:
        tables = [
            _table(lesions, dict(zip(facts["raters"], names.short, strict=True))),
            _table(lesions, None),
        ]
        first_that_fits(tables, width()).print(console)
    more = len(lesions) - PRINTED
    decided = sum(one["decision"] is not None for one in lesions)
    before = f", {decided} decided before, which stand last" if decided else ""
    lines = [
        f"{plural(facts['all'], 'lesion')}, {len(lesions)} listed{before}{f', {more} more than above' if more > 0 else ''}.",
        "Change: of the consensus, if it were decided otherwise. Stake: that, times the share of raters who say otherwise.",
        *names.said,
        "Write yes or no into the column decision, and give the list to fastfuse fuse --decisions.",
        f"wrote {', '.join(facts['outputs'])}",
    ]
    print_below(console, map(printable, lines if lesions else [lines[0], lines[-1]]))


def decisions_in_words(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line on a reviewer's decisions, if there are any in a sidecar."""
    decided = facts.get("decisions")
    if not decided:
        return
    sizes = ", ".join(
        f"{millilitres(voxels * facts['voxel_ml'])} ml {what}" for what, voxels in decided["voxels"].items()
    )
    if decided["file"] is None:
        yield f"Decided: {sizes}."
        return
    by_word = {
        word: [str(one["lesion"]) for one in decided["lesions"] if one["decision"] == word]
        for word in ("yes", "no")
    }
    words = [
        f"{len(found)} {word} (lesion{'s' * (len(found) > 1)} {_some(found)})"
        for word, found in by_word.items()
        if found
    ]
    said = f"{', '.join(words)}; {sizes}" if words else "no lesion"
    yield f"Decided by {Path(decided['file']).name}: {said}."


def _some(numbers: list[str]) -> str:
    """Return the first numbers, and how many more there are."""
    more = len(numbers) - NAMED
    return ", ".join(numbers) if more < 2 else f"{', '.join(numbers[:NAMED])} and {more} more"


def _table(lesions: list[dict[str, Any]], names: Mapping[str, str] | None) -> Table:
    """Return the table; ``names``: of raters in the table; None: without who marks each lesion."""
    titles = ["lesion", "at (mm, RAS)", "ml", "marked by", "posterior", "change\n(ml)", "stake\n(ml)"]
    decided = any(one["decision"] for one in lesions)
    columns = [Column(title) for title in titles] + ([Column("decided")] if decided else [])
    columns += [Column("raters", right=False)] if names else []
    rows = []
    for one in lesions[:PRINTED]:
        marks = f"{len(one['marked_by'])} of {one['looked']}"
        cells = [
            str(one["lesion"]),
            " ".join(str(round(at)) for at in one["ras_mm"]),
            f"{one['ml']:.3f}",
            marks,
            f"{one['posterior']:.3f}",
            f"{one['change_ml']:+.3f}",
            f"{one['stake_ml']:.3f}",
        ]
        cells += [one["decision"] or ""] if decided else []
        if names is not None:
            cells.append(printable(", ".join(names[name] for name in one["marked_by"])))
        rows.append(Row(cells))
    return Table("Lesions on which raters disagree", columns, rows)
