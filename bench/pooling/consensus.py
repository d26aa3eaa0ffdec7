"""What pooled rates do to each case's consensus: python bench/pooling/consensus.py FOLDER [--cases 40].

On the heads that study.py has painted in FOLDER/heads: Dice with the truth and volume over the truth's, of each case's own fit
and by pooled rates, of raters who draw contours.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from heads import Case, of_head
from study import MARGIN_MM

import fastfuse


def place_of(case: Case, method: str) -> dict[str, Any]:
    """Return where a case is fused."""
    near = {"roi": MARGIN_MM, "spacing_mm": case.spacing_mm} if method == "border-staple" else {}
    return {"axis": 0, "mask": case.brain, **near}


def compared(cases: list[Case], method: Any) -> Any:
    """Return Dice and relative volume, shape (2, 2): own and pooled."""
    names = [str(k) for k in range(len(cases[0].masks))]
    tables = {one.name: fastfuse.tabulate(one.masks, names=names, **place_of(one, method)) for one in cases}
    pooled: Any = fastfuse.pool(tables, method)
    found = []
    for one in cases:
        place = place_of(one, method)
        image = {"image": one.flair} if method == "border-staple" else {}
        alone = fastfuse.fuse(one.masks, method=method, **place, **image)
        both = [alone, pooled.of(one.name).apply(one.masks, **place, **image)]
        truth = one.truth.sum()
        marked = [(made.probability >= 0.5) for made in both]
        dice = [2 * (mask & one.truth).sum() / (mask.sum() + truth) for mask in marked]
        found.append([dice, [made.probability.sum() / truth for made in both]])
    return np.mean(found, axis=0)


def main(folder: Path, count: int) -> None:
    """Print a line for each method."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    cases = [of_head(path) for path in sorted((folder / "heads").glob("*.npz"))[:count]]
    print(f"{len(cases)} heads       Dice own, pooled    volume own, pooled")
    for method in ("staple", "border-staple"):
        (own, pooled), volumes = compared(cases, method)
        print(f"{method:15} {own:8.3f} {pooled:8.3f} {volumes[0]:12.2f} {volumes[1]:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--cases", type=int, default=40)
    given = parser.parse_args()
    main(given.folder, given.cases)
