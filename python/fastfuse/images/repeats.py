"""Files that are one image, and so one rater."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ImageError
from ..inputs.names import joined
from .paths import shown

PAIRS = ((".hdr", ".img"), (".head", ".brik"))  # header and voxels of Analyze, NIfTI and AFNI
PACKED = (".gz", ".bz2", ".zst")
NUMBERS = {2: "two", 3: "three", 4: "four"}
NETWORK = ".npz"
SEGMENTATIONS = (".nii.gz", ".nii", ".nrrd", ".mha")
ONE_IMAGE = "the header and the voxels of one image"
OF_NETWORK = "a network's probabilities and the segmentation made of them"


def check_pairs(paths: Sequence[Path]) -> None:
    """Refuse the two files of one image, and a network's probabilities with the segmentation made of them.

    Raises
    ------
    ImageError
        Naming both.
    """
    seen: dict[tuple[Path, str], tuple[str, Path]] = {}
    for path in paths:
        for stem, what, part in _parts(path):
            other, first = seen.setdefault((stem, what), (part, path))
            if other != part:
                raise ImageError(
                    f"{shown(path)} and {shown(first)} are {what}, so one rater: name one of them"
                )


def repeated(paths: Sequence[Path]) -> list[str]:
    """Say which file counts as several raters."""
    files: dict[tuple[int, int], list[Path]] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:  # reading will tell
            continue
        files.setdefault((status.st_dev, status.st_ino), []).append(path)
    return [
        f"{_as_subject([shown(path) for path in one])} one file: it counts as {NUMBERS.get(len(one), len(one))} raters"
        for one in files.values()
        if len(one) > 1
    ]


def _as_subject(names: Sequence[str]) -> str:
    if len(set(names)) == 1:
        times = "twice" if len(names) == 2 else f"{NUMBERS.get(len(names), len(names))} times"
        return f"{names[0]}, given {times}, is"
    return f"{joined(names)} are"


def _parts(path: Path) -> list[tuple[Path, str, str]]:
    """Return what a file may be a part of: where that lies without an ending, its kind, and which part."""
    try:
        whole = path.resolve()
    except (OSError, RuntimeError):  # links that lead in a circle: reading will tell
        return []
    name = whole.name.lower()
    endings = [(part + packed, part) for pair in PAIRS for part in pair for packed in ("", *PACKED)]
    found = [
        (whole.with_name(whole.name[: -len(end)] + "."), ONE_IMAGE, part)
        for end, part in endings
        if name.endswith(end)
    ]
    for end in (NETWORK, *SEGMENTATIONS):
        if name.endswith(end):
            part = NETWORK if end == NETWORK else "segmentation"
            found.append((whole.with_name(whole.name[: -len(end)] + "."), OF_NETWORK, part))
            break
    return found
