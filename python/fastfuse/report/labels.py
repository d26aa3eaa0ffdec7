"""What ``fastfuse fuse --labels`` prints: each rater's rates of each label, the worst first where they are many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ..fusion.labels.options import BACKGROUND
from .names import Names, for_tables
from .numbers import millilitres, plural, rate
from .review import decisions_in_words
from .table import Column, Row, Table, first_that_fits
from .terminal import GLUE, fitting, output, print_below, printable, width
from .words.region import region_of

Facts = dict[str, Any]

MOST_ROWS = 24  # of raters and labels; of more, the worst are shown
RESAMPLED = "Below the sensitivities: 95 % intervals over resampled voxels."
WORST = 12
RATES = {"sensitivity": "sens.", "ppv": "PPV", "dice": "soft\nDice"}
LONGEST, SHORTEST = 24, 12  # columns of a label's name in narrow tables


def print_labels(facts: Facts, written: Sequence[Path]) -> None:
    """Print a sidecar's content: the raters on the whole, their rates of labels, and how the consensus was made."""
    console = output()
    full, shared, numbered = for_tables([rater["name"] for rater in facts["raters"]])
    plans = [(full, None), (full, LONGEST), (shared, None), (shared, LONGEST), (numbered, LONGEST)]
    plans += [(full, SHORTEST), (shared, SHORTEST), (numbered, SHORTEST)]
    said: list[str] = []
    for make in (table_of_means, table_of_labels):
        made = [(make(facts, names, cut), names) for names, cut in plans]
        chosen = first_that_fits([table for (table, _), _ in made], width())
        lines = next([*names.said, *below] for (table, below), names in made if table is chosen)
        said += [line for line in lines if line not in said]
        chosen.print(console)
    files = ", ".join(str(path) for path in written)
    print_below(
        console,
        [
            *map(printable, said),
            _volumes(facts),
            *map(printable, [*decisions_in_words(facts), *_how(facts), f"wrote {files}"]),
        ],
    )


def table_of_means(
    facts: Facts, names: Names | None = None, longest: int | None = None
) -> tuple[Table, list[str]]:
    """Return the means of each rater's rates, and the label of the lowest Dice; and what is said of them.

    A rate that is undefined is left out, and its mean says over how many labels it is.
    """
    held, words = in_means(facts)
    called = names.short if names else [rater["name"] for rater in facts["raters"]]
    rows, partial = [], False
    for name, rater in zip(called, facts["raters"], strict=True):
        labels = [rater["labels"][a] for a in held]
        worst = min(labels, key=lambda one: _or(one["dice"], math.inf), default={"dice": None})
        means = [_mean_shown([one[what] for one in labels]) for what in RATES]
        partial |= any("\n" in mean for mean in means)
        lowest = (
            [_called(worst, longest, short=True), rate(worst["dice"])]
            if worst["dice"] is not None
            else ["", ""]
        )
        rows.append(Row([name, *means, *lowest]))
    columns = [Column("rater", right=False), *(Column(title) for title in RATES.values())]
    columns += [Column("lowest in", right=False), Column("soft\nDice")]
    title = f"{facts['method']} of {plural(len(rows), 'rater')}: means over {words}"
    return Table(fitting(title), columns, rows), [on_fewer(facts)] if partial else []


def table_of_labels(facts: Facts, names: Names, longest: int | None) -> tuple[Table, list[str]]:
    """Return a row for each label and rater, the worst alone if they are many; and what is said of them."""
    found = [
        (one, name)
        for a in range(len(facts["labels"]))
        for name, rater in zip(names.short, facts["raters"], strict=True)
        for one in [rater["labels"][a]]
    ]
    title = "each label"
    if len(found) > MOST_ROWS:
        title = f"the {WORST} lowest in soft Dice, of {len(found):,}; the sidecar holds all"
        found = sorted(found, key=lambda pair: _or(pair[0]["dice"], math.inf))[:WORST]
    columns = [Column("label", right=False), Column("rater", right=False)]
    columns += [*(Column(one) for one in RATES.values()), Column("ml")]
    rows, before = [], None
    for one, name in found:
        again = one["label"] == before and len(found) > WORST
        cells = [rate(one[what], one.get(f"{what}_95")) for what in RATES]
        rows.append(Row(["" if again else _called(one, longest), name, *cells, millilitres(one["ml"])]))
        before = one["label"]
    resampled = any("sensitivity_95" in one for one, _ in found)
    said = [RESAMPLED] if resampled else []
    return Table(title, columns, rows), said


def in_means(facts: Mapping[str, Any]) -> tuple[list[int], str]:
    """Return the places of the labels that means are over, and which these are in words.

    They are those that some rater gives, or the consensus holds, without the background, unless there is nothing else.
    """
    labels = facts["labels"]
    held = [
        a
        for a, label in enumerate(labels)
        if label["voxels"] or any(rater["labels"][a]["voxels"] for rater in facts["raters"])
    ]
    chosen = [a for a in held if labels[a]["label"] != BACKGROUND]
    many = sum(label["label"] != BACKGROUND for label in labels) if chosen else len(labels)
    chosen = chosen or held
    words = plural(many, "label")
    words = words if len(chosen) == many else f"{len(chosen)} of {words}"
    return chosen, words if len(chosen) == len(held) else f"{words}, background left out"


def on_fewer(facts: Mapping[str, Any]) -> str:
    """Say of a mean over some of the labels why it is over no more."""
    said = "Of N: a mean of N labels only. PPV is undefined where a rater never gives a label"
    return f"{said}, all rates where they do not know it." if facts["options"].get("knows") else f"{said}."


def _volumes(facts: Facts) -> str:
    """Return a line on the labels' volumes, in which a label and its volume stay together; it is printable."""
    held = [f"{_called(one, None)} {millilitres(one['ml'])}" for one in facts["labels"][: WORST + 1]]
    more = len(facts["labels"]) - len(held)
    together = ", ".join(printable(one).replace(" ", GLUE) for one in held)
    return f"Consensus (ml): {together}{f' and {more} more' if more else ''}."


def _how(facts: Facts) -> Iterator[str]:
    """Yield lines on tied labels, the fused region and the convergence."""
    undecided = facts.get("undecided")
    if undecided:
        held = plural(undecided["voxels"], "voxel")
        yield f"Labels are tied at {held}, which hold{'s' * (undecided['voxels'] == 1)} {undecided['label']}."
    where = region_of(facts["region"]["mask"], facts["options"].get("roi", "all"), facts["grid"])
    ending = (
        f"{plural(facts['n_iter'], 'iteration')}, {'converged' if facts['converged'] else 'not converged'}"
    )
    yield f"{plural(facts['region']['voxels'], 'voxel')} ({where}), {'no iterations' if facts['method'] == 'majority' else ending}"


def _called(one: Facts, longest: int | None, *, short: bool = False) -> str:
    """Return a label's name and number, no longer than that; the number stays. ``short``: only where the name is cut."""
    name, number = str(one["name"]), f" ({one['label']})"
    if name == str(one["label"]):
        return name
    if longest is None or len(name) + (0 if short else len(number)) <= longest:
        return name if short else f"{name}{number}"
    return f"{name[: max(longest - len(number) - 1, 1)]}…{number}"


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _mean_shown(values: Sequence[float | None]) -> str:
    """Return the mean of what is defined; on a second line of how many, where that is not all."""
    known = [value for value in values if value is not None]
    mean = rate(fmean(known) if known else None)
    return mean if len(known) in (0, len(values)) else f"{mean}\nof {len(known)}"
