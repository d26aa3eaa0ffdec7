"""The layout of MSSEG-2016 on disk: the case of a folder, and the role of each file.

Two layouts are known: today's download, ``Training/Center_01/Patient_01/{Preprocessed_Data,Masks}``, and the
archive of 2016, whose images and masks lie in folders of their own, each with a folder ``01016SACH`` per case.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MODALITIES = ("DP", "FLAIR", "GADO", "T1", "T2")  # in the order of the network's channels

NIFTI = r"\.nii(?:\.gz)?"
IMAGE = re.compile(rf"(FLAIR|T1|GADO|DP|PD|T2)(_preprocessed)?{NIFTI}", re.IGNORECASE)
MASK = re.compile(rf"ManualSegmentation_(\d+){NIFTI}", re.IGNORECASE)
CONSENSUS = re.compile(rf"Consensus{NIFTI}", re.IGNORECASE)
BRAINS = [re.compile(name + NIFTI, re.IGNORECASE) for name in ("Brain_?Mask", "Mask_registered", "Mask")]

CENTER = re.compile(r"Cent(?:er|re)_\w+", re.IGNORECASE)
CASE_2016 = re.compile(r"(\d{2})\d{3}[A-Z]{2,}\w*")  # the first two digits are the centre's
INSIDE_A_CASE = ("preprocessed_data", "masks")
RAW = re.compile(r"unprocessed|^raw", re.IGNORECASE)
TEST = re.compile(r"(?<![a-z])test", re.IGNORECASE)
DEPTH = 6  # levels of folders below the root, limited because links may lead in a circle


class Place(NamedTuple):
    """Key of a case; cases of 2016 have unique names, and an empty split."""

    split: str
    center: str
    folder: str


class Found(NamedTuple):
    """A file that may have a role; of several, the one with the lowest rank is used."""

    rank: int
    path: Path
    split: str


Files = dict[str, list[Found]]
"""Files by role: a modality, ``rater 1``, ``brain`` or ``consensus``."""


def search(root: Path) -> dict[Place, Files]:
    """Return all files of cases, by case and role."""
    found: dict[Place, Files] = defaultdict(lambda: defaultdict(list))
    for folder, names in _folders(root):
        owner = _owner(root, folder)
        if owner is None:
            continue
        place, split = owner
        raw = any(RAW.search(part) for part in folder.relative_to(root).parts)
        for name in names:
            role, rank = _role(name)
            if role and not (raw and role in MODALITIES):
                found[place][role].append(Found(rank, folder / name, split))
    return found


def files_in(folder: Path) -> Files:
    """Return the files of one case by role, in its folder and in Preprocessed_Data and Masks there."""
    inside = sorted(one for one in folder.iterdir() if one.is_dir() and one.name.lower() in INSIDE_A_CASE)
    found: Files = defaultdict(list)
    for path in (path for place in (folder, *inside) for path in sorted(place.iterdir())):
        role, rank = _role(path.name)
        if role:
            found[role].append(Found(rank, path, ""))
    return found


def folder_above(root: Path) -> Path | None:
    """Return the cohort's folder if the one named is a case of it or lies in one; None if it does not."""
    folder = root.resolve()
    place = _owner(folder.parent.parent.parent, folder)
    if place is None or not any(_role(name)[0] for _, names in _folders(folder) for name in names):
        return None
    case = folder.parent if folder.name.lower() in INSIDE_A_CASE else folder
    return case.parent


def files_of_no_case(root: Path) -> list[str]:
    """Return the files whose names have a role, but whose folder is that of no case, seen from the root.

    Raw images are left out: they lie in folders of their own.
    """
    return [
        str((folder / name).relative_to(root))
        for folder, names in _folders(root)
        if _owner(root, folder) is None
        and not any(RAW.search(part) for part in folder.relative_to(root).parts)
        for name in names
        if _role(name)[0]
    ]


def center_of(file: Path) -> str:
    """Return the centre of a file of a case, as its folders name it; nothing where they name none."""
    above = file.parent.parents
    owner = _owner(above[-1], file.parent) if above else None
    return "" if owner is None else owner[0].center


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the root and the folders below it, with the names of their files; links are followed."""
    for folder, below, names in os.walk(root, followlinks=True):
        below.sort()
        if len(Path(folder).relative_to(root).parts) >= DEPTH:
            below.clear()
        yield Path(folder), sorted(names)


def _owner(root: Path, folder: Path) -> tuple[Place, str] | None:
    """Return the case and the split of a folder's files; None for a folder of no case."""
    if folder.name.lower() in INSIDE_A_CASE:
        folder = folder.parent
    if root not in folder.parents:
        return None
    above = (*_telling(root), *folder.parent.relative_to(root).parts)
    split = "Testing" if any(TEST.search(part) for part in above) else "Training"
    if above and CENTER.fullmatch(above[-1]):
        return Place(split, above[-1], folder.name), split
    code = CASE_2016.fullmatch(folder.name)
    return (Place("", f"Center_{code[1]}", folder.name), split) if code else None


def _telling(root: Path) -> tuple[str, ...]:
    """Return the root's name if it names a split or a centre; a name like test_data does not."""
    name = root.resolve().name
    return (name,) if name.lower() in ("training", "testing") or CENTER.fullmatch(name) else ()


def _role(name: str) -> tuple[str, int]:
    """Return a file's role, empty if it has none, and its rank."""
    if found := IMAGE.fullmatch(name):
        modality = found[1].upper()
        return "DP" if modality == "PD" else modality, int(found[2] is None)
    if found := MASK.fullmatch(name):
        return f"rater {int(found[1])}", 0
    for rank, pattern in enumerate(BRAINS):
        if pattern.fullmatch(name):
            return "brain", rank
    return ("consensus", 0) if CONSENSUS.fullmatch(name) else ("", 0)
