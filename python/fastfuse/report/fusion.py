"""What ``fastfuse fuse`` prints: a sidecar's content as a table of raters and some lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .fit import auto_line, counts_line, fit_table, nats_line
from .names import Names, for_tables
from .numbers import from_anchor, millilitres, plural, rate, significant, times
from .review import decisions_in_words
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width
from .words.region import has_soft_votes, region_of

Facts = dict[str, Any]
Cell = tuple[str, str]  # title and text; a title may have a second line

FAINT = 0.5  # below it a vote marks nothing
DISPUTED = "Sensitivity and specificity are of voxels in dispute, all else of those on which all agree, too."


def print_fusion(facts: Facts, written: Sequence[Path]) -> None:
    """Print a sidecar's content: the table of raters, and how the consensus was made."""
    _print(facts, _wrote(written))


def print_structures(facts: Facts, written: Sequence[Path]) -> None:
    """Print the same of each structure."""
    options = facts["options"]
    last = len(facts["structures"]) - 1
    for place, one in enumerate(facts["structures"]):
        own = {**facts, **one, "options": {**options, **one["options"]}}
        _print({**own, "of": one["name"]}, _wrote(written) if place == last else ())


def _wrote(written: Sequence[Path]) -> tuple[str]:
    return (f"wrote {', '.join(str(path) for path in written)}",)


def _print(facts: Facts, below: Sequence[str]) -> None:
    """Print the table of raters, how the consensus was made, and what else is to be said."""
    console = output()
    table, said = _fitting(facts, width())
    table.print(console)
    fit = None if "of" in facts else fit_table(facts, width())
    if fit is not None:
        fit.print(console)
    of_table = () if fit is None else (*counts_line(facts), *nats_line(facts))
    of_fit = (*of_table, *auto_line(facts))
    lines = (*said, *_volumes(facts), *decisions_in_words(facts), *of_fit, *_how(facts), *below)
    print_below(console, map(printable, lines))


def _fitting(facts: Facts, columns: int | None) -> tuple[Table, Sequence[str]]:
    """Return the table that fits, the widest first, and what is said of its names."""
    full, shared, numbered = for_tables([rater["name"] for rater in facts["raters"]])
    plans = [(_wide, full), (_wide, shared), (_short, full), (_short, shared)]
    lower = [(_short, numbered), (_stacked, shared)]  # where rows have one line, numbers keep it so
    plans += [*(lower[::-1] if _has_intervals(facts) else lower), (_stacked, numbered)]
    of_sizes = [] if "votes (ml)" in _sized(facts) else ["Marked: in ml."]
    tables = [
        (_table(facts, make, names), [*names.said, *(of_sizes if make is _stacked else [])])
        for make, names in plans
    ]
    chosen = first_that_fits([table for table, _ in tables], columns)
    return next((table, said) for table, said in tables if table is chosen)


def _table(facts: Facts, make: Any, names: Names) -> Table:
    raters = facts["raters"]
    rows = [make(facts, _rates(rater), _sizes(facts, i)) for i, rater in enumerate(raters)]
    ends = [(label, make(facts, {}, sizes)) for label, sizes in _ends(facts)]
    columns = [Column("rater", right=False), *map(Column, rows[0])]
    body = [Row([name, *row.values()]) for name, row in zip(names.short, rows, strict=True)]
    body += [Row([label, *row.values()], spans=True, apart=i == 0) for i, (label, row) in enumerate(ends)]
    what = f"{facts['of']}: " if "of" in facts else ""
    return Table(f"{what}{facts['method']} of {plural(len(raters), 'rater')}", columns, body)


RATES = {
    "sensitivity": "sens.",
    "specificity": "spec.",
    "PPV": "PPV",
    "NPV": "NPV",
    "soft Dice": "soft\nDice",
}
SIZES = {"marked (ml)": "marked\n(ml)", "votes (ml)": "votes\n(ml)", "grown to": "grown\nto"}
BELOW = {"marked (ml)": "marked", "votes (ml)": "votes", "grown to": "grown"}


def _wide(facts: Facts, rates: Facts, sizes: Facts) -> dict[str, str]:
    """Return the cells of a row by their titles."""
    return {**{name: rates.get(name, "") for name in RATES}, **{name: sizes[name] for name in _sized(facts)}}


def _short(facts: Facts, rates: Facts, sizes: Facts) -> dict[str, str]:
    """Return the same under shorter titles."""
    cells = _wide(facts, rates, sizes)
    return {{**RATES, **SIZES}[name]: text for name, text in cells.items()}


