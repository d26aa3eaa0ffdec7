"""Writes a cohort of MSSEG-2016's layout and a method's consensus as a data set of nnU-Net; see ``dataset``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cohort.layout import MODALITIES
from ...cohort.msseg import Case
from ...errors import FastfuseError
from ...images.outputs import write_all
from ...images.sidecar import sidecar_bytes
from ...images.written.nifti import nifti_bytes
from ..cohort.loading import LoadedCase, check_complete, load_case
from ..options import ExperimentOptions
from ..targets.consensus import consensus_of
from .dataset import (
    ABOUT,
    CUT,
    IGNORE,
    LESION,
    SPLITS,
    about,
    alone_in,
    appearing,
    check_ignore,
    check_name,
    finite,
    folder_called,
    free_in,
    image_file,
    label_file,
    labels_of,
    splits_bytes,
)


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
        check_name(self.number, self.name)
        if self.options.consensus.pools:
            raise FastfuseError(
                "consensus.pool is 'raters': each fold has targets of its own then, and nnU-Net's folds share one; leave it out"
            )
        check_ignore(self.ignore)

    @property
    def folder(self) -> str:
        """The name of the data set's folder."""
        return folder_called(self.number, self.name)

    @property
    def tested_alone(self) -> set[str]:
        """The cases that no network is trained on: those of a single fold."""
        return alone_in(self.folds)


def export(dataset: Dataset, out: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write a data set below ``out``, nnU-Net's folder nnUNet_raw; return its folder, which appears when it is complete.

    Raises
    ------
    OutputError
        If a data set of this number is there, or cannot be written.
    """
    with free_in(out, dataset.number):
        _check_cases(dataset, say)
        _write(dataset, out / dataset.folder, say)
    return out / dataset.folder


def _write(dataset: Dataset, where: Path, say: Callable[[str], None]) -> None:
    with appearing(where) as folder:
        for case in dataset.cases:
            say(f"{case.name}: reading and fusing")
            _write_case(dataset, case, folder)
        files = {folder / ABOUT: sidecar_bytes(_about(dataset))}
        if not dataset.tested_alone:
            files[folder / SPLITS] = splits_bytes([case.name for case in dataset.cases], dataset.folds)
        write_all(files)


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


def _write_case(dataset: Dataset, case: Case, folder: Path) -> None:
    """Write a case's images, and its labels unless it is only tested, on FLAIR's grid."""
    loaded = _loaded(dataset, case)
    alone = case.name in dataset.tested_alone
    volumes: dict[Path, NDArray[Any]] = {
        image_file(folder, case.name, channel, alone=alone): _image(loaded, modality)
        for channel, modality in enumerate(MODALITIES)
    }
    if not alone:
        volumes[label_file(folder, case.name)] = labels_of(_consensus(dataset, loaded), dataset.ignore)
    write_all({path: nifti_bytes(path, volume, loaded.like, "fastfuse") for path, volume in volumes.items()})


def _image(loaded: LoadedCase, modality: str) -> NDArray[np.float32]:
    return finite(loaded.images[modality], loaded.case.images[modality])


def _consensus(dataset: Dataset, loaded: LoadedCase) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as kept:
        found = consensus_of(loaded, [dataset.method], dataset.options.consensus, Path(kept), key="")
    return found[dataset.method]


def _about(dataset: Dataset) -> dict[str, Any]:
    """Return the content of dataset.json."""
    labels = {"background": 0, "lesion": LESION, **({} if dataset.ignore is None else {"ignore": IGNORE})}
    training = len(dataset.cases) - len(dataset.tested_alone)
    told = f"labels: {dataset.method} of the raters, by fastfuse, cut at {CUT:g}"
    return about(dataset.name, MODALITIES, labels, training, told)
