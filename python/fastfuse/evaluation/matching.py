"""Matches the predictions of a folder with the truths of another by the names of their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import FastfuseError
from ..images.paths import recorded, shown
from ..images.sidecar import json_of, sidecar_path
from ..inputs.names import composed

COMPRESSED = (".gz", ".bz2")
SUFFIXES = (
    ".nii", ".img", ".mgz", ".mgh", ".mnc", ".nrrd", ".nhdr", ".mha", ".mhd", ".npz", ".npy", ".png", ".tif", ".tiff",
    ".dcm", ".dicom",
)  # fmt: skip
# Entities of BIDS that tell what a file holds, not of which case.
CONTENT = re.compile(r"_(?:desc|label|atlas|seg|rec|space|res|den)-[^_]+")
WORDS = "seg|segmentation|dseg|mask|probseg|label|labels|lesion|lesions|pred|prediction|truth|gt|consensus"
LAST_WORD = re.compile(rf"[_.-](?:{WORDS})$", re.IGNORECASE)
ONLY_WORD = re.compile(WORDS, re.IGNORECASE)
CHANNEL = "_0000"  # of nnU-Net's images
WAYS = ("file name", "name without its ending", "case name", "case name without a channel")


@dataclass(frozen=True)
class Pairs:
    """Files of two folders that belong together.

    Attributes
    ----------
    files : dict of str to (Path, Path)
        Prediction and truth, by the case's name, in the names' order.
    ways : dict of str to int
        Number of cases that were matched in each of the ways.
    without_prediction, without_truth : list of str
        Files of one folder that match none of the other.
    doubts : list of str
        What is to be said of pairs whose names are not quite one.
    """

    files: Mapping[str, tuple[Path, Path]]
    ways: Mapping[str, int]
    without_prediction: list[str]
    without_truth: list[str]
    doubts: list[str]


def pairs_in(predictions: Path, truths: Path) -> Pairs:
    """Match the images below two folders.

    First come images of one file name (below the folders); of the rest, those of one name without its ending, as in
    case.nii.gz and case.nrrd; of the rest, those of one case name, as in sub-01_desc-net_mask.nii.gz and
    sub-01_label-lesion_dseg.nii.gz or in case_seg.nii.gz and case_gt.nii.gz, and last those that differ by nnU-Net's
    _0000. Of several that fit one, those are left out that the sidecar of another names as its further outputs, as the mask
    (label.nii.gz) beside a consensus; else they are refused. Letters with accents are one however they are written: macOS takes them
    apart.
    """
    left, right = images_in(predictions), images_in(truths)
    doubts = [*_twice(left, right)]
    files: dict[str, tuple[Path, Path]] = {}
    ways = dict.fromkeys(WAYS, 0)
    keys: tuple[Callable[[str], str], ...] = (str, composed, _stem, case_name, _without_channel)
    for way, key in zip((WAYS[0], *WAYS), keys, strict=True):
        found = _matched(predictions, left, truths, right, key)
        ways[way] += len(found)
        doubts += _in_letters(found)
        for one, other in found:
            stem = _without_endings(one)
            name = one if stem in files else stem  # two formats of one name
            files[name] = (predictions / left.pop(one), truths / right.pop(other))
    _check_formats(predictions, left, files)
    _check_formats(truths, right, files)
    if not files:
        raise FastfuseError(
            f"no file below {shown(predictions)} has the name of one below {shown(truths)} "
            f"({_few(left)} there, {_few(right)} here): name predictions as the truths are named"
        )
    return Pairs(dict(sorted(files.items())), ways, sorted(right), sorted(left), doubts)


def _check_formats(folder: Path, rest: Iterable[str], files: Mapping[str, tuple[Path, Path]]) -> None:
    """Refuse a file that was left over, of a case that was matched in another format: nobody knows which counts."""
    taken = {
        _stem(path.relative_to(folder).as_posix()): path
        for pair in files.values()
        for path in pair
        if folder in path.parents
    }
    for name in sorted(rest):
        other = taken.get(_stem(name))
        if other is not None:
            raise FastfuseError(
                f"{shown(folder / name)} and {shown(other)} are two files of one case, and the other folder has one: take "
                "one of them away"
            )


def _twice(left: Iterable[str], right: Iterable[str]) -> list[str]:
    """Say which cases lie in both folders in several formats, each of which is a case to the summary."""
    ours, theirs = _by_key(left, _stem), _by_key(right, _stem)
    return [
        f"{shown(stem)} lies in both folders in {len(ours[stem])} formats, as {' and '.join(map(shown, sorted(ours[stem])))}: it "
        "counts as so many cases"
        for stem in sorted(ours.keys() & theirs.keys())
        if len(ours[stem]) > 1 and sorted(ours[stem]) == sorted(theirs[stem])
    ]


def _in_letters(found: Iterable[tuple[str, str]]) -> list[str]:
    """Say which names were taken for one, although they differ in capital letters."""
    told = []
    for pair in found:
        one, other = (_case_as_written(name).removesuffix(CHANNEL) for name in pair)
        if one != other and one.lower() == other.lower():
            told.append(" with ".join(map(shown, pair)))
    return [f"paired, though capital letters differ: {_few(told)}"] if told else []


def images_in(folder: Path) -> dict[str, Path]:
    """Return the images below a folder by their path from there; hidden ones are left out.

    Left out too are networks' probabilities beside the segmentation of the same name.
    """
    try:
        named = [path for path in folder.rglob("*") if _is_named_as_image(path, folder)]
        found = sorted(path.relative_to(folder) for path in named if path.is_file())
        _check_files(named)
    except OSError as error:
        raise FastfuseError(f"{shown(folder)}: cannot be listed ({error.strerror})") from error
    if not found:
        raise FastfuseError(f"{shown(folder)}: no image lies there (files that end in .nii.gz, .nrrd, ...)")
    stems = {_stem(path.as_posix()) for path in found if path.suffix.lower() != ".npz"}
    return {
        path.as_posix(): path
        for path in found
        if path.suffix.lower() != ".npz" or _stem(path.as_posix()) not in stems
    }


def case_name(name: str) -> str:
    """Return what a file's name says about its case, in small letters."""
    return _case_as_written(name).lower()


