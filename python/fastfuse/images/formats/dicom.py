"""Reads DICOM segmentations, and contours, by pydicom: each segment is chosen by its number or its name.

pydicom alone is enough: the frames are placed by the positions that they give, and checked to lie on one lattice.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError, installing, reason_of
from ...inputs.names import bytes_behind, counted
from ..channels import Held
from ..checks import check_memory
from ..image import Image
from ..paths import remark_on, shown
from ..wanted import Wanted
from .contours.drawn import drawn
from .contours.structure_set import STRUCTURES, structures_in
from .dicom_lattice import Lattice, group_of, lattice_of
from .endings import DICOM_SUFFIXES, is_dicom
from .quiet import quiet
from .segments import BACKGROUND, SWITCH, Segment, absent, filled_axes, named, names_of

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"


def read_dicom(path: Path, wanted: Wanted) -> Image:
    """Read the segments that are asked for; slices that the file leaves out are empty. Contours are drawn on a grid."""
    try:
        import pydicom
    except ImportError:
        raise ImageError(f"{shown(path)}: reading it needs pydicom: {installing('dicom')}") from None
    with quiet():  # pydicom warns of values that DICOM forbids, and that are checked here where they matter
        try:
            check_memory(path, 2 * path.stat().st_size)
            found = pydicom.dcmread(path)
            if str(found.get("SOPClassUID", "")) != STRUCTURES:
                return _image(path, found, wanted)
            structures = structures_in(path, found, wanted)
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # of many kinds
            raise ImageError(
                f"{shown(path)}: cannot be read as a DICOM segmentation ({shown(_why(error))}); is it complete?"
            ) from error
    # Outside quiet(), whose lock in the shell another thread may need that reads the file of the grid.
    return drawn(path, structures, wanted)


def is_structure_set(path: Path) -> bool:
    """Tell an RT Structure Set, which holds contours; a file that is not there, or damaged, is none."""
    with quiet(), suppress(Exception):  # of many kinds; reading tells
        import pydicom

        if path.name.lower().endswith(DICOM_SUFFIXES) or is_dicom(path):
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return str(found.get("SOPClassUID", "")) == STRUCTURES
    return False


def maker_of(path: Path) -> str:
    """Return the manufacturer that a DICOM file names."""
    import pydicom

    found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Manufacturer"])
    return str(found.get("Manufacturer", "")).strip()


def _why(error: Exception) -> str:
    """Return why pydicom failed, with an element that is lacking by its name."""
    from pydicom.datadict import keyword_for_tag

    if isinstance(error, (EOFError, struct.error)):
        return "it ends in the middle of an element"
    if type(error).__name__ == "InvalidDicomError":
        return "it does not begin as DICOM files do, with DICM at byte 128"
    if isinstance(error, KeyError) and error.args:
        return f"it lacks {keyword_for_tag(error.args[0]) or error.args[0]}"
    lacking = re.search(r"no attribute '(\w+)'", str(error))
    return f"it lacks {lacking[1]}" if lacking else reason_of(error)


def _image(path: Path, found: Any, wanted: Wanted) -> Image:
    kind = str(found.get("SOPClassUID", ""))
    if not kind:
        raise ImageError(f"{shown(path)}: it does not say what it is (SOPClassUID); is it complete?")
    if kind not in (SEGMENTATION, LABEL_MAP):
        what = str(found.get("Modality", "")) or "unknown"
        raise ImageError(
            f"{shown(path)}: it is DICOM of modality {shown(what)[:20]}, and no segmentation (SEG, RTSTRUCT): a rater's is "
            "saved as SEG, RTSTRUCT or NIfTI; of an image, make NIfTI of its whole series by dcm2niix or 3-D Slicer"
        )
    if "PixelData" not in found:
        raise ImageError(
            f"{shown(path)}: it holds no voxels (PixelData), which stand at its end; is it complete?"
        )
    segments = _segments(path, found)
    lattice = lattice_of(path, found)
    _check_frames(path, found, lattice, {one.label for one in segments} if kind == SEGMENTATION else set())
    count = len(lattice.places)
    doubt, lacks = _check_length(path, found, lattice), ""
    check_memory(
        path, 3 * count * lattice.rows * lattice.columns + 6 * int(np.prod(lattice.shape, dtype=object))
    )
    frames = np.reshape(found.pixel_array, (count, lattice.rows, lattice.columns))
    if kind == LABEL_MAP:
        data, is_channel = _of_label_map(path, frames, lattice, segments, wanted)
        lacks = absent(path, frames, (), segments, wanted.foreground.segments)
    else:
        data, is_channel = _of_frames(path, found, frames, lattice, segments, wanted)
    return Image(
        path,
        data,
        lattice.affine,
        remark=remark_on(path, [doubt, lacks]),
        segments=tuple(segments),
        is_channel=is_channel,
        held=_held(found, frames, lattice, segments, wanted) if is_channel else None,
        fills=_fills(frames, lattice),
        frame=str(found.get("FrameOfReferenceUID", "")).strip(),
    )


def _check_length(path: Path, found: Any, lattice: Lattice) -> str:
    """Return a doubt about voxels that are followed by more bytes; refuse those that Rows, Columns or frames may not fit.

    Another number of rows, columns or frames shifts every voxel behind the first frame. Packed frames tell their size.
    """
    count, rows, columns = len(lattice.places), lattice.rows, lattice.columns
    told = int(found.get("NumberOfFrames") or 1)
    if told != count:
        raise ImageError(
            f"{shown(path)}: its NumberOfFrames is {told}, but it gives the places of {counted(count, 'frame')}; write it again"
        )
    if found.file_meta.TransferSyntaxUID.is_encapsulated:
        return ""
    bits = int(found.BitsAllocated)
    needed = -(-count * rows * columns * bits // 8)
    surplus = len(found.PixelData) - needed - needed % 2
    if surplus <= 0:
        return ""
    what = f"{bytes_behind(surplus)} of {counted(count, 'frame')} of {rows} × {columns} pixels"
    if 8 * surplus < bits * min(count * rows, count * columns, rows * columns):
        return what
    raise ImageError(
        f"{shown(path)}: {what}: its Rows, Columns, NumberOfFrames or BitsAllocated must be wrong; write it again with those of "
        "its frames"
    )


def _check_frames(path: Path, found: Any, lattice: Lattice, described: set[int]) -> None:
    """Refuse a frame of a segment that is not described, and two of one segment at one place: one lies elsewhere.

    ``described``: the segments' numbers; none of a label map, whose frames are of no segment.
    """
    numbers = [0] * len(lattice.places) if str(found.SOPClassUID) == LABEL_MAP else _numbers(found)
    unknown = next((number for number in numbers if number not in (described or {0})), None)
    if unknown is not None:
        raise ImageError(
            f"{shown(path)}: its frame {numbers.index(unknown) + 1} belongs to segment {unknown}, which SegmentSequence does "
            "not describe; write it again"
        )
    seen: dict[tuple[int, int], int] = {}
    for frame, at in enumerate(zip(numbers, map(int, lattice.places), strict=True), start=1):
        other = seen.setdefault(at, frame)
        if other != frame:
            of = f" of segment {at[0]}" if at[0] else ""
            raise ImageError(
                f"{shown(path)}: its frames {other} and {frame}{of} lie at one place (ImagePositionPatient): write it again "
                "with the place of each"
            )


def _type_of(path: Path, found: Any) -> str:
    """Return BINARY or FRACTIONAL; refuse another type."""
    kind = str(found.get("SegmentationType", "BINARY"))
    if kind not in ("BINARY", "FRACTIONAL"):
        raise ImageError(
            f"{shown(path)}: its SegmentationType is {shown(kind)[:20]}: it must be BINARY, FRACTIONAL, or LABELMAP in a "
            "label map segmentation"
        )
    return kind


def _fills(frames: NDArray[Any], lattice: Lattice) -> tuple[bool, ...]:
    """Tell along which axes what all segments mark reaches both ends, as :func:`filled_axes`."""
    marked = lattice.places[frames.any(axis=(1, 2))]
    along = marked.size > 0 and marked.min() <= 1 and marked.max() >= lattice.places.max() - 1
    return (*filled_axes(frames.transpose(2, 1, 0), across=[2])[:2], bool(along))


def _segments(path: Path, found: Any) -> list[Segment]:
    described = [
        Segment(str(one.get("SegmentLabel", "")), int(one.SegmentNumber))
        for one in found.get("SegmentSequence", [])
    ]
    if not described:
        raise ImageError(f"{shown(path)}: it names no segments; is it complete?")
    _check_numbers(path, described, of_label_map=str(found.SOPClassUID) == LABEL_MAP)
    return [one for one in described if one.label != BACKGROUND]


def _check_numbers(path: Path, described: Sequence[Segment], *, of_label_map: bool) -> None:
    """Refuse a number of two segments, and 0, which is the background of a label map (PS3.3 C.8.20.2.4).

    Gaps stay, which the standard forbids: programs leave them where they take a segment out, and each frame still tells
    its segment.
    """
    at: dict[int, Segment] = {}
    for one in described:
        if one.label < BACKGROUND or (one.label == BACKGROUND and not of_label_map):
            raise ImageError(
                f"{shown(path)}: the SegmentNumber of its segment {one.name!r} is {one.label}, and numbers begin at 1: number its "
                "segments from 1 on, in SegmentSequence and in the frames (ReferencedSegmentNumber)"
            )
        other = at.setdefault(one.label, one)
        if other is not one:
            raise ImageError(
                f"{shown(path)}: its segments {other.name!r} and {one.name!r} both have SegmentNumber {one.label}, so that no frame "
                "is that of one alone: give each its own number"
            )


def _of_label_map(
    path: Path, frames: NDArray[Any], lattice: Lattice, segments: list[Segment], wanted: Wanted
) -> tuple[NDArray[Any], bool]:
    """Return the labels, or the mask of the segments that are named, and whether it is that."""
    volume = np.zeros(lattice.shape, frames.dtype, order="F")
    for frame, place in zip(frames, lattice.places, strict=True):
        volume[:, :, place] = frame.T
    names = wanted.foreground.segments
    if not names:
        return volume, False
    labels = [one.label for one in named(path, segments, names)]
    return np.isin(volume, labels).astype(np.uint8), True


def _of_frames(
    path: Path, found: Any, frames: NDArray[Any], lattice: Lattice, segments: list[Segment], wanted: Wanted
) -> tuple[NDArray[Any], bool]:
    """Return the union of the segments that are asked for, or a label map of all, and whether it is votes already.

    Fractions that are to be binarized are none yet.
    """
    numbers = _numbers(found)
    fractional = _type_of(path, found) == "FRACTIONAL"
    foreground = wanted.foreground
    if foreground.segments:
        taken = [one.label for one in named(path, segments, foreground.segments)]
    elif foreground.labels and wanted.is_rater:
        taken = _numbered(path, segments, foreground.labels)
    else:
        taken = [one.label for one in segments]
        if len(taken) > 1 and not foreground.binarize:
            return _labelled(path, frames, numbers, lattice, segments, fractional=fractional), False
    volume = np.zeros(lattice.shape, np.float32 if fractional else np.uint8, order="F")
    most = float(found.get("MaximumFractionalValue", 255)) if fractional else 1.0
    for frame, place, number in zip(frames, lattice.places, numbers, strict=True):
        if number in taken:
            votes = frame.T / np.float32(most) if fractional else (frame.T != 0).astype(np.uint8)
            np.maximum(volume[:, :, place], votes, out=volume[:, :, place])
    return volume, not (fractional and foreground.binarize)


def _held(
    found: Any, frames: NDArray[Any], lattice: Lattice, segments: list[Segment], wanted: Wanted
) -> Held | None:
    """Return the labels that were taken; None if a segment may be any structure: the only one, and any that overlaps."""
    if len(segments) < 2 or not (wanted.foreground.labels and wanted.is_rater):
        return None
    half = float(found.get("MaximumFractionalValue", 255)) / 2 if found.BitsAllocated > 1 else 0.5
    marked = np.zeros((lattice.shape[2], lattice.rows, lattice.columns), bool)
    for frame, place in zip(frames, lattice.places, strict=True):
        if (marked[place] & (frame > half)).any():
            return None
        marked[place] |= frame > half
    return Held(wanted.foreground.labels)


def _numbered(path: Path, segments: list[Segment], labels: Sequence[int]) -> list[int]:
    """Return these labels; refuse the first that no segment has."""
    for label in labels:
        if all(one.label != label for one in segments):
            raise ImageError(f"{shown(path)}: there is no segment {label}; it holds {names_of(segments)}")
    return list(labels)


def _labelled(
    path: Path,
    frames: NDArray[Any],
    numbers: Sequence[int],
    lattice: Lattice,
    segments: list[Segment],
    *,
    fractional: bool,
) -> NDArray[Any]:
    """Return a map of all segments' numbers; refuse soft segments, and those that overlap."""
    names = names_of(segments)
    remedy = f"choose one with {SWITCH}, or select_label=K (--select-label K)"
    if fractional:
        raise ImageError(f"{shown(path)}: it holds {len(segments)} soft segments, {names}: {remedy}")
    volume = np.zeros(lattice.shape, np.uint16, order="F")
    for frame, place, number in zip(frames, lattice.places, numbers, strict=True):
        marked, slice_ = frame.T != 0, volume[:, :, place]
        if np.any(slice_[marked] != 0):
            raise ImageError(f"{shown(path)}: its segments overlap, {names}: {remedy}")
        slice_[marked] = number
    return volume


def _numbers(found: Any) -> list[int]:
    """Return the segment of each frame."""
    return [
        int(group_of(found, frame, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        for frame in found.PerFrameFunctionalGroupsSequence
    ]
