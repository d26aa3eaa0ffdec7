"""What every data set of nnU-Net (version 2) has, whatever its cases are from.

nnU-Net wants a folder DatasetNNN_NAME with imagesTr/CASE_0000.nii.gz, one file a channel; labelsTr/CASE.nii.gz with
consecutive whole numbers; and dataset.json, whose label "ignore", the highest, marks voxels without a loss. Its
folds are read from splits_final.json in the folder of the preprocessed data, whose "train" and "val" name cases.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CohortError, FastfuseError, OutputError
from ...images.folder_lock import locked_at_once
from ...images.outputs import made_folder
from ...images.paths import shown

LESION, IGNORE = 1, 2
CUT = 0.5  # of the consensus
ENDING = ".nii.gz"
NAME = re.compile(r"[A-Za-z0-9_-]+")
MOST_ID = 999
SPLITS = "splits_final.json"  # as nnU-Net calls it
ABOUT = "dataset.json"


def check_name(number: int, name: str) -> None:
    """Refuse a data set's number and name that nnU-Net cannot read."""
    if not 1 <= number <= MOST_ID:
        raise FastfuseError(f"the data set's number (--dataset-id) is {number}: nnU-Net takes 1 to {MOST_ID}")
    if not NAME.fullmatch(name):
        raise FastfuseError(f"the data set's name (--name) is {name!r}: letters, digits, - and _ are needed")


def check_ignore(ignore: tuple[float, float] | None, cut: float = CUT, whose: str = "") -> None:
    """Refuse bounds of the label "ignore" between which the cut does not lie."""
    if ignore is not None and not 0 <= ignore[0] < cut < ignore[1] <= 1:
        low, high = ignore
        raise FastfuseError(
            f"{whose}ignore is {low:g} {high:g}: a probability below {cut:g} and one above are needed, as "
            + ("0.2 0.8" if cut == CUT else f"{0.4 * cut:.2g} {0.4 * cut + 0.6:.2g}")
        )


def folder_called(number: int, name: str) -> str:
    """Return the name of a data set's folder."""
    return f"Dataset{number:03d}_{name}"


@contextmanager
def free_in(out: Path, number: int) -> Iterator[None]:
    """Make nnU-Net's folder nnUNet_raw for what a block writes there; refuse a number that a data set there has, or gets."""
    with made_folder(out), _claimed(out, number):
        if held := sorted(out.glob(f"Dataset{number:03d}_*")):
            raise OutputError(
                f"{shown(held[0])}: a data set of this number is there; choose another number (--dataset-id), or delete it"
            )
        yield


@contextmanager
def _claimed(out: Path, number: int) -> Iterator[None]:
    """Hold a data set's number, so that of two exports at once the second is refused before it writes anything."""
    path = out / f".fastfuse-Dataset{number:03d}.lock"
    descriptor = locked_at_once(
        path,
        f"another export writes data set {number} there; wait for its end, or choose another number (--dataset-id)",
    )
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


@contextmanager
def appearing(final: Path) -> Iterator[Path]:
    """Yield a hidden folder that gets its name when all is in it."""
    try:
        with tempfile.TemporaryDirectory(prefix=".fastfuse-", dir=final.parent) as hidden:
            folder = Path(hidden) / final.name
            folder.mkdir()
            yield folder
            folder.replace(final)
    except OSError as error:
        raise OutputError(f"{shown(final)}: cannot be written ({error.strerror or error})") from error


def alone_in(folds: Sequence[Sequence[str]]) -> set[str]:
    """Return the cases that no network is trained on: those of a single fold."""
    return set(folds[0]) if len(folds) == 1 else set()


def image_file(folder: Path, case: str, channel: int, *, alone: bool) -> Path:
    """Return where the image of a channel belongs; ``alone``: of a case that is only tested."""
    return folder / f"images{'Ts' if alone else 'Tr'}" / f"{case}_{channel:04d}{ENDING}"


def label_file(folder: Path, case: str) -> Path:
    """Return where the labels of a case belong."""
    return folder / "labelsTr" / f"{case}{ENDING}"


def finite(values: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Return an image's values in single precision; refuse those that are no numbers."""
    if not np.isfinite(values).all():
        raise CohortError(f"{shown(path)}: holds nan or infinite values; set them to 0, or copy it again")
    return np.asarray(values, np.float32)


def labels_of(
    probability: NDArray[np.float32],
    ignore: tuple[float, float] | None = None,
    marked: NDArray[Any] | None = None,
) -> NDArray[np.uint8]:
    """Return a consensus as labels: 0, 1 where it is marked, and 2 where it lies between the bounds of ``ignore``.

    ``marked``: the mask; without one it is what has a probability of 0.5 at least.
    """
    mask = probability >= CUT if marked is None else marked
    labels = mask.astype(np.uint8) * np.uint8(LESION)
    if ignore is not None:
        labels[(probability > ignore[0]) & (probability < ignore[1])] = IGNORE
    return labels


def about(
    name: str, channels: Sequence[str], labels: Mapping[str, int], training: int, description: str
) -> dict[str, Any]:
    """Return the content of dataset.json."""
    return {
        "channel_names": {str(channel): called for channel, called in enumerate(channels)},
        "labels": dict(labels),
        "numTraining": training,
        "file_ending": ENDING,
        "name": name,
        "description": description,
    }


def splits_bytes(names: Sequence[str], folds: Sequence[Sequence[str]]) -> bytes:
    """Return the content of splits_final.json."""
    splits = [{"train": [name for name in names if name not in fold], "val": list(fold)} for fold in folds]
    return (json.dumps(splits, indent=2) + "\n").encode()