def _case_as_written(name: str) -> str:
    """Return what a file's name says about its case, without what it says about the file's content.

    If it says nothing else, as in patient-1/mask.nii.gz, it is the folder's name.
    """
    path = PurePosixPath(_stem(name))
    stem = path.parent.name if ONLY_WORD.fullmatch(path.name) else CONTENT.sub("", path.name)
    while LAST_WORD.search(stem):
        stem = LAST_WORD.sub("", stem)
    return stem


def _without_channel(name: str) -> str:
    return case_name(name).removesuffix(CHANNEL)


def _stem(name: str) -> str:
    """Return a path without the endings of an image, composed."""
    return composed(_without_endings(name))


def _without_endings(name: str) -> str:
    """Return a path without the endings of an image, as it is written."""
    path = PurePosixPath(name)
    for endings in (COMPRESSED, SUFFIXES, (".seg",)):
        if path.suffix.lower() in endings:
            path = path.with_suffix("")
    return str(path)


def _check_files(named: Iterable[Path]) -> None:
    """Refuse what has the name of an image and is none: a link to nothing, or a folder that holds no files."""
    for path in named:
        if path.is_symlink() and not path.exists():
            raise FastfuseError(
                f"{shown(path)}: it is a link to a file that is not there: mend it, or remove it"
            )
        if path.is_dir() and not any(one.is_file() for one in path.rglob("*")):
            raise FastfuseError(
                f"{shown(path)}: it is a folder, and has the name of an image: put the image there, or rename it"
            )


def _is_named_as_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    name = path.name.lower().removesuffix(".gz").removesuffix(".bz2")
    return not hidden and name.endswith(SUFFIXES)


def _matched(
    predictions: Path,
    left: dict[str, Path],
    truths: Path,
    right: dict[str, Path],
    key: Callable[[str], str],
) -> list[tuple[str, str]]:
    """Return the names of both sides that have one key; refuse a key of several names of one side.

    Names that are further outputs of a consensus beside them are taken away.
    """
    ours, theirs = _by_key(left, key), _by_key(right, key)
    found = []
    for shared in sorted(ours.keys() & theirs.keys()):
        sides = (
            (predictions, left, ours[shared], theirs[shared]),
            (truths, right, theirs[shared], ours[shared]),
        )
        for folder, all_names, names, other in sides:
            if len(names) == 1:
                continue
            for name in _further_outputs(folder, names):
                names.remove(name)
                del all_names[name]
            if len(names) > 1:
                raise FastfuseError(
                    f"{shown(names[0])} and {shown(names[1])} both fit {shown(other[0])}: give files that belong "
                    "together the same name"
                )
        found.append((ours[shared][0], theirs[shared][0]))
    return found


def _further_outputs(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of the files that the sidecar of another of them names beside its consensus, such as its mask."""
    beside: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        facts = json_of(sidecar_path(folder / path))
        outputs = facts.get("outputs") if isinstance(facts, dict) else None
        if isinstance(outputs, dict) and outputs.get("consensus") == recorded(path.name):
            beside |= {str(path.parent / str(one)) for what, one in outputs.items() if what != "consensus"}
    return [name for name in names if name in beside]


def _by_key(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


def _few(names: Iterable[str]) -> str:
    """Return the first names as text."""
    listed = sorted(names)
    return ", ".join(shown(name) for name in listed[:3]) + (" ..." if len(listed) > 3 else "")
