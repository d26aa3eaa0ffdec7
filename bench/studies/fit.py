"""What the wrong model costs, both ways: python bench/studies/fit.py [COHORT ...].

Independent flips (five raters, sensitivity .8, specificity .95, prevalence .02, 200,000 voxels, five seeds), and cohorts of
contours in the layout of MSSEG-2016 with a ``truth`` folder, such as that of ``fastfuse demo --cohort``: there the brain's mask and
a margin of 4 mm.

With --levels: by how many nats border-STAPLE fits better than STAPLE, and how often BIC takes it if 0, 10, 16 or 40 numbers are counted for
its levels; 16 phantoms at 2 mm, whose raters draw contours, and five draws of flips.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

import fastfuse
from fastfuse.demo import phantom
from fastfuse.demo.cohort import RATERS as SHY
from fastfuse.fusion.fit.result import BORDER, OF_LEVELS, STAPLE, parameters_of
from fastfuse.fusion.fit.rows import Rows
from fastfuse.fusion.fit.source import fits_of

MODELS: dict[str, dict[str, Any]] = {
    "staple, prior estimated": {"method": "staple", "prior": "estimate"},
    "staple": {"method": "staple"},
    "three classes": {"method": "staple", "classes": 3},
    "border-staple": {"method": "border-staple"},
    "auto": {"method": "auto"},
}


class Problem(NamedTuple):
    """Masks and a truth."""

    masks: list[Any]
    truth: Any
    image: Any = None
    options: dict[str, Any] | None = None


def flips(seed: int, raters: int = 5) -> Problem:
    """Return masks of raters who err voxel by voxel."""
    rng = np.random.default_rng(seed)
    shape = (80, 50, 50)
    truth = rng.random(shape) < 0.02
    masks = [np.where(truth, rng.random(shape) < 0.8, rng.random(shape) > 0.95) for _ in range(raters)]
    return Problem(masks, truth, options={"spacing_mm": (1, 1, 1), "mask": np.ones(shape, bool), "roi": 4})


def cases(cohort: Path) -> Iterator[Problem]:
    """Yield the cases of a cohort."""

    def read(path: Path) -> Any:
        return np.asanyarray(nib.load(path).dataobj)

    for folder in sorted(cohort.glob("Training/*/*")):
        image = nib.load(folder / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz")
        masks = [read(path) > 0 for path in sorted(folder.glob("Masks/ManualSegmentation_*.nii.gz"))]
        mask = read(folder / "Masks" / "Brain_Mask.nii.gz") > 0
        spacing = tuple(map(float, image.header.get_zooms()[:3]))
        truth = read(cohort / "truth" / f"{folder.name}.nii.gz") > 0
        options = {"spacing_mm": spacing, "mask": mask, "roi": 4.0}
        yield Problem(masks, truth & mask, np.asanyarray(image.dataobj), options)


def scores(fusion: Any, one: Problem) -> tuple[float, float, float, float]:
    """Return Dice, Brier score a foreground voxel, calibration error, and nats a marked voxel below the best model."""
    options = one.options or {}
    near = fastfuse.majority_vote(one.masks).probability > 0
    region = options["mask"] & (near | (fusion.probability > 0))
    p, true = fusion.probability[region].astype(np.float64), one.truth[region]
    found = np.asarray(fusion.probability) >= 0.5
    dice = 2 * np.count_nonzero(found & one.truth) / (np.count_nonzero(found) + np.count_nonzero(one.truth))
    missed = np.count_nonzero(one.truth & ~region)
    at = np.minimum((10 * p).astype(int), 9)
    ece = np.abs(np.bincount(at, p - true, 10)).sum() / len(p)
    fit = fusion.fit
    best = max(model.log_likelihood_per_mark for model in fit.models.values())
    return (
        dice,
        (((p - true) ** 2).sum() + missed) / one.truth.sum(),
        ece,
        fit.models[fit.used].log_likelihood_per_mark - best,
    )


def print_table(title: str, problems: list[Problem]) -> None:
    """Print the means over problems."""
    print(f"\n{title}\n{'':34}   Dice  Brier    ECE   nats")
    images = [False, True] if problems[0].image is not None else [False]
    for name, model in MODELS.items():
        for with_image in images if name in ("border-staple", "auto") else [False]:
            taken: dict[str, int] = defaultdict(int)
            rows = []
            for one in problems:
                given = {"image": one.image} if with_image else {}
                fusion = fastfuse.fuse(one.masks, **model, **given, **(one.options or {}))
                rows.append(scores(fusion, one))
                taken[str(fusion.fit.used)] += 1
            called = f"{name}{', image' if with_image else ''}"
            took = ", ".join(f"{used} {count}" for used, count in taken.items()) if name == "auto" else ""
            print(f"{called:34} {'{:6.3f} {:6.3f} {:6.3f} {:+6.3f}'.format(*np.mean(rows, axis=0))}  {took}")


def phantoms(raters: int) -> Iterator[fastfuse.VoteTable]:
    """Yield the votes on phantoms, by those of the demo's raters and of its cohort's."""
    for styles in (phantom.RATERS, SHY):
        for seed in range(90_001, 90_009):
            case = phantom.make_case(seed, shape=(91, 109, 91), spacing_mm=2.0, raters=styles[:raters])
            yield fastfuse.tabulate(case.masks, mask=case.brain, roi=4, spacing_mm=(2, 2, 2))


def print_levels() -> None:
    """Print what hangs on how many numbers are counted for the levels."""
    counted = (0, 10, 16, 40)
    print(f"raters                 nats in favour  a marked voxel  border-STAPLE taken, {counted} counted")
    for raters in (4, 7):
        draws = (fastfuse.tabulate(flips(seed, raters).masks) for seed in range(5))
        for name, tables in (("contours", phantoms(raters)), ("flips", draws)):
            gains, marked = [], []
            for table in tables:
                rows = Rows.of(table.patterns, table.counts)
                assert rows is not None
                fits = fits_of(rows, (STAPLE, BORDER))
                higher = fits[BORDER].log_likelihood_per_mark - fits[STAPLE].log_likelihood_per_mark
                gains.append(higher * rows.marked)
                marked.append(rows.marked)
            least = parameters_of(BORDER, raters) - OF_LEVELS - parameters_of(STAPLE, raters)
            taken = [np.sum(gains > np.log(marked) * (least + count) / 2) for count in counted]
            ends = np.array([min(gains), max(gains)])
            per_voxel = np.sort(np.divide(gains, marked))[[0, -1]]
            print(
                f"{raters} {name:9} {len(gains):3} tables {ends[0]:7.0f} to {ends[1]:5.0f}  {per_voxel[0]:+.3f} to {per_voxel[1]:+.3f}"
                f"  {', '.join(map(str, taken))}"
            )


def main(cohorts: list[str]) -> None:
    """Print all tables."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    if cohorts == ["--levels"]:
        print_levels()
        return
    print_table("independent flips", [flips(seed) for seed in range(5)])
    for cohort in cohorts:
        print_table(cohort, list(cases(Path(cohort))))


if __name__ == "__main__":
    main(sys.argv[1:])
