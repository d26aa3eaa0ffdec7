"""``fastfuse demo``."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

from ..errors import FastfuseError, lacking
from ..images.memory import NUMPY, SCIPY, check_addresses
from ..images.paths import shown
from .common import answer, progress
from .switches import choice
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse demo demo-case",
    "fastfuse demo flips --raters flips",
    "fastfuse demo --cohort demo-cohort",
    "fastfuse demo --labels demo-labels",
)

CASE, LABELS = Path("demo-case"), Path("demo-labels")
SPACING_MM = 2.0  # of a cohort


class RatersName(str, Enum):
    """How the raters of a case err."""

    CONTOURS = "contours"
    FLIPS = "flips"


def demo(
    directory: Annotated[
        Path | None,
        Argument(help="Folder for the case; made if it is not there.", show_default=str(CASE)),
    ] = None,
    raters: Annotated[
        RatersName | None,
        choice(
            "Raters who draw contours, as experts do, or who err voxel by voxel (flips).",
            show_default=RatersName.CONTOURS.value,
        ),
    ] = None,
    seed: Annotated[int, Option(min=0, help="Another number, another patient.")] = 0,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a case that is there.")] = False,
    cohort: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Write fifteen cases of three centres in this folder instead.",
            show_default=False,
        ),
    ] = None,
    spacing_mm: Annotated[
        float | None, Option(help="Voxel edge of a cohort.", show_default=str(SPACING_MM))
    ] = None,
    labels: Annotated[
        bool,
        Option("--labels", help="Label maps of eight structures and five raters instead, in demo-labels."),
    ] = False,
) -> None:
    """Write a synthetic whole-brain MS case, fuse its seven raters by every method, and draw the result."""
    check_addresses("SciPy", NUMPY + SCIPY, "scipy.special")
    _check_folder(cohort or directory or (LABELS if labels else CASE))
    if labels and cohort is not None:
        raise FastfuseError("give --labels or --cohort, not both")
    if raters is not None and (labels or cohort is not None):
        raise FastfuseError(
            "--raters is for one case: leave it out with --labels and --cohort, whose raters draw contours"
        )
    if cohort is None:
        if spacing_mm is not None:
            raise FastfuseError("--spacing-mm is for --cohort only; leave it out")
        if labels:
            _label_maps(directory or LABELS, seed, overwrite)
        else:
            _one_case(directory or CASE, seed, raters or RatersName.CONTOURS, overwrite)
    elif directory is not None:
        raise FastfuseError("give one folder: that of a case, or --cohort's")
    else:
        _cohort(cohort, seed, overwrite, SPACING_MM if spacing_mm is None else spacing_mm)


def _check_folder(folder: Path) -> None:
    """Refuse, before any work, a folder that cannot be made or written to."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), Path())
    if not there.is_dir():
        raise FastfuseError(f"{shown(there)} is a file: name a folder for what the demo writes")
    if not os.access(there, os.W_OK):
        raise FastfuseError(
            f"{shown(there)}: nothing can be written there: name another folder for what the demo writes"
        )


def _one_case(directory: Path, seed: int, raters: RatersName, overwrite: bool) -> None:
    try:
        from ..demo.case import RATERS, run
    except ImportError as error:
        raise lacking("the demo", error, "demo") from None
    from ..demo.facts import facts_of_case
    from ..demo.printing import print_demo

    with progress(None) as say:
        styles = next(name for name in RATERS if name == raters.value)
        result = run(directory, seed=seed, raters=styles, overwrite=overwrite, say=say)
    answer(lambda: facts_of_case(result), lambda: print_demo(result))


def _label_maps(directory: Path, seed: int, overwrite: bool) -> None:
    try:
        from ..demo.labels import FITS, facts_of_labels, run_labels
    except ImportError as error:
        raise lacking("the demo", error, "demo") from None
    from ..demo.organs import NAMES, UNKNOWN
    from ..demo.printing import print_labels

    with progress(None) as say:
        result = run_labels(directory, seed=seed, overwrite=overwrite, say=say)
    answer(lambda: facts_of_labels(result), lambda: print_labels(result, NAMES, list(FITS), NAMES[UNKNOWN]))


def _cohort(directory: Path, seed: int, overwrite: bool, spacing_mm: float) -> None:
    try:
        from ..demo.cohort import make_cohort
    except ImportError as error:
        raise lacking("the demo", error, "demo") from None
    from ..demo.facts import facts_of_cohort
    from ..demo.printing import print_made

    with progress(None, lines=True) as say:
        result = make_cohort(directory, seed=seed, overwrite=overwrite, spacing_mm=spacing_mm, say=say)
    answer(lambda: facts_of_cohort(result), lambda: print_made(result))
