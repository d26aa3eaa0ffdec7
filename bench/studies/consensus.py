"""What each method keeps of the raters' soft rings: python bench/studies/consensus.py CASE FIGURE.png.

CASE is one patient's folder in the MSSEG-2016 layout, such as demo-case/Training/Center_01/Patient_01. The paper
observes that soft-STAPLE keeps ring voxels of the better raters, and that the simplified one keeps fewer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import fastfuse
from fastfuse.images.reading import read
from fastfuse.report.plots.panels import draw_consensus


def main(case: Path, figure: Path) -> None:
    """Soften, fuse by every method, count and draw."""
    flair = read(case / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz").data
    brain = read(case / "Masks" / "Brain_Mask.nii.gz").data
    paths = sorted((case / "Masks").glob("ManualSegmentation_*.nii.gz"))
    masks = {
        path.name.split(".")[0].replace("ManualSegmentation_", "rater "): read(path).data for path in paths
    }
    softened = fastfuse.soften(list(masks.values()), flair, roi=brain)
    votes = [soft.values for soft in softened]
    fusions = {
        "staple": fastfuse.staple(list(masks.values()), mask=brain),
        "dilated-staple": fastfuse.dilated_staple(list(masks.values()), flair, mask=brain),
        "soft-staple": fastfuse.soft_staple(votes, mask=brain),
        "simplified-soft-staple": fastfuse.simplified_soft_staple(votes, mask=brain),
    }
    best = int(np.argmax(fusions["soft-staple"].sensitivity))
    name = list(masks)[best]
    consensus = {method: fusion.probability for method, fusion in fusions.items()}
    draw_consensus(figure, flair, masks, (name, votes[best]), consensus, overwrite=True)

    table = Table(title="Voxels of each rater's ring that are in the consensus (cut 0.5)")
    for title in ("rater", "sensitivity", "ring", *fusions):
        table.add_column(title, justify="right")
    for i, rater in enumerate(masks):
        ring = (votes[i] > 0) & (votes[i] < 1)
        kept = [np.count_nonzero(ring & (fusion.label() == 1)) for fusion in fusions.values()]
        rate = fusions["soft-staple"].sensitivity[i]
        table.add_row(rater, f"{rate:.3f}", f"{np.count_nonzero(ring):,}", *(f"{n:,}" for n in kept))
    nobody = np.all([vote < 1 for vote in votes], axis=0)
    kept = [np.count_nonzero(nobody & (fusion.label() == 1)) for fusion in fusions.values()]
    table.add_section()
    table.add_row("marked by nobody", "", "", *(f"{n:,}" for n in kept))
    table.add_row(
        "consensus", "", "", *(f"{np.count_nonzero(fusion.label()):,}" for fusion in fusions.values())
    )
    Console(width=max(100, Console().width)).print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
