"""Lays charts out: numbers become places in a drawing of fixed width, which the templates draw as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..names import numbers_of

WIDTH, HEIGHT = 380, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 366, 14, 254  # of the area within the axes
HUES, SHAPES = 7, 4
MOST_NUMBERED = 12  # raters of a heat map with numbers in its cells
TICKS = 5
LONGEST, LETTER = 14, 6.6  # letters of a row's name, and their width
MARK, HIDDEN = 5.5, 4.0  # half a marker's size; distance at which one marker hides another
MOST_LISTED = 4  # raters at one point whose numbers stand beside it

Chart = dict[str, Any]
Box = tuple[float, float, float, float]  # left, top, right and bottom
Interval = Sequence[float | None] | None


def ticks_between(low: float, high: float, count: int = TICKS) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about ``count`` of them."""
    rough = (high - low) / max(count, 1)
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 2.5, 5, 10) if size * times >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def _axis(title: str, ticks: Sequence[float], at: Callable[[float], float]) -> dict[str, Any]:
    return {
        "title": title,
        "ticks": [{"at": _round(at(one)), "label": f"{one:,.12g}".replace("-", "−")} for one in ticks],
    }


def _chart(kind: str, title: str, text: str, x: Any, y: Any, **more: Any) -> Chart:
    frame = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
    return {"kind": kind, "title": title, "text": text, **frame, "x": x, "y": y, **more}


def _round(value: float) -> float:
    return round(value, 2)


