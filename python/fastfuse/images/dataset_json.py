"""Labels and regions by name, from the dataset.json that nnU-Net copies beside its predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .formats.segments import Segment, fitting
from .paths import shown

NAME = "dataset.json"
NO_REGIONS = ("background", "ignore")
MOST_BYTES = 1 << 24


def regions_of(folder: Path, count: int) -> dict[str, tuple[int, ...]]:
    """Return the dataset's regions and their labels, in the order of the channels; nothing if it does not tell."""
    return regions_in(folder / NAME, count)


def regions_in(path: Path, count: int) -> dict[str, tuple[int, ...]]:
    """Return the regions of a dataset.json and their labels, in the order of the channels; nothing if it does not tell."""
    found = _labels_of(path, without=NO_REGIONS)
    return found if len(found) == count else {}


def segments_of(path: Path) -> dict[Segment, tuple[int, ...]]:
    """Return the segments, and the labels of each, by the dataset.json beside a file, or above its folder labelsTr.

    Label 0 is background, whatever it is called, and no segment.
    """
    found = next((labels for labels in map(_named_labels, _folders(path)) if labels), {})
    return {
        Segment(name, labels[0]): labels for name, labels in found.items() if any(labels) and name.strip()
    }


def faults_beside(path: Path) -> list[str]:
    """Say which dataset.json beside a file, or above its folder labelsTr, cannot be used, and why."""
    return [told for folder in _folders(path) if (told := fault_of(folder / NAME))]


def fault_of(path: Path) -> str:
    """Say why a dataset.json cannot be used; nothing if it can, or is not there."""
    found = _loaded(path)
    return f"{shown(path)} {found}" if isinstance(found, str) else ""


def painting_of(path: Path) -> tuple[int, ...] | None:
    """Return the labels that a dataset.json paints regions with, in their order; None where it has no such order."""
    order = _content(path).get("regions_class_order")
    return _integers(order) if isinstance(order, list) and order else None


def has_regions(path: Path) -> bool:
    """Tell a dataset.json of regions from one of classes as nnU-Net does: some name has several labels."""
    return any(len(held) > 1 for held in _labels_of(path, without=()).values())


def labels_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the labels of each name of a dataset.json, the background's too, without what is ignored."""
    return {
        name.strip(): held
        for name, held in _labels_of(path, without=("ignore",)).items()
        if held and name.strip()
    }


def names_in(path: Path) -> dict[int, str]:
    """Return the name of each label of a dataset.json, the background's too; of regions, those of one label."""
    return {
        held[0]: name.strip()
        for name, held in _labels_of(path, without=()).items()
        if len(held) == 1 and name.strip() and name.lower() != "ignore"
    }


def labels_called(segments: dict[Segment, tuple[int, ...]], names: Sequence[str]) -> tuple[int, ...]:
    """Return the labels of the segments of these names; nothing if one has no such name, or two have."""
    found: list[int] = []
    for name in names:
        called = fitting(segments, name)
        if len(called) != 1:
            return ()
        found += segments[called[0]]
    return tuple(dict.fromkeys(found))


def files_for(path: Path) -> list[Path]:
    """Return the dataset.json that name a file's labels."""
    return [folder / NAME for folder in _folders(path) if (folder / NAME).is_file()]


def _folders(path: Path) -> list[Path]:
    """Return where the dataset.json of a file may lie."""
    above = path.parent.name.lower().startswith("labels")
    return [path.parent, *([path.parent.parent] if above else [])]


def _named_labels(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the labels of each name, without the background. Version 1 of nnU-Net lists a name for each label."""
    return _labels_of(folder / NAME, without=NO_REGIONS)


def _labels_of(path: Path, without: Sequence[str]) -> dict[str, tuple[int, ...]]:
    labels = _content(path).get("labels")
    if not isinstance(labels, dict):
        return {}
    if labels and all(_is_number(label) and isinstance(name, str) for label, name in labels.items()):
        labels = {name: int(label) for label, name in labels.items()}
    return {
        name: _integers(held)
        for name, held in labels.items()
        if name.lower() not in without and name.isprintable()
    }


def _content(path: Path) -> dict[str, Any]:
    """Return what a dataset.json holds; nothing if it cannot be read."""
    found = _loaded(path)
    return {} if isinstance(found, str) else found


def _loaded(path: Path) -> dict[str, Any] | str:
    """Return what a dataset.json holds, or why it cannot be used; an empty one if there is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return "is too long to be one"
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except RecursionError:
        return "is nested too deeply"
    except UnicodeDecodeError:
        return "is no text in UTF-8"
    except ValueError as error:
        return f"is no JSON ({error})"
    return found if isinstance(found, dict) else f"holds a {type(found).__name__}, and no names of labels"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _integers(held: Any) -> tuple[int, ...]:
    """Return the labels of a region; nothing if they are no integers."""
    listed = held if isinstance(held, list) else [held]
    whole = all(isinstance(label, int) and not isinstance(label, bool) for label in listed)
    return tuple(listed) if whole else ()
