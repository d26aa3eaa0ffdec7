"""Files that are one image or hold the same, and so are one rater, or that fastfuse wrote and are no rater's."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.names import joined
from .formats.segments import fitting
from .paths import recorded, shown
from .sidecar import sidecar_path
from .written.endings import CONSENSUS, DICOM, MADE_HERE, OF_CONSENSUS, SEGMENTS

if TYPE_CHECKING:
    from .image import Image

# What the header of a consensus says that fastfuse wrote; soft masks and the demo's raters are described otherwise.
LESIONS = "1 found, 2 missed, 3 false lesion"  # what the header of a map of lesions says
OURS = re.compile(r"fastfuse (demo Consensus|.* (probability|votes|labels|confidence|cut \S+)$)")
OF_ALL_RATERS = re.compile(rf"{CONSENSUS}|marked by \d+ of \d+")  # segments that are no rater's
MOST_HEADER = 1 << 20  # bytes; what a file says of who wrote it stands within
MOST_SIDECAR = 1 << 22  # bytes; a longer JSON is none of ours
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
    """Say which file is given as several raters; how often it counts, methods know."""
    files: dict[Hashable, list[Path]] = {}
    for path in paths:
        files.setdefault(identity_of(path), []).append(path)
    found: list[str] = []
    again: dict[int, list[str]] = {}  # by how often, the files that are given so often by one name
    for names in ([shown(path) for path in one] for one in files.values() if len(one) > 1):
        if len(set(names)) == 1:
            again.setdefault(len(names), []).append(names[0])
        else:
            found.append(
                f"{joined(names)} are one file: it is given as {_number(len(names))} raters; leave copies out"
            )
    return [*(_given_again(names, times) for times, names in again.items()), *found]


def identity_of(path: Path) -> Hashable:
    """Return what tells a file, whatever it is called."""
    try:
        status = path.stat()
    except OSError:  # reading will tell
        return str(path)
    return status.st_dev, status.st_ino


def mask_among(paths: Sequence[Path], mask: Path | None) -> list[str]:
    """Say which rater's file is the mask's."""
    if mask is None:
        return []
    found = [shown(path) for path in paths if _is(path, mask)]
    return [f"{name} is the mask, too: leave it out of the raters" for name in dict.fromkeys(found)]


def same_content(path: Path, values: NDArray[Any], other: Path, others: NDArray[Any]) -> bool:
    """Tell whether two files hold the same values; one file that is named twice is none of these."""
    return _several_files([path, other]) and np.array_equal(values, others)


def _several_files(paths: Sequence[Path]) -> bool:
    """Tell files from one that is named several times, of which :func:`repeated` tells."""
    return len(set(map(identity_of, paths))) > 1


def _given_again(names: Sequence[str], times: int) -> str:
    """Say which files are given several times."""
    often = "twice" if times == 2 else f"{_number(times)} times"
    if len(names) == 1:
        return f"{names[0]}, given {often}, is one file: it is given as {_number(times)} raters; leave copies out"
    return f"{joined(names)}, given {often} each, are one file each: each is given as {_number(times)} raters; leave copies out"


def _number(number: int) -> str:
    return NUMBERS.get(number, str(number))


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


def own_outputs(images: Sequence[Image], *, selects: bool, chosen: Sequence[str] = ()) -> list[str]:
    """Say which raters' files are consensus files, or maps of lesions, that fastfuse wrote.

    ``chosen``: names of segments that are taken of files that name theirs; a rater's own is no consensus.

    Raises
    ------
    ImageError
        For one that holds other numbers than votes, such as counts and kinds of lesions, unless labels or the like are chosen.
    """
    remarks = []
    for image in images:
        lesions = _description(image) == LESIONS
        facts = {} if lesions else _sidecar_that_lists(image.path)
        known = lesions or OURS.match(_description(image)) or facts or made_here(image.path)
        if not known or _is_of_one_rater(facts) or _is_of_a_rater(image, chosen):
            continue
        what = "map of found, missed and false lesions" if lesions else _kind(image, facts)
        told = f"is a {what} that fastfuse wrote, not a rater's: leave it out, or give it a name that no pattern for raters takes"
        if not selects and image.data.max(initial=0) > 1:
            raise ImageError(f"{shown(image.path)}: it {told}")
        remarks.append(f"{shown(image.path)} {told}")
    return remarks + _grown_of_others(images)


def _kind(image: Image, facts: dict[str, Any]) -> str:
    """Return which output of a fusion an image is, by its header or the sidecar that lists it."""
    told = _description(image) if OURS.match(_description(image)) else ""
    role = next(
        (what for what, name in facts.get("outputs", {}).items() if name == recorded(image.path.name)), ""
    )
    if told.endswith(" votes") or role == "counts":
        return "count of raters' marks"
    return (
        "map of a consensus's confidence"
        if told.endswith(" confidence") or role == "confidence"
        else "consensus"
    )


def _grown_of_others(images: Sequence[Image]) -> list[str]:
    """Say which files are soft masks that fastfuse grew of a mask beside them."""
    remarks = []
    for image in images:
        facts = _sidecar(image.path)
        if facts.get("method") == "conditional-dilation" and facts.get("output") == recorded(image.path.name):
            grown_of = [one.path for one in images if one is not image and _is(one.path, facts.get("mask"))]
            remarks += [
                f"{shown(image.path)} is {shown(path)}, grown: they count as two raters; leave one of both out"
                for path in grown_of
            ]
    return remarks


def _is(path: Path, name: Any) -> bool:
    """Tell a file by its path, or by the name that a sidecar gives it."""
    with suppress(OSError, ValueError, TypeError):
        return recorded(path) == name or path.samefile(name)
    return False


def _description(image: Image) -> str:
    """Return what a NIfTI header says of its content."""
    try:
        return bytes(image.header["descrip"].tobytes()).rstrip(b"\0 ").decode("ascii", "replace")
    except (KeyError, TypeError, ValueError, AttributeError):  # another format, or none
        return ""


def _sidecar_that_lists(path: Path) -> dict[str, Any]:
    """Return the JSON beside a file if it says that a fusion wrote the file; nothing otherwise."""
    facts = _sidecar(path)
    return facts if _writes(facts, path) else {}


def _sidecar(path: Path) -> dict[str, Any]:
    """Return the JSON beside a file if it is fastfuse's; nothing otherwise."""
    if not path.name.lower().endswith(OF_CONSENSUS):
        return {}
    sidecar = sidecar_path(path)
    with suppress(OSError, ValueError, RecursionError):
        if sidecar.is_file() and sidecar.stat().st_size < MOST_SIDECAR:
            facts = json.loads(sidecar.read_text(encoding="utf-8"))
            if isinstance(facts, dict) and "fastfuse" in facts:
                return facts
    return {}


