"""Files of a synthetic case, named as MSSEG-2016 names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..images.image import Image
from ..images.nifti import nifti_bytes
from ..images.outputs import Outputs, make_folder
from . import phantom

Volumes = dict[Path, NDArray[np.generic]]


def case_files(patient: Path, case: phantom.Case) -> Volumes:
    """Return the images, the brain mask and the raters' masks by their paths below the patient's folder."""
    files: Volumes = {
        patient / "Preprocessed_Data" / f"{modality}_preprocessed.nii.gz": image
        for modality, image in case.images.items()
    }
    files[patient / "Masks" / "Brain_Mask.nii.gz"] = case.brain
    for number, mask in enumerate(case.masks, start=1):
        files[patient / "Masks" / f"ManualSegmentation_{number}.nii.gz"] = mask
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
        make_folder(path.parent)
        like = Image(path, case.lesions, case.affine)
        outputs.add(path, nifti_bytes(path, data, like, f"fastfuse demo {path.name.split('.')[0]}"))
