"""The cases of MSSEG-2016: five images and several raters' masks each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CohortError
from ..images.paths import needed_path, shown
from ..report.numbers import plural
from .layout import (
    INSIDE_A_CASE,
    MASK,
    MODALITIES,
    Files,
    Found,
    Place,
    files_in,
    files_of_no_case,
    folder_above,
    search,
)

SPLITS = ("Training", "Testing", "all")


@dataclass(frozen=True)
class Case:
    """One patient's files.

    Attributes
    ----------
    name : str
        Unique among the cases that were found together.
    center : str
        As ``Center_01``.
    images : dict of str to Path
        The existing ones of DP, FLAIR, GADO, T1, T2, in this order. The file of DP may be named PD.
    masks : tuple of Path
        The raters' masks, in the order of their numbers.
    brain, consensus : Path or None
    split : str
        ``Training`` or ``Testing``.
    spare : tuple of Path
        Unused files with the same role as one above.
    """

    name: str
    center: str
    images: dict[str, Path]
    masks: tuple[Path, ...]
    brain: Path | None
    consensus: Path | None
    split: str
    spare: tuple[Path, ...] = ()

    @property
    def raters(self) -> list[int]:
        """The raters' numbers, as their masks are named."""
        return [rater_number(path) for path in self.masks]

    @property
    def paths(self) -> list[Path]:
        """All files to read: FLAIR, the other images, the masks, and the brain mask if there is one."""
        images = sorted(self.images, key=lambda name: name != "FLAIR")
        return [*(self.images[name] for name in images), *self.masks, *([self.brain] if self.brain else [])]

    @property
    def missing_images(self) -> list[str]:
        """Modalities without a file."""
        return [name for name in MODALITIES if name not in self.images]

    @property
    def missing_raters(self) -> list[str]:
        """Gaps in the raters' numbers."""
        gaps = set(range(1, max(self.raters, default=0))) - set(self.raters)
        return [f"ManualSegmentation_{number}" for number in sorted(gaps)]

    @property
    def missing(self) -> list[str]:
        """Modalities without a file, and gaps in the raters' numbers."""
        return [*self.missing_images, *self.missing_raters]


def rater_number(mask: Path) -> int:
    """Return the number in the name of a rater's mask."""
    found = MASK.fullmatch(mask.name)
    if not found:
        raise ValueError(f"{shown(mask)}: is not called ManualSegmentation_1.nii.gz, or by another number")
    return int(found[1])


def find_cases(root: Path | str, split: str = "Training") -> list[Case]:
    """Find the cases below a folder, by the names of files and folders alone.

    Parameters
    ----------
    root : path
        Root of today's download, ``Training/Center_01/Patient_01/{Preprocessed_Data,Masks}/...``, or of the archive
        of 2016: ``01016SACH/FLAIR_preprocessed.nii.gz`` and ``01016SACH/ManualSegmentation_1.nii.gz``, in one
        folder or two. Images below a folder named raw or unprocessed are ignored.
    split : {"Training", "Testing", "all"}
        A case belongs to ``Testing`` if the name of a folder above it, below the root, says so.

    Returns
    -------
    list of Case
        Sorted by centre and name. They may be incomplete:
        :func:`fastfuse.train.cohort.check.check_cohort` lists what is missing.

    Raises
    ------
    CohortError
        If there is no such folder, or no case in it.
    ValueError
        If there is no such split.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}: it must be one of {', '.join(SPLITS)}")
    root = needed_path(root, "root")
    if not root.is_dir():
        raise CohortError(f"{shown(root)}: no such folder; give the one that holds the cohort")
    cases = [_case(place, files) for place, files in search(root).items()]
    chosen = [case for case in cases if split in ("all", case.split)]
    if not chosen:
        raise CohortError(_nothing_found(root, split, cases))
    return sorted(_with_unique_names(chosen), key=lambda case: (case.center, case.name))


def find_case(folder: Path | str) -> Case:
    """Find one case by its folder, wherever it lies; its raters' masks are left aside.

    Parameters
    ----------
    folder : path
        Holds the five images, by themselves or in Preprocessed_Data, and perhaps a brain mask, there or in Masks.

    Raises
    ------
    CohortError
        If there is no such folder, or a modality is missing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CohortError(f"{shown(folder)}: no such folder; give the one that holds a case's images")
    home = folder.resolve()
    home = home.parent if home.name.lower() in INSIDE_A_CASE else home
    files = {role: found for role, found in files_in(home).items() if not role.startswith("rater ")}
    case = _case(Place("", "", home.name), files)
    if case.missing:
        raise CohortError(
            f"{shown(folder)}: {', '.join(case.missing)} missing; a case's folder holds FLAIR_preprocessed.nii.gz and the "
            "like, or Preprocessed_Data with them"
        )
    return case


def has_names_of_msseg(root: Path) -> bool:
    """Tell whether a folder, or one above it, holds any file that is called as those of a case."""
    return bool(search(root)) or folder_above(root) is not None or bool(files_of_no_case(root))


def splits_in(cases: Sequence[Case]) -> str:
    """Return in words which splits the cases belong to."""
    counts = Counter(case.split for case in cases)
    told = [f"{split} ({plural(count, 'case')})" for split, count in sorted(counts.items())]
    return f"the cohort has {' and '.join(told)}"


def _nothing_found(root: Path, split: str, cases: Sequence[Case]) -> str:
    if cases:
        return f"{shown(root)}: no case for split {split}, but {splits_in(cases)}; choose another split"
    above = folder_above(root)
    if above is not None:
        return f"{shown(root)}: is a case, or lies in one, and no cohort; give {shown(above)}"
    loose = files_of_no_case(root)
    if loose:
        count = f"{len(loose)} file{'s' * (len(loose) != 1)}"
        found = f"{count} with a cohort's names, such as {shown(loose[0])}, but in no folder of a case"
    else:
        found = "no case found"
    return (
        f"{shown(root)}: {found}; give a folder with "
        "Training/Center_01/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz, or with the archive of 2016, "
        "whose cases lie in folders as 01016SACH; cases of other names are fused by fastfuse cohort fuse (--glob, --table)"
    )


def _case(place: Place, files: Files) -> Case:
    """Return a case, with the file of the lowest rank for each role."""
    chosen = {role: min(found) for role, found in files.items()}
    spare = [one.path for role, found in files.items() for one in _as_good(found, chosen[role])]
    images = {name: chosen[name].path for name in MODALITIES if name in chosen}
    masks = sorted((one.path for role, one in chosen.items() if role.startswith("rater ")), key=rater_number)
    brain, consensus = (chosen[role].path if role in chosen else None for role in ("brain", "consensus"))
    splits = {one.split for found in files.values() for one in found}
    split = place.split or ("Testing" if "Testing" in splits else "Training")
    return Case(
        place.folder, place.center, images, tuple(masks), brain, consensus, split, tuple(sorted(spare))
    )


def _as_good(found: Sequence[Found], chosen: Found) -> list[Found]:
    """Return the other files of the same role and rank."""
    return [one for one in found if one.rank == chosen.rank and one != chosen]


def _with_unique_names(cases: list[Case]) -> list[Case]:
    """Make names unique: prefix the centre to repeated names, and the split where that is not enough."""
    for longer in (_with_center, _with_split):
        counts = Counter(case.name for case in cases)
        cases = [replace(case, name=longer(case)) if counts[case.name] > 1 else case for case in cases]
    return cases


def _with_center(case: Case) -> str:
    return f"{case.center}_{case.name}"


def _with_split(case: Case) -> str:
    return f"{case.split}_{case.name}"
