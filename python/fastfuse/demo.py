"""A synthetic case, written, fused by every method and held against its truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import nifti, phantom
from .errors import OutputError
from .fusion import fuse_arrays
from .metrics import Overlap, overlap
from .outputs import Outputs
from .paths import shown
from .plots import draw_consensus
from .result import METHODS, Fusion, Method

PATIENT = "Patient_01"


@dataclass(frozen=True)
class MethodRow:
    """One method's consensus and how near it is to the truth."""

    method: str
    votes: str
    fusion: Fusion
    overlap: Overlap
    seconds: float


@dataclass(frozen=True)
class RaterRow:
    """One rater's name and true performance."""

    name: str
    overlap: Overlap


@dataclass(frozen=True)
class DemoResult:
    """What the demo found and where its figure lies."""

    methods: list[MethodRow]
    raters: list[RaterRow]
    figure: Path
    note: str


NOTE = """\
Binary votes are the raters' masks; soft ones add 0.3 on the rim that a rater
doubts. The true performance is that of the masks; all is measured inside the
brain. These raters, as real ones, share errors: the same contours, the same
missed lesions. STAPLE takes them for independent, and so marks too much here."""


def run(
    directory: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    shape: tuple[int, int, int] = (182, 218, 182),
    spacing_mm: float = 1.0,
    say: Callable[[str], None] = lambda _: None,
) -> DemoResult:
    """Write the case below ``directory``, fuse its raters by every method and draw the result.

    Parameters
    ----------
    directory : Path
        Made if it is not there.
    seed : int
        Of the patient.
    overwrite : bool
        Replace a case that is there.
    shape, spacing_mm
        Of the volume, in voxels and mm.
    say : callable
        Called with a few words before each step.

    Raises
    ------
    OutputError
        If a case is there already, or cannot be written.
    """
    figure = directory / "consensus.png"
    if figure.exists() and not overwrite:
        raise OutputError(f"{shown(figure)}: exists already; choose another folder or pass --overwrite")
    say("painting the phantom")
    case = phantom.make_case(seed, shape=shape, spacing_mm=spacing_mm)
    say("fusing")
    rows = [
        _fuse_case(case, method, votes)
        for method in METHODS
        for votes in (("binary",) if method in ("staple", "majority") else ("soft",))
    ]
    _write_case(case, rows, directory, say)
    say("drawing")
    draw_consensus(
        figure,
        case.images["FLAIR"],
        case.lesions,
        {style.name: mask for style, mask in zip(phantom.RATERS, case.masks, strict=True)},
        {f"{row.method}\nDice {row.overlap.dice:.3f}": row.fusion.probability for row in rows},
    )
    raters = [
        RaterRow(style.name, overlap(mask[case.brain == 1], case.lesions[case.brain == 1]))
        for style, mask in zip(phantom.RATERS, case.masks, strict=True)
    ]
    return DemoResult(rows, raters, figure, NOTE)


def _fuse_case(case: phantom.Case, method: Method, votes: str) -> MethodRow:
    begin = time.perf_counter()
    fusion, _ = fuse_arrays(case.masks if votes == "binary" else case.votes, method, mask=case.brain)
    seconds = time.perf_counter() - begin
    return MethodRow(method, votes, fusion, overlap(fusion.label(), case.lesions), seconds)


def _write_case(
    case: phantom.Case, rows: list[MethodRow], directory: Path, say: Callable[[str], None]
) -> None:
    """Write the case as MSSEG-2016 lays it out, its truth, and the consensus files."""
    patient = directory / "Training" / phantom.SCANNERS[0].name / PATIENT
    files: dict[Path, NDArray[np.generic]] = {}
    for name, image in case.images.items():
        files[patient / "Preprocessed_Data" / f"{name}_preprocessed.nii.gz"] = image
    files[patient / "Masks" / "Brain_Mask.nii.gz"] = case.brain
    for i, (mask, votes) in enumerate(zip(case.masks, case.votes, strict=True), start=1):
        files[patient / "Masks" / f"ManualSegmentation_{i}.nii.gz"] = mask
        files[patient / "Masks" / f"SoftSegmentation_{i}.nii.gz"] = votes
    for row in rows:
        files[patient / "Masks" / f"Consensus_{row.method}.nii.gz"] = row.fusion.probability
    files[directory / "truth" / f"{PATIENT}.nii.gz"] = case.lesions
    like = nifti.Image(directory, case.lesions, case.affine)
    try:
        for folder in {path.parent for path in files}:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{shown(folder)}: cannot be made ({error.strerror})") from error
    with Outputs() as outputs:
        for path, data in files.items():
            say(f"writing {path.name}")
            outputs.add(path, nifti.nifti_bytes(path, data, like, f"fastfuse demo {path.name.split('.')[0]}"))
        outputs.commit()
