"""Which probabilities mean what they say, and where: python -m cohorts.calibration [COHORT ...], in bench.

Two groups of phantoms at 2 mm are painted: with the raters of ``fastfuse demo``, and with those of ``fastfuse demo --cohort``, who
draw farther in. No choice in fastfuse rests on their seeds. COHORT is in the layout of MSSEG-2016 with ``truth/PATIENT.nii.gz``.
All is fused and measured in the brain, within 4 mm of what anybody marks. All raters are simulated.

Printed are means over cases; of differences, the least and the greatest of a case, too:

- in doubt, probabilities of .1 to .9: their share of the region, their mean, how much of them is lesion, the difference, and the
  calibration error (ECE) among them;
- sure, from .9 on: the same share, mean and lesion;
- the ECE over the region, most of which is in no doubt.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastfuse
from fastfuse.comparison.problem import Problem
from fastfuse.demo import cohort, phantom
from fastfuse.fusion.options import Options
from fastfuse.fusion.votes import Votes

from .msseg import MARGIN_MM, Patient, patients
from .scores import calibration_error, in_markdown

FIRST_SEED = 90_001
SHAPE, SPACING_MM = (91, 109, 91), 2.0
DOUBT, SURE = 0.1, 0.9
RATERS = {"the demo's raters": phantom.RATERS, "the demo cohort's raters": cohort.RATERS}
METHODS: dict[str, dict[str, Any]] = {
    "mean vote": {"method": "majority"},
    "staple": {"method": "staple"},
    "staple, prior estimated": {"method": "staple", "prior": "estimate"},
    "staple, three classes": {"method": "staple", "classes": 3},
    "border-staple": {"method": "border-staple", "tol": 1e-4},
    "border-staple, image": {"method": "border-staple", "tol": 1e-4, "with_image": True},
    "border-staple, evidence": {"method": "border-staple", "tol": 1e-4, "with_image": True, "evidence": True},
}
HEAD = [
    "method", "in doubt", "mean p", "lesion", "mean p − lesion", "ECE in doubt", "p ≥ .9", "mean p", "lesion", "ECE, region",
]  # fmt: skip


def phantoms(raters: Any, cases: int) -> Iterator[Patient]:
    """Yield phantoms whose lesions these raters outline."""
    for seed in range(FIRST_SEED, FIRST_SEED + cases):
        case = phantom.make_case(seed, shape=SHAPE, spacing_mm=SPACING_MM, raters=raters)
        brain = case.brain > 0
        masks = [mask > 0 for mask in case.masks]
        votes = Votes(masks, brain, axis=0, image=case.images["FLAIR"]).listed()
        sides = (SPACING_MM,) * 3
        problem, _ = Problem.of(votes, Options(spacing_mm=sides).checked(), MARGIN_MM, None)
        yield Patient(f"phantom {seed}", problem, (case.lesions > 0) & brain, sides)


def measured(p: Any, truth: Any) -> list[float]:
    """Return what `HEAD` names, of the voxels of a region; nan of no voxel."""
    p, truth = np.asarray(p, np.float64), np.asarray(truth, np.float64)
    doubt, sure = (p >= DOUBT) & (p < SURE), p >= SURE
    said, true = _mean(p[doubt]), _mean(truth[doubt])
    ece, whole = (
        calibration_error(p[where], truth[where], np.ones(where.sum()))
        for where in (doubt, np.ones(p.shape, bool))
    )
    return [
        doubt.mean(),
        said,
        true,
        said - true,
        ece,
        sure.mean(),
        _mean(p[sure]),
        _mean(truth[sure]),
        whole,
    ]


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else float("nan")


def row(name: str, cases: list[list[float]]) -> list[str]:
    """Return means over cases, and the ends of the difference."""
    means, off = np.mean(cases, axis=0), np.array(cases)[:, 3]
    digits = [3, 3, 3, 3, 3, 3, 3, 3, 4]
    cells = [f"{mean:.{d}f}" for mean, d in zip(means, digits, strict=True)]
    cells[3] = f"{means[3]:+.3f} ({off.min():+.3f} to {off.max():+.3f})"
    return [name, *cells]


def print_table(title: str, cases: Iterable[Patient]) -> None:
    """Fuse each case by each method, and print."""
    found = defaultdict(list)
    count = 0
    for one in cases:
        count += 1
        near = one.problem.near
        for name, options in METHODS.items():
            fusion, _ = one.problem.fuse(**options)
            found[name].append(measured(fusion.probability[near], one.truth[near]))
    print(
        f"\n{count} cases, {title}\n\n{in_markdown(HEAD, [row(*one) for one in found.items()])}", flush=True
    )


def main(cohorts: list[Path], cases: int) -> None:
    """Print a table of each group."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    for name, raters in RATERS.items():
        print_table(
            f"phantom, {name}, seeds {FIRST_SEED} to {FIRST_SEED + cases - 1}", phantoms(raters, cases)
        )
    for one in cohorts:
        print_table(one.name, patients(one, cases))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohorts", nargs="*", type=Path, metavar="COHORT")
    parser.add_argument("--cases", type=int, default=15, help="so many cases of each group")
    given = parser.parse_args()
    main(given.cohorts, given.cases)
