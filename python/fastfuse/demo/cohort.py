"""A synthetic cohort in the layout of MSSEG-2016, with its truth beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError
from ..evaluation.overlap import overlap
from ..images.outputs import Outputs
from ..images.paths import needed_path, shown
from ..images.sidecar import number_or_null, sidecar_bytes
from . import phantom
from .files import add_volumes, case_files, check_free, paths_of_case

FIELD_MM = (192, 224, 192)  # the head fits, and so do a network's halvings at 1 and at 2 mm
SHY_MM = 0.5
"""Inward shift of all contours against the usual raters, in mm. It makes the masks 0.85 of the truth on average,
which is typical of raters at fuzzy borders."""

RATERS = tuple(replace(style, bias_mm=style.bias_mm - SHY_MM) for style in phantom.RATERS)

NOTE = """\
The raters are simulated, and stay inside fuzzy borders by construction: a method
that enlarges masks gains from that alone. Look at precision beside recall."""


@dataclass(frozen=True)
class CohortResult:
    """The folder of a cohort, and the raters' rates in each case.

    Attributes
    ----------
    directory : Path
    cases : dict of str to dict
        For each case: its centre, the volume of its lesions in ml, the mean Dice over pairs of raters, and for each
        rater sensitivity, specificity, precision, Dice and the ratio of volumes to the truth. All inside the brain.
    note : str
    """

    directory: Path
    cases: dict[str, dict[str, Any]]
    note: str = NOTE

    def mean_of_raters(self) -> dict[str, dict[str, float]]:
        """Return each rater's rates, averaged over the cases."""
        rows = [case["raters"] for case in self.cases.values()]
        return {
            name: {what: fmean(row[name][what] for row in rows) for what in figures}
            for name, figures in rows[0].items()
        }


def make_cohort(
    directory: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    per_center: int = 5,
    spacing_mm: float = 2.0,
    say: Callable[[str], None] = lambda _: None,
) -> CohortResult:
    """Write cases of three centres, all outlined by the same seven raters.

    Parameters
    ----------
    directory : Path
        Created if it does not exist; ``Training`` and ``truth`` are written in it.
    seed : int
        Chooses the patients.
    overwrite : bool
        Replace an existing cohort.
    per_center : int
        Number of cases of each centre.
    spacing_mm : float
        Voxel edge, in mm.
    say : callable
        Called with a few words before each case.

    Raises
    ------
    OutputError
        If there is a cohort already, or it cannot be written. A cohort of other origin is never replaced.
    ValueError
        If the spacing is not between 0.5 and 8 mm.
    """
    if not 0.5 <= spacing_mm <= 8:
        raise ValueError(f"spacing-mm is {spacing_mm:g}: it must lie between 0.5 and 8")
    directory = needed_path(directory, "directory")
    _check_free(directory, per_center, overwrite=overwrite)
    cases = {}
    with Outputs(overwrite=overwrite) as outputs:
        for number, (name, scanner) in enumerate(_patients(per_center)):
            say(f"painting {name} ({number + 1} of {len(phantom.SCANNERS) * per_center})")
            case = phantom.make_case(
                1000 * seed + number,
                shape=_shape(spacing_mm),
                spacing_mm=spacing_mm,
                scanner=scanner,
                raters=RATERS,
            )
            _add_case(outputs, directory, name, scanner.name, case)
            cases[name] = _figures(scanner.name, case)
        outputs.add(directory / "truth" / "raters.json", sidecar_bytes(_facts(seed, spacing_mm, cases)))
        outputs.commit()
    return CohortResult(directory, cases)


def _check_free(directory: Path, per_center: int, *, overwrite: bool) -> None:
    training, facts = directory / "Training", directory / "truth" / "raters.json"
    if any(path.is_file() for path in training.rglob("*")):
        if not facts.is_file():
            raise OutputError(
                f"{shown(training)}: holds files that are not the demo's; choose another folder"
            )
        if not overwrite:
            raise OutputError(
                f"{shown(training)}: exists already; choose another folder or pass --overwrite (overwrite=True)"
            )
    ours = [facts]
    for name, scanner in _patients(per_center):
        ours += [*paths_of_case(training / scanner.name / name, len(RATERS)), _truth_path(directory, name)]
    check_free(ours, overwrite=overwrite)


def _patients(per_center: int) -> Iterator[tuple[str, phantom.Scanner]]:
    """Yield each patient's name, unique in the cohort, and scanner."""
    for i, scanner in enumerate(phantom.SCANNERS):
        for number in range(1 + i * per_center, 1 + (i + 1) * per_center):
            yield f"Patient_{number:02d}", scanner


def _shape(spacing_mm: float) -> tuple[int, int, int]:
    x, y, z = (round(side / spacing_mm) for side in FIELD_MM)
    return x, y, z


def _add_case(outputs: Outputs, directory: Path, name: str, center: str, case: phantom.Case) -> None:
    """Write one case's images, masks and truth."""
    files = case_files(directory / "Training" / center / name, case)
    files[_truth_path(directory, name)] = case.lesions
    add_volumes(outputs, files, case)


def _truth_path(directory: Path, name: str) -> Path:
    return directory / "truth" / f"{name}.nii.gz"


def _figures(center: str, case: phantom.Case) -> dict[str, Any]:
    """Compare the raters with the truth and with each other, inside the brain."""
    brain = case.brain == 1
    truth, masks = case.lesions[brain], [mask[brain] for mask in case.masks]
    return {
        "center": center,
        "lesions_ml": float(truth.sum() * abs(np.linalg.det(case.affine[:3, :3])) / 1000),
        "pairwise_dice": fmean(overlap(one, two).dice for one, two in combinations(masks, 2)),
        "raters": {style.name: _against(mask, truth) for style, mask in zip(RATERS, masks, strict=True)},
    }


def _against(mask: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, float]:
    found = overlap(mask, truth)
    return {
        "sensitivity": found.recall,
        "specificity": found.specificity,
        "precision": found.precision,
        "dice": found.dice,
        "volume_ratio": int(mask.sum()) / max(int(truth.sum()), 1),
    }


def _facts(seed: int, spacing_mm: float, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the content of raters.json, with null for nan (the precision of an empty mask)."""
    return {
        "seed": seed,
        "spacing_mm": spacing_mm,
        "raters": [asdict(style) for style in RATERS],
        "cases": {
            name: {
                **case,
                "raters": {
                    rater: {what: number_or_null(value) for what, value in row.items()}
                    for rater, row in case["raters"].items()
                },
            }
            for name, case in cases.items()
        },
    }