def _stacked(facts: Facts, rates: Facts, sizes: Facts) -> dict[str, str]:
    """Return the same in two lines: sizes stand below predictive values and Dice."""
    under = dict(zip(("PPV", "NPV", "soft Dice"), _sized(facts), strict=False))
    cells = {}
    for name, short in RATES.items():
        rate, size = rates.get(name, ""), under.get(name)
        title = BELOW[size] if size else "95 %" if _has_intervals(facts) and short.endswith(".") else ""
        cells[f"{short}\n{title}"] = f"{rate}\n{sizes[size]}" if size else rate
    return cells


def _rates(rater: Facts) -> Facts:
    return {
        "sensitivity": rate(rater["sensitivity"], rater.get("sensitivity_95")),
        "specificity": rate(rater["specificity"], rater.get("specificity_95")),
        **{
            title: rate(rater[name])
            for title, name in (("PPV", "ppv"), ("NPV", "npv"), ("soft Dice", "dice"))
        },
    }


def _sized(facts: Facts) -> list[str]:
    """Return which sizes the table has: the sums of votes and growth only where they say more."""
    grown = "raters" in facts.get("dilation", {})
    soft = ["votes (ml)"] if has_soft_votes(facts["raters"]) else []
    return ["marked (ml)", *soft, *(["grown to"] if grown else [])]


def _sizes(facts: Facts, i: int) -> Facts:
    rater, grown = facts["raters"][i], facts.get("dilation", {}).get("raters")
    return {
        "marked (ml)": millilitres(rater["marked_ml"]),
        "votes (ml)": millilitres(rater["volume_ml"]),
        "grown to": times(grown[i]["size"]) if grown else "",
    }


def _ends(facts: Facts) -> Iterator[tuple[str, Facts]]:
    """Yield the rows below the raters': the consensus, and its ring."""
    sizes = {"votes (ml)": millilitres(facts["probability"]["ml"]), "grown to": ""}
    options = facts["options"]
    found = options.get("label_rule") == "dice"
    cut = f"{options['cut']:.3g} for Dice" if found else f"{options['cut']:g}"
    yield f"consensus, cut {cut}", {**sizes, "marked (ml)": millilitres(facts["foreground"]["ml"])}


def _volumes(facts: Facts) -> Iterator[str]:
    """Yield lines on what the volumes are, and on the consensus's ring."""
    growth = facts.get("dilation", {})
    if "votes (ml)" in _sized(facts):
        grown = "raters" in growth
        drawn = "masks as they were drawn" if grown else "votes of at least 0.5"
        summed = f"all votes, {growth['options']['label']:g} on a ring" if grown else "all votes"
        reach = "above" if facts["options"].get("ties") == "background" else "of at least"
        yield f"Marked: {drawn}; of the consensus, probabilities {reach} the cut. In ml."
        yield f"Votes: the sum of {summed}; of the consensus, the sum of probabilities. In ml."
        yield from faint_votes(facts)
    ring = growth.get("consensus")
    if ring:
        ml = ring["ring_voxels"] * facts["voxel_ml"]
        yield f"The consensus has grown to {times(ring['size'])} by a ring of {millilitres(ml)} ml."


def faint_votes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what lowers soft Dice where most of the votes' sum lies outside of what anybody marks.

    A voxel adds 1 at most: of a sum, what exceeds the volume at 0.5 or above is of voxels below 0.5, and more may be.
    """
    votes, marked = (sum(one[what] or 0.0 for one in facts["raters"]) for what in ("volume_ml", "marked_ml"))
    if votes > 2 * marked > 0 and "dilation" not in facts:
        summed, held = facts["probability"]["ml"], facts["foreground"]["ml"]
        cut, ties = facts["options"]["cut"], facts["options"].get("ties")
        tells = cut < FAINT or (cut == FAINT and ties != "background")  # what is not held is below 0.5
        faint = tells and summed > 2 * held
        lowered = "Sensitivity, PPV" if faint or facts["method"] == "majority" else "PPV"
        of_votes = f"{_at_least(marked, votes)} of the votes' sum"
        of_both = f"{of_votes}, and {_at_least(held, summed)} of the consensus's, lie where these"
        yield (
            f"{lowered} and soft Dice are low, however alike the masks: "
            f"{of_both if faint else f'{of_votes} lies where votes'} are below {FAINT:g}, as by a floor above 0 or by wide borders."
        )


def _at_least(volume: float, summed: float) -> str:
    """Return the share of a sum that exceeds a volume, rounded down."""
    return f"at least {math.floor(100 * (1 - volume / summed))} %" if volume else "all"


def without_interval(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield why rates have no interval from the information, where it is as they lie at 0 or 1."""
    from ..fusion.intervals import BOUNDARY  # here, as NumPy would slow --help

    rates = [
        one[name]
        for one in facts["raters"]
        for name in ("sensitivity", "specificity")
        if f"{name}_95" in one and None in (one[f"{name}_95"] or [None])
    ]
    bound = any(one is not None and not BOUNDARY < one < 1 - BOUNDARY for one in rates)
    if bound and facts["options"].get("intervals") == "information":
        yield "A rate without an interval lies at its bound, 0 or 1, where the observed information gives none."