def _linear(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (stop - start)


def rates_chart(raters: Sequence[dict[str, Any]], text: str) -> Chart | None:
    """Return sensitivity against specificity, with intervals as ellipses; None where no rater has both."""
    numbers = numbers_of([one["name"] for one in raters])
    known = [
        (place, one)
        for place, one in enumerate(raters)
        if one["sensitivity"] is not None and one["specificity"] is not None
    ]
    if not known:
        return None
    ends = {rate: _ends([one for _, one in known], rate) for rate in ("specificity", "sensitivity")}
    x, y = _linear(*ends["specificity"], LEFT, RIGHT), _linear(*ends["sensitivity"], BOTTOM, TOP)
    points: list[dict[str, Any]] = [
        {
            "x": _round(x(one["specificity"])),
            "y": _round(y(one["sensitivity"])),
            "number": numbers[place],
            "name": one["name"],
            "colour": place % HUES,
            "shape": place // HUES % SHAPES,
            "ellipse": _ellipse(one, x, y),
        }
        for place, one in known
    ]
    groups = _together(points)
    labels = _labels_of(groups, points)
    several = [_counted([point["number"] for point in group]) for group in groups if len(group) > 1]
    text = f"{text} {'; '.join(several)}." if several else text
    axes = [
        _axis(rate, ticks_between(*ends[rate]), at) for rate, at in (("specificity", x), ("sensitivity", y))
    ]
    title = "Sensitivity against specificity of each rater"
    return _chart("scatter", title, text, *axes, points=points, labels=labels)


def _together(points: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the points in groups, of which each but the last drawn would be hidden by another."""
    groups: list[list[dict[str, Any]]] = []
    for point in points:
        near = [group for group in groups if any(math.dist(_at(point), _at(one)) < HIDDEN for one in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(one for group in near for one in group), point])
    return [sorted(group, key=points.index) for group in groups]


def _at(point: dict[str, Any]) -> tuple[float, float]:
    return point["x"], point["y"]


def _counted(numbers: Sequence[str]) -> str:
    """Return what is said of raters at one point, such as ``2 raters at one point: 1 and 8``."""
    return f"{len(numbers)} raters at one point: {', '.join(numbers[:-1])} and {numbers[-1]}"


def _labels_of(
    groups: Sequence[Sequence[dict[str, Any]]], points: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the numbers beside the markers: each on that side where it covers least of other markers and numbers."""
    boxes = [(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in map(_at, points)]
    labels = []
    for group in groups:
        numbers = [one["number"] for one in group]
        text = ", ".join(numbers) if len(numbers) <= MOST_LISTED else f"{len(numbers)} raters"
        (x, y), wide = _at(group[-1]), LETTER * len(text)
        sides = [(8, -2, "start"), (-8, -2, "end"), (8, 12, "start"), (-8, 12, "end"), (0, -9, "middle"), (0, 17, "middle")]  # fmt: skip
        placed = [(x + right, y + down, anchor) for right, down, anchor in sides]
        found = [_box(one, wide) for one in placed]
        best = min(
            range(len(sides)),
            key=lambda k: (_beyond(found[k]) + sum(_common(found[k], one) for one in boxes), k),
        )
        boxes.append(found[best])
        at_x, at_y, anchor = placed[best]
        labels.append({"x": _round(at_x), "y": _round(at_y), "anchor": anchor, "text": text})
    return labels


def _box(label: tuple[float, float, str], wide: float) -> Box:
    x, y, anchor = label
    left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    return left, y - 9, left + wide, y + 1


def _common(one: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    sides = (min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1))
    return math.prod(max(side, 0.0) for side in sides)


def _beyond(box: Box) -> float:
    """Return the area of a box outside the axes."""
    return math.prod((box[2] - box[0], box[3] - box[1])) - _common(box, (LEFT, TOP, RIGHT, BOTTOM))


def _interval(rater: dict[str, Any], rate: str) -> tuple[float, float]:
    """Return the ends of a rate's interval; the rate itself where there is none."""
    ends: Interval = rater.get(f"{rate}_95")
    if not ends or ends[0] is None or ends[1] is None:
        return rater[rate], rater[rate]
    return ends[0], ends[1]


def _ends(raters: Sequence[dict[str, Any]], rate: str) -> tuple[float, float]:
    """Return the ends of an axis that holds all rates and intervals, within 0 and 1 as far as that leaves room."""
    held = [end for one in raters for end in (*_interval(one, rate), one[rate])]
    low, high = min(held), max(held)
    margin = max((high - low) * 0.12, 1e-4)
    return max(low - margin, -margin), min(high + margin, 1 + margin)


def _ellipse(rater: dict[str, Any], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Return four quarters of ellipses around a rater's rates, as far as the intervals reach to each side."""
    (left, right), (low, high) = _interval(rater, "specificity"), _interval(rater, "sensitivity")
    if right <= left or high <= low:
        return ""
    cx, cy = x(rater["specificity"]), y(rater["sensitivity"])
    sides = [max(abs(side), 0.01) for side in (x(right) - cx, cy - y(high), cx - x(left), y(low) - cy)]
    east, north, west, south = (_round(side) for side in sides)
    cx, cy = _round(cx), _round(cy)
    return (
        f"M{_round(cx + east)},{cy}A{east},{north} 0 0 0 {cx},{_round(cy - north)}"
        f"A{west},{north} 0 0 0 {_round(cx - west)},{cy}A{west},{south} 0 0 0 {cx},{_round(cy + south)}"
        f"A{east},{south} 0 0 0 {_round(cx + east)},{cy}Z"
    )


def heat_chart(
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    text: str,
    labels: Sequence[Sequence[str]] | None = None,
) -> Chart:
    """Return values in a table of colours, such as the Dice of each two raters; the bluer, the higher.

    They are shares, or with ``labels``, what is written in the cells, any numbers from 0 on.
    """
    rows = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in rows]
    left, top = 16 + round(LETTER * max(map(len, rows), default=1)), 22
    width = min((WIDTH - left - 8) / max(len(columns), 1), 60)
    height = min(width, 32 if len(rows) > len(columns) else width)
    known = [value for row in values for value in row if value is not None]
    least, most = min(min(known, default=0.0), 0.95), 1.0
    if labels is not None:
        least, most = 0.0, max(max(known, default=1.0), 1.0)
    cells = [
        {
            "x": _round(left + j * width),
            "y": _round(top + i * height),
            "value": value,
            "share": None
            if value is None
            else _round(0.08 + 0.92 * max(0.0, (value - least) / (most - least))),
            "label": _share_label(value) if labels is None else labels[i][j],
        }
        for i, row in enumerate(values)
        for j, value in enumerate(row)
    ]
    right, bottom = _round(left + width * len(columns)), _round(top + height * len(rows))
    frame = {"left": left, "right": right, "top": top, "bottom": bottom, "height": _round(bottom + 8)}
    heads = {"rows": _heads(rows, top, height), "columns": _heads(columns, left, width)}
    numbered = len(columns) <= MOST_NUMBERED
    drawn = {"cells": cells, "cell": (_round(width), _round(height)), "numbered": numbered}
    return {**_chart("heat", title, text, None, None), **frame, **heads, **drawn}


def _share_label(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".removeprefix("0")


def pairs_chart(dice: Sequence[Sequence[float | None]], text: str, numbers: Sequence[str]) -> Chart:
    """Return the Dice of each two raters, without that of each with themselves."""
    others = [[None if i == j else value for j, value in enumerate(row)] for i, row in enumerate(dice)]
    return heat_chart(others, numbers, numbers, "Dice of each two raters", text)


def _heads(names: Sequence[str], start: float, step: float) -> list[dict[str, Any]]:
    """Return the names along a side; of many every second, third, ... one."""
    every = -(-len(names) // 30)
    return [
        {"text": name, "at": _round(start + (k + 0.5) * step)}
        for k, name in enumerate(names)
        if k % every == 0
    ]


def fit_chart(observed: Sequence[float], models: dict[str, Sequence[float]], text: str) -> Chart:
    """Return the voxels by number of marks: bars for those that there are, a marker for what each model expects."""
    counts = [value for row in (observed, *models.values()) for value in row if value >= 1]
    low, high = 0.0, max(1.0, math.log10(max(counts, default=10.0)) * 1.05)
    y = _linear(low, high, BOTTOM, TOP)
    step = (RIGHT - LEFT) / len(observed)
    every = -(-len(observed) // 12)

    def height(value: float) -> float:
        return _round(y(max(math.log10(value), low))) if value >= 1 else float(BOTTOM)

    def middle(place: int) -> float:
        return _round(LEFT + (place + 0.5) * step)

    bars = [
        {
            "x": _round(LEFT + (k + 0.15) * step),
            "y": height(value),
            "width": _round(0.7 * step),
            "height": _round(BOTTOM - height(value)),
        }
        for k, value in enumerate(observed)
    ]
    series = [
        {
            "name": name,
            "colour": (4, 5, 2, 6)[number % 4],
            "shape": number % SHAPES,
            "points": [{"x": middle(k), "y": height(value)} for k, value in enumerate(expected)],
        }
        for number, (name, expected) in enumerate(models.items())
    ]
    x_ticks = [{"at": middle(k), "label": str(k)} for k in range(0, len(observed), every)]
    y_ticks = [{"at": _round(y(k)), "label": f"{10**k:,}"} for k in range(int(high) + 1)]
    axes = ({"title": "raters who mark", "ticks": x_ticks}, {"title": "", "ticks": y_ticks})
    return _chart("bars", "Voxels by number of marks", text, *axes, bars=bars, series=series)


def line_chart(values: Sequence[float], title: str, text: str, names: tuple[str, str]) -> Chart:
    """Return values one after the other, from 1 on."""
    low, high = min(values), max(values)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    x, y = _linear(1, max(len(values), 2), LEFT, RIGHT), _linear(low, high, BOTTOM, TOP + 8)
    points = " ".join(f"{_round(x(k + 1))},{_round(y(value))}" for k, value in enumerate(values))
    x_ticks = [one for one in ticks_between(1, max(len(values), 2)) if one == int(one) and one >= 1]
    axes = _axis(names[0], x_ticks, x), _axis(names[1], ticks_between(low, high), y)
    return _chart("line", title, text, *axes, points=points)


def spread_chart(values: Sequence[float], title: str, text: str, names: tuple[str, str]) -> Chart:
    """Return values that are sorted as points, one after the other."""
    low, high = min(values), max(values)
    margin = max((high - low) * 0.08, 0.01)
    low, high = max(low - margin, 0.0) if low >= 0 else low - margin, high + margin
    x, y = _linear(0.5, len(values) + 0.5, LEFT, RIGHT), _linear(low, high, BOTTOM, TOP)
    points = [_point(x(k), y(value)) for k, value in enumerate(values, start=1)]
    x_ticks = [one for one in ticks_between(0.5, len(values) + 0.5) if one == int(one)]
    axes = _axis(names[0], x_ticks, x), _axis(names[1], ticks_between(low, high), y)
    return _chart("points", title, text, *axes, points=points, diagonal=None)


def curve_chart(
    values: Sequence[tuple[float, float]], title: str, text: str, names: tuple[str, str]
) -> Chart:
    """Return pairs of shares as points, with the diagonal on which both are the same."""
    x, y = _linear(0, 1, LEFT, RIGHT), _linear(0, 1, BOTTOM, TOP)
    points = [_point(x(one), y(other)) for one, other in values]
    axes = _axis(names[0], ticks_between(0, 1), x), _axis(names[1], ticks_between(0, 1), y)
    return _chart("points", title, text, *axes, points=points, diagonal=f"M{LEFT},{BOTTOM}L{RIGHT},{TOP}")


def _point(x: float, y: float) -> dict[str, float]:
    return {"x": _round(x), "y": _round(y)}
