"""Files that are read beside one that is named: its voxels, its header, its segmentation, its names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...errors import ImageError
from ..dataset_json import files_for
from ..repeats import NETWORK, PACKED, PAIRS

OF_TWO_FILES = (*PAIRS, (".par", ".rec"))
META_IMAGE, NRRD = (".mhd", ".mha"), (".nhdr", ".nrrd")


def files_beside(path: Path, *, named: bool) -> list[Path]:
    """Return the other files that are read with one; ``named``: those that name its labels, too."""
    found = [*_other_half(path), *_data(path)]
    if path.suffix.lower() == NETWORK:
        from ..nnunet import companion_of

        with suppress(ImageError):
            found.append(companion_of(path))
    if named or path.suffix.lower() == NETWORK:
        found += files_for(path)
    return [one for one in dict.fromkeys(found) if one != path]


def _other_half(path: Path) -> Iterator[Path]:
    """Yield the voxels of a header, or the header of voxels."""
    packed = next((end for end in PACKED if path.name.lower().endswith(end)), "")
    name = path.name[: len(path.name) - len(packed)]
    for ends in OF_TWO_FILES:
        for own, other in (ends, ends[::-1]):
            if name.lower().endswith(own):
                stem = name[: -len(own)]
                ends_of_other = [other + end for end in ("", *PACKED)]
                beside = [path.with_name(stem + end) for end in ends_of_other]
                beside += [path.with_name(stem + end.upper()) for end in ends_of_other]
                yield from (one for one in beside if one.is_file())


def _data(path: Path) -> list[Path]:
    """Return the files of a header's voxels, as far as they are named and there."""
    files: list[Path] = []
    with suppress(ImageError, OSError):
        if path.suffix.lower() in META_IMAGE:
            from .meta_image import data_files

            files = data_files(path)
        elif path.suffix.lower() in NRRD:
            from .nrrd import data_files

            files = data_files(path)
    return [one for one in files if one.is_file()]
