"""Writes a cohort and a method's consensus as a data set of nnU-Net (version 2).

nnU-Net wants a folder DatasetNNN_NAME with imagesTr/CASE_0000.nii.gz, one file a channel; labelsTr/CASE.nii.gz with
consecutive whole numbers; and dataset.json, whose label "ignore", the highest, marks voxels without a loss. Its
folds are read from splits_final.json in the folder of the preprocessed data, whose "train" and "val" name cases.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cohort.layout import MODALITIES
from ...cohort.msseg import Case
from ...errors import CohortError, FastfuseError, OutputError
from ...images.outputs import made_folder, write_all
from ...images.paths import shown
from ...images.sidecar import sidecar_bytes
from ...images.written.nifti import nifti_bytes
from ..cohort.loading import LoadedCase, check_complete, load_case
from ..options import ExperimentOptions
from ..targets.consensus import consensus_of

LESION, IGNORE = 1, 2
CUT = 0.5  # of the consensus
ENDING = ".nii.gz"
NAME = re.compile(r"[A-Za-z0-9_-]+")
MOST_ID = 999
SPLITS = "splits_final.json"  # as nnU-Net calls it


@dataclass(frozen=True)
class Dataset:
    """What is exported.

    Attributes
    ----------
    cases : sequence of Case
    folds : list of list of str
        The names of the cases that are tested, fold by fold. Cases of a single fold become imagesTs.
    method : str
        Whose consensus is the label.
    options : ExperimentOptions
        Of the consensus.
    number, name : int, str
        Of the data set, as in Dataset501_MSSEG.
    ignore : tuple of float, optional
        A voxel whose probability lies between the two gets the label "ignore".
    gaps : bool
        Take a case without a rater whom others of higher number follow: the others are fused.
    """

    cases: Sequence[Case]
    folds: list[list[str]]
    method: str
    options: ExperimentOptions
    number: int = 501
    name: str = "MSSEG"
    ignore: tuple[float, float] | None = None
    gaps: bool = False

    def __post_init__(self) -> None:
        """Refuse what nnU-Net cannot read."""
        if not 1 <= self.number <= MOST_ID:
            raise FastfuseError(
                f"the data set's number (--dataset-id) is {self.number}: nnU-Net takes 1 to {MOST_ID}"
            )
        if not NAME.fullmatch(self.name):
            raise FastfuseError(
                f"the data set's name (--name) is {self.name!r}: letters, digits, - and _ are needed"
            )
        if self.options.consensus.pools:
            raise FastfuseError(
                "consensus.pool is 'raters': each fold has targets of its own then, and nnU-Net's folds share one; leave it out"
            )
        if self.ignore is not None and not 0 <= self.ignore[0] < CUT < self.ignore[1] <= 1:
            low, high = self.ignore
            raise FastfuseError(
                f"ignore is {low:g} {high:g}: a probability below {CUT:g} and one above are needed, as 0.2 0.8"
            )

    @property
    def folder(self) -> str:
        """The name of the data set's folder."""
        return f"Dataset{self.number:03d}_{self.name}"

    @property
    def tested_alone(self) -> set[str]:
        """The cases that no network is trained on: those of a single fold."""
        return set(self.folds[0]) if len(self.folds) == 1 else set()


