"""The demo of one case: made, fused by every method, compared with its truth, written and drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ..dilation.conditional import soften
from ..errors import OutputError
from ..evaluation.overlap import Overlap, overlap
from ..fusion.methods.dilated import dilated_staple
from ..fusion.options import Options
from ..fusion.pipeline import fuse_votes
from ..fusion.registry import METHODS, Method
from ..fusion.result import Fusion
from ..fusion.votes import Votes
from ..images.outputs import Outputs, together
from ..images.paths import needed_path, shown
from ..inputs.checks import check_choice
from ..report.plots.panels import draw_consensus
from . import phantom
from .files import add_volumes, case_files, check_free, mask_path, paths_of_case

PATIENT = "Patient_01"
MARGIN_MM = 4.0  # around any mark, within which all methods are compared
RatersName = Literal["contours", "flips"]
RATERS: dict[RatersName, Sequence[phantom.Style]] = {
    "contours": phantom.RATERS,
    "flips": phantom.FLIPS,
}
T = TypeVar("T")


@dataclass(frozen=True)
class MethodRow:
    """One method's consensus by its defaults and its overlap with the truth; ``near``: that of a fusion within the margin."""

    method: str
    votes: str
    fusion: Fusion
    overlap: Overlap
    near: Overlap
    seconds: float


@dataclass(frozen=True)
class RaterRow:
    """One rater's name and overlap with the truth."""

    name: str
    overlap: Overlap


@dataclass(frozen=True)
class DemoResult:
    """Results of the demo, the path of its figure, and the margin of what ``near`` is measured in."""

    methods: list[MethodRow]
    raters: list[RaterRow]
    figure: Path
    note: str
    margin_mm: float = MARGIN_MM


NOTE = f"""\
Each method by its defaults: border-STAPLE within {MARGIN_MM:g} mm of any mark, the others in
the whole brain. More background makes STAPLE mark more, so the last column has
the Dice of each method within those {MARGIN_MM:g} mm (roi={MARGIN_MM:g}).
The soft methods fuse the masks grown on FLAIR by conditional dilation: 0.3 on a
rim of bright voxels. Dilated-STAPLE grows STAPLE's consensus in the same way.
Border-STAPLE reads on FLAIR where the border lies.
The true performance is that of the masks; all is measured inside the brain, but
border-STAPLE's: its specificity is of the voxels within 4 mm of any mark.
"""
OF_RATERS: dict[RatersName, str] = {
    "contours": """\
These raters, as real ones, share errors: they draw nested contours, and miss the
same lesions. STAPLE takes them for independent, voxel by voxel; border-STAPLE does
not. Of raters who are, see --raters flips.
""",
    "flips": """\
These raters err voxel by voxel, each by themselves: what STAPLE takes for granted.
Experts are not like that, crowds or unrelated networks may be. Border-STAPLE looks
for nested contours, of which there are none.
""",
}


def run(
    directory: Path,
    *,
    seed: int = 0,
    raters: RatersName = "contours",
    overwrite: bool = False,
    shape: tuple[int, int, int] = (182, 218, 182),
    spacing_mm: float = 1.0,
    say: Callable[[str], None] = lambda _: None,
) -> DemoResult:
    """Write the case below ``directory``, fuse its raters by every method and draw the result.

    Parameters
    ----------
    directory : Path
        Created if it does not exist.
    seed : int
        Chooses the patient.
    raters : {"contours", "flips"}
        Whether raters draw contours, or err voxel by voxel.
    overwrite : bool
        Replace files that are there.
    shape, spacing_mm
        Number of voxels along each axis, and voxel edge in mm.
    say : callable
        Called with a few words before each step.

    Raises
    ------
    OutputError
        If a file is there already that would be written, or it cannot be written. Nothing is changed then.
    """
    check_choice(raters, "raters", get_args(RatersName))
    styles = RATERS[raters]
    directory = needed_path(directory, "directory")
    figure = directory / "consensus.png"
    _check_free(directory, figure, overwrite=overwrite)
    say("painting the phantom")
    case = phantom.make_case(seed, shape=shape, spacing_mm=spacing_mm, raters=styles)
    say("fusing")
    softened, seconds = _timed(lambda: soften(case.masks, case.images["FLAIR"], roi=case.brain))
    votes = [soft.values for soft in softened]
    rows = [_fuse_case(case, votes, seconds, method) for method in METHODS]
    with together():
        _write_case(case, votes, rows, directory, say, overwrite=overwrite)
        say("drawing")
        draw_consensus(
            figure,
            case.images["FLAIR"],
            {style.name: mask for style, mask in zip(styles, case.masks, strict=True)},
            (styles[0].name, votes[0]),
            {
                f"{row.method}\nDice {row.overlap.dice:.3f} ({MARGIN_MM:g} mm: {row.near.dice:.3f})": row.fusion.probability
                for row in rows
            },
            case.lesions,
            overwrite=overwrite,
        )
    rated = [
        RaterRow(style.name, overlap(mask[case.brain == 1], case.lesions[case.brain == 1]))
        for style, mask in zip(styles, case.masks, strict=True)
    ]
    return DemoResult(rows, rated, figure, NOTE + OF_RATERS[raters] + _compared(rows))