def outside_interval(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield that rates lie outside of their intervals, and why, as the reader takes these for an error."""
    outside = [
        (one[name], one[f"{name}_95"])
        for one in facts["raters"]
        for name in ("sensitivity", "specificity")
        if None not in (one.get(name), *(one.get(f"{name}_95") or [None]))
    ]
    if any(not low <= rate_ <= high for rate_, (low, high) in outside):
        why = (
            "the samples' rates lie to one side of it"
            if facts["converged"]
            else "EM has not converged, and that of each sample goes on from there"
        )
        yield f"A rate lies outside of its interval: {why}."


def _how(facts: Facts) -> Iterator[str]:
    """Yield lines on the preset, the fused region, the convergence, and the voxels that the rates refer to."""
    yield from _preset(facts)
    options, mask = facts["options"], facts["region"]["mask"]
    roi = options.get("roi", "all")
    where = region_of(mask, roi, facts.get("grid", {}), soft=has_soft_votes(facts["raters"]))
    yield f"{plural(facts['region']['voxels'], 'voxel')} ({where}), prior {_prior(facts['prior'])}, {_ending(facts)}"
    if roi == "disputed":
        yield DISPUTED
    elif mask is None and roi == "all":
        margin = "roi" in options and not facts.get("grid", {}).get("sheared")
        remedy = "--roi 4, and --mask," if margin else "--mask"
        yield f"Background counts: it inflates specificity{_on_prior(facts)}; give {remedy} to leave it out."
    anchor = facts.get("anchor")
    if anchor and anchor["level"] is not None:
        offsets = ", ".join(from_anchor(rater["offset"], anchor["level"]) or "-" for rater in facts["raters"])
        told = "half maximum on the image" if anchor["from"] == "image" else "the votes"
        yield f"The border is told by {told}; the raters' lie {offsets} levels of depth from it (+ is smaller)."
    kind = options.get("intervals", "none")
    if _has_intervals(facts):
        what = {"information": "from the observed information", "bootstrap": "over resampled voxels"}
        yield f"Below the rates: 95 % intervals {what.get(kind, over_lesions(facts))}."
    yield from without_interval(facts)
    yield from outside_interval(facts)


def _preset(facts: Facts) -> Iterator[str]:
    """Yield what a preset set, with the method first."""
    preset = facts.get("preset")
    if not preset:
        return
    parts = [
        str(value)
        if name == "method"
        else f"{name} {value:g}"
        if isinstance(value, float)
        else f"{name} {value}"
        for name, value in preset["set"].items()
    ]
    of = f" for {preset['for']}" if "for" in preset else ""
    yield f"Preset {preset['name']}{of}: {', '.join(parts) or 'nothing, as all is given'}."


def over_lesions(facts: Mapping[str, Any]) -> str:
    """Return over how many lesions intervals are; sidecars of earlier versions do not tell."""
    lesions = facts.get("resampled_lesions")
    return "over resampled lesions" if lesions is None else f"over {plural(lesions, 'resampled lesion')}"


def _has_intervals(facts: Facts) -> bool:
    return any(rater.get("sensitivity_error") or rater.get("specificity_error") for rater in facts["raters"])


def _on_prior(facts: Facts) -> str:
    """Say what background does to a prior that is a mean; other priors are as they were given."""
    return " and lowers the prior" if facts["options"].get("prior") in ("mean", "estimate") else ""


def _prior(value: float | None) -> str:
    return "undefined" if value is None else significant(value, 3)


def _ending(facts: Facts) -> str:
    if facts["method"] == "majority":
        return "no iterations"
    return f"{plural(facts['n_iter'], 'iteration')}, {'converged' if facts['converged'] else 'not converged'}"
