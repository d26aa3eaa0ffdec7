"""``fastfuse review``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..common import answer, progress, warnings_as_lines
from ..switches import Overwrite
from ..words.declared import Argument, Option

if TYPE_CHECKING:
    from ...files.review.make import Review

EXAMPLES = (
    "fastfuse review consensus.nii.gz -o review.csv --markups review.mrk.json",
    "fastfuse fuse rater*.nii.gz -o reviewed.nii.gz --decisions review.csv",
    "fastfuse cohort fuse data --out fused && fastfuse review fused -o review.csv",
    "fastfuse cohort fuse data --out fused --decisions review.csv",
)


def review(
    consensus: Annotated[
        Path,
        Argument(
            help="What fuse wrote (.nii, .nii.gz), or the .json beside it; the folder that cohort fuse wrote into.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            help="The list (.csv); write yes or no into its column decision, of label maps the label.",
            show_default=False,
        ),
    ],
    markups: Annotated[
        Path | None,
        Option(help="Also write the lesions as points for 3D Slicer (.mrk.json).", show_default=False),
    ] = None,
    everything: Annotated[
        bool, Option("--everything", help="List all lesions, also those that all raters mark; of masks.")
    ] = False,
    inputs: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Folder where the raters' files lie now, if they have moved.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """List the lesions, or places of label maps, on which raters disagree, those first on which most of the consensus hangs."""
    from ...cohort.review.make import is_of_cohort, review_cohort
    from ...files.review.make import review_files
    from ...report.review import print_review

    of_cohort = is_of_cohort(consensus)
    with warnings_as_lines(), progress(None) as say:
        found = (review_cohort if of_cohort else review_files)(
            consensus,
            output,
            markups=markups,
            everything=everything,
            inputs=inputs,
            overwrite=overwrite,
            progress=say,
        )
    answer(lambda: _facts(found), lambda: print_review(_facts(found)))


def _facts(found: Review) -> dict[str, Any]:
    return {
        "lesions": [one.facts() for one in found.lesions],
        "raters": list(found.raters),
        "all": found.all,
        "votes": found.votes,
        "outputs": [str(path) for path in found.written],
    }
