"""What raters' own files call labels: segments of .seg.nrrd, and nnU-Net's dataset.json beside them, held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ImageError
from ...images.dataset_json import NAME, labels_in
from ...images.formats.endings import NRRD_SUFFIXES
from ...images.formats.label_names import read_label_names
from ...images.formats.segments import plain
from ...images.image import Image
from ...images.paths import shown
from ...inputs.names import enumerated

SWITCH = "label_names=FILE (--label-names FILE)"
BY_NAME = "fuse each by itself, by its name, with overlap=True (--overlap); or "


@dataclass(frozen=True)
class Naming:
    """What one file calls labels, or regions of several.

    Attributes
    ----------
    path : Path
        The file that says it.
    labels : dict of str to tuple of int
        Labels of each name.
    taken : bool
        Whether labels are called so without being asked; else the names are only held against others.
    colours : dict of int to str
    """

    path: Path
    labels: Mapping[str, tuple[int, ...]]
    taken: bool = True
    colours: dict[int, str] = field(default_factory=dict)


def namings_of(images: Sequence[Image]) -> list[Naming]:
    """Return what raters' files of label maps say: their segments, else the dataset.json beside them."""
    found = []
    for image in images:
        own = {one.name: (one.label,) for one in image.segments}
        found += [Naming(image.path, own, colours=_colours_in(image.path))] if own else []
    return [*found, *beside([image.path for image in images if not image.segments], taken=False)]


def beside(paths: Iterable[Path], *, taken: bool = True) -> list[Naming]:
    """Return what the dataset.json beside each file says, each once."""
    files = dict.fromkeys(path.parent / NAME for path in paths)
    return [Naming(file, labels, taken) for file in files if (labels := labels_in(file))]


def _colours_in(path: Path) -> dict[int, str]:
    return read_label_names(path).colours if path.name.lower().endswith(NRRD_SUFFIXES) else {}


def check_agree(namings: Sequence[Naming], *, named: bool) -> None:
    """Refuse one name of other labels in another file, and two names of one label, unless names are given.

    Case and blanks at the ends do not count, and label 0 may be called anything.

    Raises
    ------
    ImageError
        Naming both files.
    """
    _check_one_meaning(namings)
    if not named:
        _check_one_name(namings)


def _check_one_meaning(namings: Sequence[Naming]) -> None:
    known: dict[str, tuple[tuple[int, ...], Naming]] = {}
    for one in namings:
        for name, labels in one.labels.items():
            before, first = known.setdefault(plain(name), (labels, one))
            if set(before) != set(labels) and one is first:
                raise ImageError(
                    f"{shown(one.path)}: {name!r} is {_told(before)} and {_told(labels)}, as case does not count: rename one of them"
                )
            if set(before) != set(labels):
                by_name = "" if NAME in (first.path.name, one.path.name) else BY_NAME
                raise ImageError(
                    f"{name!r} is {_told(before)} in {shown(first.path)} and {_told(labels)} in {shown(one.path)}: what differs in "
                    f"meaning must not be fused; {by_name}give each structure one number in all files, and mend the names if they are wrong"
                )


def _check_one_name(namings: Sequence[Naming]) -> None:
    known: dict[tuple[int, ...], tuple[str, Naming]] = {}
    for one in namings:
        for name, labels in one.labels.items():
            before, first = known.setdefault(tuple(sorted(labels)), (name, one))
            if plain(before) != plain(name) and any(labels):
                raise ImageError(
                    f"{_told(labels)} is {before!r} in {shown(first.path)} and {name!r} in {shown(one.path)}: if they are one "
                    f"structure, say what it is called, by {SWITCH}"
                )


def _told(labels: Sequence[int]) -> str:
    """Return a label, or the labels of a region, in words."""
    return f"label{'s' * (len(labels) > 1)} {enumerated(list(map(str, labels)))}"
