"""What a reviewer decided, as a part of a page: of one fusion, and of the cases of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..names import numbered
from ..numbers import millilitres, plural
from ..review import decisions_in_words
from . import tables
from .sections import section
from .view import in_words

Facts = Mapping[str, Any]
OF_LABELS = "A place's core counts as the label, whatever the raters say."
OF_MASKS = "A lesion's core counts as foreground, and what is none as background, whatever the raters marked."


def decisions_part(facts: Facts, *, placed: bool) -> list[dict[str, Any]]:
    """Return the decisions of a fusion, by its sidecar; nothing without any."""
    decided = facts.get("decisions")
    if not decided:
        return []
    of_labels = "labels" in facts
    numbers = {one["name"]: number for number, one in numbered(facts["raters"])}
    columns = [*_columns(of_labels=of_labels), ("at (mm)", tables.TEXT)]
    rows = [[*_cells(one, numbers), in_words(one["ras_mm"], placed=placed)] for one in decided["lesions"]]
    if not rows:
        columns = [("truth", tables.TEXT), ("ml", tables.NUMBER)]
        rows = [[what, millilitres(count * facts["voxel_ml"])] for what, count in decided["voxels"].items()]
    words = " ".join(decisions_in_words(facts))
    made = tables.table(f"{words} {OF_LABELS if of_labels else OF_MASKS}", columns, rows)
    return [{"id": "decisions", "title": "Decisions of a reviewer", "tables": [made]}]


def decisions_of_cases(facts: Facts, numbers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the decisions on the cases of a cohort, by its summary; ``numbers``: of the raters, by name."""
    cases: Mapping[str, list[Facts]] = facts.get("decisions", {}).get("lesions", {})
    lesions = [(case, one) for case, of_case in cases.items() for one in of_case]
    if not lesions:
        return []
    of_labels = "says" in lesions[0][1]
    columns = [("case", tables.WRAP), *_columns(of_labels=of_labels), ("at (mm, RAS)", tables.TEXT)]
    rows = [[case, *_cells(one, numbers), in_words(one["ras_mm"], placed=False)] for case, one in lesions]
    what = "place" if of_labels else "lesion"
    caption = (
        f"{plural(len(rows), what)} of {plural(len(cases), 'case')}, by {facts['decisions']['file']}. "
        f"{OF_LABELS if of_labels else OF_MASKS} Numbers and places are those of the list."
    )
    folded = f"{plural(len(rows), what)} that {'is' if len(rows) == 1 else 'are'} decided"
    made = tables.table(caption, columns, rows, folded=folded)
    return [section("decisions", "Decisions of a reviewer", [made])]


def _columns(*, of_labels: bool) -> list[tuple[str, str]]:
    names = ("place", "who says what") if of_labels else ("lesion", "marked by")
    columns = [(names[0], tables.NUMBER), ("decision", tables.TEXT)]
    return [*columns, ("ml", tables.NUMBER), (names[1], tables.TEXT)]


def _cells(one: Facts, numbers: Mapping[str, str]) -> list[tables.Cell]:
    return [str(one["lesion"]), _decision(one), millilitres(one["ml"]), _who(one, numbers)]


def _decision(one: Facts) -> str:
    if "says" in one:
        return str(one["decision"])
    return "a lesion" if one["decision"] == "yes" else "no lesion"


def _who(one: Facts, numbers: Mapping[str, str]) -> str:
    """Return who marks a lesion, or who says what of a place, by the raters' numbers."""
    if "says" not in one:
        who = ", ".join(numbers.get(name, name) for name in one["marked_by"])
        return f"{len(one['marked_by'])} of {one['looked']}: {who}"
    said: dict[str, list[str]] = {}
    for name, label in one["says"].items():
        said.setdefault(label, []).append(numbers.get(name, name))
    return "; ".join(f"{label}: {', '.join(names)}" for label, names in said.items())
