"""Files of a synthetic case, named as MSSEG-2016 names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError
from ..images.image import Image
from ..images.outputs import Outputs
from ..images.paths import shown
from ..images.written.nifti import nifti_bytes
from . import phantom

Volumes = dict[Path, NDArray[np.generic]]


def image_path(patient: Path, modality: str) -> Path:
    """Return the path of an image below the patient's folder."""
    return patient / "Preprocessed_Data" / f"{modality}_preprocessed.nii.gz"


def mask_path(patient: Path, what: str) -> Path:
    """Return the path of a mask below the patient's folder."""
    return patient / "Masks" / f"{what}.nii.gz"


def paths_of_case(patient: Path, raters: int) -> list[Path]:
    """Return the paths of :func:`case_files` before there is a case."""
    masks = ("Brain_Mask", *(f"ManualSegmentation_{number}" for number in range(1, raters + 1)))
    return [
        *(image_path(patient, modality) for modality in phantom.MODALITIES),
        *(mask_path(patient, what) for what in masks),
    ]


def check_free(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write over files, before any work.

    Raises
    ------
    OutputError
        Naming the first path where something is that must stay.
    """
    for path in paths:
        if path.is_dir():
            raise OutputError(
                f"{shown(path)}: is a folder, where the demo writes a file; choose another folder"
            )
        if not overwrite and (path.exists() or path.is_symlink()):
            raise OutputError(
                f"{shown(path)}: exists already; choose another folder or pass --overwrite (overwrite=True)"
            )


def case_files(patient: Path, case: phantom.Case) -> Volumes:
    """Return the images, the brain mask and the raters' masks by their paths below the patient's folder."""
    files: Volumes = {image_path(patient, modality): image for modality, image in case.images.items()}
    files[mask_path(patient, "Brain_Mask")] = case.brain
    for number, mask in enumerate(case.masks, start=1):
        files[mask_path(patient, f"ManualSegmentation_{number}")] = mask
    return files


def add_volumes(
    outputs: Outputs,
    files: Mapping[Path, NDArray[np.generic]],
    case: phantom.Case,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Add volumes on the case's grid to the outputs."""
    for path, data in files.items():
        say(f"writing {path.name}")
        outputs.make_folder(path.parent)
        like = Image(path, case.lesions, case.affine)
        outputs.add(path, nifti_bytes(path, data, like, f"fastfuse demo {path.name.split('.')[0]}"))
