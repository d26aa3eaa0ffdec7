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
    named = False
    if lesions:
        tables = [
            _table(lesions, dict(zip(facts["raters"], names.short, strict=True))),
            _table(lesions, None),
        ]
        chosen = first_that_fits(tables, width())
        named = chosen is tables[0]
        chosen.print(console)
    more = len(lesions) - PRINTED
    decided = sum(one["decision"] is not None for one in lesions)
    of_labels, of_cases = any("says" in one for one in lesions), any("case" in one for one in lesions)
    answers = "the label" if of_labels else "yes or no"
    to = "cohort fuse" if of_cases else "fuse"
    what = "place" if of_labels else "lesion"
    change = f"{'the volume whose label is another one' if of_labels else 'of the consensus'}, if it were decided otherwise"
    before = f", {decided:,} decided before, which stand last" if decided else ""
    lines = [
        f"{plural(facts['all'], what)}, {len(lesions):,} listed{before}{f', {more:,} more than above' if more > 0 else ''}.",
        f"Change: {change}. Stake: that, times the share of raters who say otherwise.",
        *(names.said if named else []),
        f"Write {answers} into the column decision, and give the list to fastfuse {to} --decisions.",
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
    masks = {"yes": 0, "no": 1}  # the order in which they are told
    given = {one["decision"] for one in decided["lesions"]}
    by_word = {
        word: [str(one["lesion"]) for one in decided["lesions"] if one["decision"] == word]
        for word in sorted(given, key=lambda word: (masks.get(word, 2), word))
    }
    what = "place" if any("says" in one for one in decided["lesions"]) else "lesion"
    words = [
        f"{len(found)} {word} ({what}{'s' * (len(found) > 1)} {_some(found)})"
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
    of_labels = any("says" in one for one in lesions)
    titles = [
        "place" if of_labels else "lesion",
        "at (mm, RAS)",
        "ml",
        "consensus" if of_labels else "marked by",
    ]
    titles += ["posterior", "change\n(ml)", "stake\n(ml)"]
    decided = any(one["decision"] for one in lesions)
    columns = [Column("case", right=False)] if any("case" in one for one in lesions) else []
    columns += [Column(title) for title in titles] + ([Column("decided")] if decided else [])
    columns += [Column("raters", right=False)] if names else []
    rows = []
    for one in lesions[:PRINTED]:
        marks = f"{len(one['marked_by'])} of {one['looked']}"
        if of_labels:
            marks = printable(f"{one['consensus']}: {marks}")
        cells = [printable(one["case"])] if "case" in one else []
        cells += [
            str(one["lesion"]),
            " ".join(str(round(at)) for at in one["ras_mm"]),
            f"{one['ml']:.3f}",
            marks,
            f"{one['posterior']:.3f}",
            f"{one['change_ml']:{'' if of_labels else '+'}.3f}",
            f"{one['stake_ml']:.3f}",
        ]
        cells += [one["decision"] or ""] if decided else []
        if names is not None:
            cells.append(printable(_who(one, names)))
        rows.append(Row(cells))
    return Table(f"{'Places' if of_labels else 'Lesions'} on which raters disagree", columns, rows)


def _who(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return who marks a lesion; of label maps, who says another label than the consensus."""
    if "says" not in one:
        return ", ".join(names[name] for name in one["marked_by"])
    return ", ".join(
        f"{names[name]}: {says}" for name, says in one["says"].items() if says != one["consensus"]
    )