def export(dataset: Dataset, out: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write a data set below ``out``, nnU-Net's folder nnUNet_raw; return its folder, which appears when it is complete.

    Raises
    ------
    OutputError
        If a data set of this number is there, or cannot be written.
    """
    with made_folder(out):
        if held := sorted(out.glob(f"Dataset{dataset.number:03d}_*")):
            raise OutputError(
                f"{shown(held[0])}: a data set of this number is there; choose another number (--dataset-id), or delete it"
            )
        _check_cases(dataset, say)
        with _appearing(out / dataset.folder) as folder:
            for case in dataset.cases:
                say(f"{case.name}: reading and fusing")
                _write_case(dataset, case, folder)
            files = {folder / "dataset.json": sidecar_bytes(_about(dataset))}
            if not dataset.tested_alone:
                files[folder / SPLITS] = _splits(dataset)
            write_all(files)
    return out / dataset.folder


def _check_cases(dataset: Dataset, say: Callable[[str], None]) -> None:
    """Refuse what is missing or cannot be read in any case, before the first is fused."""
    for case in dataset.cases:
        check_complete(case, gaps=dataset.gaps)
    for case in dataset.cases:
        say(f"{case.name}: checking")
        loaded = _loaded(dataset, case)
        for modality in MODALITIES:
            _image(loaded, modality)


def _loaded(dataset: Dataset, case: Case) -> LoadedCase:
    return load_case(case, fix_flips=dataset.options.fix_flips, gaps=dataset.gaps)


@contextmanager
def _appearing(final: Path) -> Iterator[Path]:
    """Yield a hidden folder that gets its name when all is in it."""
    try:
        with tempfile.TemporaryDirectory(prefix=".fastfuse-", dir=final.parent) as hidden:
            folder = Path(hidden) / final.name
            folder.mkdir()
            yield folder
            folder.replace(final)
    except OSError as error:
        raise OutputError(f"{shown(final)}: cannot be written ({error.strerror or error})") from error


def _write_case(dataset: Dataset, case: Case, folder: Path) -> None:
    """Write a case's images, and its labels unless it is only tested, on FLAIR's grid."""
    loaded = _loaded(dataset, case)
    alone = case.name in dataset.tested_alone
    part = "Ts" if alone else "Tr"
    volumes = {
        folder / f"images{part}" / f"{case.name}_{channel:04d}{ENDING}": _image(loaded, modality)
        for channel, modality in enumerate(MODALITIES)
    }
    if not alone:
        volumes[folder / "labelsTr" / f"{case.name}{ENDING}"] = labels_of(
            _consensus(dataset, loaded), dataset.ignore
        )
    write_all({path: nifti_bytes(path, volume, loaded.like, "fastfuse") for path, volume in volumes.items()})


def _image(loaded: LoadedCase, modality: str) -> NDArray[Any]:
    values = loaded.images[modality]
    if not np.isfinite(values).all():
        raise CohortError(
            f"{shown(loaded.case.images[modality])}: holds nan or infinite values; set them to 0, or copy it again"
        )
    return np.asarray(values, np.float32)


def _consensus(dataset: Dataset, loaded: LoadedCase) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as kept:
        found = consensus_of(loaded, [dataset.method], dataset.options.consensus, Path(kept), key="")
    return found[dataset.method]


def labels_of(
    probability: NDArray[np.float32], ignore: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Return a consensus as labels: 0, 1 from 0.5 on, and 2 where it lies between the bounds of ``ignore``."""
    labels = (probability >= CUT).astype(np.uint8) * LESION
    if ignore is not None:
        labels[(probability > ignore[0]) & (probability < ignore[1])] = IGNORE
    return labels


def _about(dataset: Dataset) -> dict[str, Any]:
    """Return the content of dataset.json."""
    labels: Mapping[str, int] = {"background": 0, "lesion": LESION}
    return {
        "channel_names": {str(channel): modality for channel, modality in enumerate(MODALITIES)},
        "labels": {**labels, **({} if dataset.ignore is None else {"ignore": IGNORE})},
        "numTraining": len(dataset.cases) - len(dataset.tested_alone),
        "file_ending": ENDING,
        "name": dataset.name,
        "description": f"labels: {dataset.method} of the raters, by fastfuse, cut at {CUT:g}",
    }


def _splits(dataset: Dataset) -> bytes:
    import json

    names = [case.name for case in dataset.cases]
    splits = [
        {"train": [name for name in names if name not in fold], "val": list(fold)} for fold in dataset.folds
    ]
    return (json.dumps(splits, indent=2) + "\n").encode()
