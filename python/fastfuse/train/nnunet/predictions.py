"""Reads another method's predictions of a cohort, as nnU-Net writes them: label maps, or probabilities beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cohort.msseg import Case
from ...errors import CohortError, FastfuseError, ImageError
from ...images.image import Image
from ...images.paths import shown
from ...images.reading import read
from ...images.wanted import Wanted
from ...inputs.foreground import Foreground
from ...inputs.grids import check_same_grid
from .dataset import LESION

ENDINGS = (".npz", ".nii.gz", ".nii", ".nrrd", ".mha")  # probabilities first
VALIDATION = "fold_*/validation"  # where nnU-Net puts the predictions of its cross-validation
MOST_NAMED = 5


def predictions_of(folder: Path, cases: Iterable[Case]) -> dict[str, NDArray[np.float32]]:
    """Return a prediction of each case: probabilities, or 0 and 1, on FLAIR's grid.

    Parameters
    ----------
    folder : Path
        Holds CASE.npz (probabilities, with the label map beside) or CASE.nii.gz (label map, or a probability) for
        each case; or fold_0/validation, fold_1/validation, … of nnU-Net's results do.
    cases : iterable of Case

    Raises
    ------
    CohortError
        If cases have no prediction: it names them.
    ImageError, GridError
        If a file cannot be read, holds something else, or is not on the grid of its case's FLAIR.
    """
    cases = list(cases)
    files = files_of(folder, cases)
    return {case.name: read_prediction(files[case.name], case) for case in cases}


def files_of(folder: Path, cases: Sequence[Case]) -> dict[str, Path]:
    """Return the file of each case's prediction; see :func:`predictions_of`."""
    if not folder.is_dir():
        raise CohortError(f"{shown(folder)}: no such folder; give the one with a prediction of each case")
    found = {case.name: _file_of(folder, case.name) for case in cases}
    if lost := [name for name, path in found.items() if path is None]:
        more = ", ..." if len(lost) > MOST_NAMED else ""
        raise CohortError(
            f"{shown(folder)}: no prediction of {', '.join(lost[:MOST_NAMED])}{more} ({len(lost)} of {len(found)} "
            f"cases); files are called as {cases[0].name}.nii.gz"
        )
    return {name: path for name, path in found.items() if path is not None}


def _file_of(folder: Path, name: str) -> Path | None:
    """Return the file of a case's prediction; refuse two of different folds."""
    for ending in ENDINGS:
        here = folder / f"{name}{ending}"
        paths = [here] if here.exists() else sorted(folder.glob(f"{VALIDATION}/{name}{ending}"))
        if len(paths) > 1:
            raise CohortError(
                f"{shown(folder)}: {name} is predicted in several folds; give a folder with one prediction of each case"
            )
        if paths:
            return paths[0]
    return None


def read_prediction(path: Path, case: Case) -> NDArray[np.float32]:
    """Read one case's prediction; see :func:`predictions_of`."""
    image = (
        read(path, wanted=Wanted(foreground=Foreground(labels=(LESION,))))
        if path.suffix == ".npz"
        else read(path)
    )
    flair = read(case.images["FLAIR"])
    check_same_grid(replace(flair.grid, name=f"FLAIR of {case.name}"), replace(image.grid, name=shown(path)))
    return _foreground(path, image)


def _foreground(path: Path, image: Image) -> NDArray[np.float32]:
    """Return probabilities as they are, and a label map as 1 where the lesion's label is."""
    values: NDArray[Any] = image.data
    if not np.isfinite(values).all():
        raise ImageError(f"{shown(path)}: holds nan or infinite values; predict the case again")
    if image.is_channel:
        return np.clip(np.asarray(values, np.float32), 0, 1)
    if values.dtype.kind in "iub" or not (values % 1).any():
        return _of_labels(path, values)
    if values.min() < 0 or values.max() > 1:
        raise ImageError(
            f"{shown(path)}: its values go from {values.min():g} to {values.max():g}: labels, or probabilities in [0, 1] "
            "are needed"
        )
    return np.asarray(values, np.float32)


def _of_labels(path: Path, values: NDArray[Any]) -> NDArray[np.float32]:
    odd = sorted({int(value) for value in np.unique(values)} - {0, LESION})
    if odd:
        raise FastfuseError(
            f"{shown(path)}: holds label {odd[0]}: a prediction has 0 and {LESION}, the lesion's; is it another data set's?"
        )
    return np.asarray(values == LESION, np.float32)