def _is_of_one_rater(facts: dict[str, Any]) -> bool:
    """Tell the votes of one rater, written again: how messages say to make a mask of a label map."""
    raters = facts.get("raters")
    return facts.get("method") == "majority" and isinstance(raters, list) and len(raters) == 1


def _is_of_a_rater(image: Image, chosen: Sequence[str]) -> bool:
    """Tell what a rater marks, as it lies beside the consensus of masks in a file of segments."""
    named = {one.name for one in image.segments}
    taken = [one.name for name in chosen for one in fitting(image.segments, name)]
    return CONSENSUS in named and bool(taken) and not any(OF_ALL_RATERS.fullmatch(name) for name in taken)


def made_here(path: Path) -> bool:
    """Tell whether the header of a file of segments (.seg.nrrd, DICOM) says that fastfuse wrote it."""
    name = path.name.lower()
    with suppress(OSError):
        if name.endswith(SEGMENTS):
            with path.open("rb") as file:
                head = file.read(MOST_HEADER).partition(b"\n\n")[0]
            return f"\n{MADE_HERE}:=".encode() in head
        if name.endswith(DICOM):
            from .formats.dicom import maker_of

            return maker_of(path) == MADE_HERE
    return False


def _writes(facts: dict[str, Any], path: Path) -> bool:
    outputs = facts.get("outputs")
    return isinstance(outputs, dict) and recorded(path.name) in outputs.values()
