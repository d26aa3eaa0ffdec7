"""The structures of a DICOM RT Structure Set (PS3.3 C.8.8.5, C.8.8.6): their names, and the points of their contours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import ImageError
from ....inputs.names import counted, enumerated
from ...paths import shown
from ...wanted import Wanted
from ..segments import Segment, named, names_of

STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
NOT_CLOSED = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
LEAST = 3  # points of a contour that encloses anything
TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Contours:
    """The closed contours of one structure.

    Attributes
    ----------
    points : ndarray of float64, shape (n, 3)
        In mm, RAS+; those of a contour follow each other.
    sizes, places : ndarray of intp
        Number of points of each contour, and its place among all of the structure, from 1 on.
    left_out : mapping of str to int
        Number of contours that enclose nothing, by what they are.
    """

    points: NDArray[np.float64]
    sizes: NDArray[np.intp]
    places: NDArray[np.intp]
    left_out: Counter[str]


@dataclass(frozen=True)
class Structures:
    """What a job takes of a file.

    Attributes
    ----------
    segments : tuple of Segment
        All structures of the file, with their ROINumber as label.
    taken : mapping of Segment to Contours
        Those that are asked for; all, if none are.
    together : bool
        Whether they are one mask, and not a map of their numbers.
    frame : str
        Frame of reference; empty if the file names none.
    """

    segments: tuple[Segment, ...]
    taken: dict[Segment, Contours]
    together: bool
    frame: str


def structures_in(path: Path, found: Any, wanted: Wanted) -> Structures:
    """Return the structures that are asked for."""
    segments = _structures(path, found)
    taken, together = _taken(path, segments, wanted)
    items = _items(path, found, segments)
    contours = {one: _contours(path, one, items.get(one.label)) for one in taken}
    return Structures(tuple(segments), contours, together, _frame(path, found, taken))


def _taken(path: Path, segments: list[Segment], wanted: Wanted) -> tuple[list[Segment], bool]:
    """Return the structures that are asked for, all if none are, and whether they are one mask together."""
    foreground = wanted.foreground
    if foreground.segments:
        return list(dict.fromkeys(named(path, segments, foreground.segments))), True
    if foreground.labels and wanted.is_rater:
        known = {one.label: one for one in segments}
        unknown = next((label for label in foreground.labels if label not in known), None)
        if unknown is not None:
            raise ImageError(f"{shown(path)}: there is no segment {unknown}; it holds {names_of(segments)}")
        return [known[label] for label in foreground.labels], True
    return segments, len(segments) == 1 or foreground.binarize


def _structures(path: Path, found: Any) -> list[Segment]:
    """Return all structures; refuse one number of two."""
    segments = [
        Segment(str(one.get("ROIName") or ""), int(one.ROINumber))
        for one in found.get("StructureSetROISequence") or []
    ]
    if not segments:
        raise ImageError(f"{shown(path)}: it names no structures (StructureSetROISequence); is it complete?")
    at: dict[int, Segment] = {}
    for one in segments:
        other = at.setdefault(one.label, one)
        if other is not one:
            raise ImageError(
                f"{shown(path)}: its segments {other.name!r} and {one.name!r} both have ROINumber {one.label}, so that no contour is "
                "that of one alone: give each its own number"
            )
    return segments


def _frame(path: Path, found: Any, taken: Sequence[Segment]) -> str:
    """Return the frame of reference of structures; nothing if the file names none; refuse several."""
    labels = {one.label for one in taken}
    frames: dict[str, str] = {}
    for one in found.StructureSetROISequence:
        frame = str(one.get("ReferencedFrameOfReferenceUID") or "").strip()
        if frame and int(one.ROINumber) in labels:
            frames.setdefault(frame, str(one.get("ROIName") or ""))
    if len(frames) > 1:
        raise ImageError(
            f"{shown(path)}: its segments {enumerated(list(map(repr, frames.values())))} lie in different frames of reference "
            "(ReferencedFrameOfReferenceUID): choose those of one"
        )
    return next(iter(frames), str(found.get("FrameOfReferenceUID") or "").strip())


def _items(path: Path, found: Any, segments: Sequence[Segment]) -> dict[int, Any]:
    """Return what the file holds of each structure's contours, by its number; refuse those of none, and two of one."""
    if not found.get("ROIContourSequence"):  # also where the file ends right behind its name
        raise ImageError(f"{shown(path)}: it holds no contours (ROIContourSequence); is it complete?")
    items: dict[int, Any] = {}
    known = {one.label for one in segments}
    for item in found.ROIContourSequence:
        number = int(item.ReferencedROINumber)
        if number not in known:
            raise ImageError(
                f"{shown(path)}: it has contours of ROI {number}, which StructureSetROISequence does not describe; write it again"
            )
        if items.setdefault(number, item) is not item:
            raise ImageError(
                f"{shown(path)}: it has two lists of contours of ROI {number} (ROIContourSequence): write it again with one"
            )
    return items