def _compared(rows: Sequence[MethodRow]) -> str:
    """Say which method does best where all fuse the same voxels."""
    ranked = sorted(rows, key=lambda row: -row.near.dice)
    told = ", ".join(f"{row.method} {row.near.dice:.3f}" for row in ranked)
    return (
        f"Dice within {MARGIN_MM:g} mm of any mark, the same voxels for all: {told}.\n"
        "That is one simulated case, and ranks no methods: fastfuse demo --cohort has fifteen."
    )


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    begin = time.perf_counter()
    return work(), time.perf_counter() - begin


def _fuse_case(
    case: phantom.Case, votes: Sequence[NDArray[np.float32]], softening_s: float, method: Method
) -> MethodRow:
    soft = method.estimates and method.votes == "soft" and not method.of_levels
    raters = votes if soft else case.masks
    margin = {"spacing_mm": np.linalg.norm(case.affine[:3, :3], axis=0).tolist()}
    own = margin if method.of_levels else {}
    fusion, seconds = _timed(lambda: _fuse(case, raters, method, own))
    as_near = method.of_levels or not method.estimates  # a margin is the default, or changes nothing
    near = fusion if as_near else _fuse(case, raters, method, {**margin, "roi": MARGIN_MM})
    return MethodRow(
        method.name,
        "soft" if soft else "binary",
        fusion,
        overlap(fusion.label(), case.lesions),
        overlap(near.label(), case.lesions),
        seconds + softening_s * soft,
    )


def _fuse(
    case: phantom.Case, raters: Sequence[NDArray[Any]], method: Method, options: Mapping[str, Any]
) -> Fusion:
    """Fuse the voxels of the brain. What ``options`` leaves out is as the method has it by default."""
    if method.grows:
        return dilated_staple(raters, case.images["FLAIR"], mask=case.brain, **options)
    image = case.images["FLAIR"] if method.of_levels else None
    return fuse_votes(
        Votes(raters, mask=case.brain, image=image), method, Options(**options).of_method(method)
    )[0]


def _write_case(
    case: phantom.Case,
    votes: Sequence[NDArray[np.float32]],
    rows: list[MethodRow],
    directory: Path,
    say: Callable[[str], None],
    *,
    overwrite: bool,
) -> None:
    """Write the case in the layout of MSSEG-2016, its truth, and the consensus files."""
    patient = _patient(directory)
    files = case_files(patient, case)
    for i, soft in enumerate(votes, start=1):
        files[_soft_path(patient, i)] = soft
    for row in rows:
        files[_consensus_path(patient, row.method)] = row.fusion.probability
    files[_truth_path(directory)] = case.lesions
    with Outputs(overwrite=overwrite) as outputs:
        add_volumes(outputs, files, case, say)
        outputs.commit()


def _check_free(directory: Path, figure: Path, *, overwrite: bool) -> None:
    """Refuse a folder in which files would be replaced, or would be mixed with those of another origin."""
    patient, raters = _patient(directory), len(phantom.RATERS)
    ours = [
        figure,
        _truth_path(directory),
        *paths_of_case(patient, raters),
        *(_soft_path(patient, i) for i in range(1, raters + 1)),
        *(_consensus_path(patient, method.name) for method in METHODS),
    ]
    if (directory / "truth" / "raters.json").is_file():
        raise OutputError(f"{shown(directory)}: holds a cohort, not one case; choose another folder")
    check_free(ours, overwrite=overwrite)
    if not overwrite and any(path.is_file() for path in patient.rglob("[!.]*")):
        raise OutputError(f"{shown(patient)}: holds files that are not the demo's; choose another folder")


def _patient(directory: Path) -> Path:
    return directory / "Training" / phantom.SCANNERS[0].name / PATIENT


def _soft_path(patient: Path, number: int) -> Path:
    return mask_path(patient, f"SoftSegmentation_{number}")


def _consensus_path(patient: Path, method: str) -> Path:
    return mask_path(patient, f"Consensus_{method}")


def _truth_path(directory: Path) -> Path:
    return directory / "truth" / f"{PATIENT}.nii.gz"