def _contours(path: Path, segment: Segment, item: Any) -> Contours:
    """Return the contours of a structure; ``item`` is None where the file holds none of it.

    Raises
    ------
    ImageError
        If one is damaged: naming the file, the structure and the contour.
    """
    texts, sizes, places, left_out = [], [], [], Counter[str]()
    for place, contour in enumerate(item.get("ContourSequence") or () if item is not None else (), start=1):
        kind = str(contour.ContourGeometricType)
        if kind in NOT_CLOSED:
            left_out[kind] += 1
            continue
        what = f"contour {place} of its segment {segment.name!r}"
        if kind not in CLOSED:
            raise ImageError(
                f"{shown(path)}: {what} is of type {shown(kind)[:20]} (ContourGeometricType), which is not known"
            )
        text = _coordinates(contour)
        size = _size(path, what, text, contour)
        if size < LEAST:
            left_out["fewer than three points"] += 1
            continue
        texts.append(text)
        sizes.append(size)
        places.append(place)
    points = _points(path, segment, texts)
    return Contours(points * TO_RAS, np.array(sizes, np.intp), np.array(places, np.intp), left_out)


def _coordinates(contour: Any) -> bytes:
    """Return the coordinates as they are written: pydicom's own numbers take many times as long."""
    held = contour.get_item("ContourData")
    value: Any = None if held is None else held.value
    if isinstance(value, bytes):
        return value.rstrip(b"\0 ")
    parts = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return b"\\".join(str(part).encode() for part in parts if part is not None)


def _size(path: Path, what: str, text: bytes, contour: Any) -> int:
    """Return how many points a contour has; refuse another number than it tells."""
    numbers = text.count(b"\\") + 1 if text else 0
    if numbers % 3:
        raise ImageError(
            f"{shown(path)}: {what} holds {counted(numbers, 'number')} (ContourData), and a point has three; is it complete?"
        )
    told = contour.get("NumberOfContourPoints")
    if told is not None and int(told) != numbers // 3:
        raise ImageError(
            f"{shown(path)}: {what} holds {counted(numbers // 3, 'point')}, and its NumberOfContourPoints is {int(told)}; is it complete?"
        )
    return numbers // 3


def _points(path: Path, segment: Segment, texts: Sequence[bytes]) -> NDArray[np.float64]:
    """Return the points of all contours; refuse what is no number."""
    parts = b"\\".join(texts).split(b"\\") if texts else []
    try:
        points = np.array(parts, dtype="S").astype(np.float64).reshape(-1, 3)
    except ValueError:
        points = np.array([_number(part) for part in parts]).reshape(-1, 3)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        text = b", ".join(parts[3 * int(bad[0]) : 3 * int(bad[0]) + 3]).decode("ascii", "replace")
        raise ImageError(
            f"{shown(path)}: a point of its segment {segment.name!r} is ({shown(text)[:80]}), and not three numbers; write it again"
        )
    return points


def _number(part: bytes) -> float:
    try:
        return float(part)
    except ValueError:
        return float("nan")
