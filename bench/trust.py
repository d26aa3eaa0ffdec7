"""Every way to a consensus on a cohort with truth: python bench/trust.py COHORT [FOLDER] [--flips].

COHORT is in the layout of MSSEG-2016 with ``truth/PATIENT.nii.gz``, as ``fastfuse demo --cohort`` writes it. All is fused
inside the brain, within 4 mm of what anybody marks unless a method's name says otherwise; methods are those of
``fastfuse compare``, and STAPLE of the whole volume as SimpleITK has it. Printed are means over cases with 95 % bootstrap
intervals over the cases:

- Dice, precision, recall, volume / truth, lesion F1 (MSSEG-2016's rule), HD95 (mm) of the mask inside the brain;
- Brier and log, summed for each voxel of the truth, and the calibration error (ECE) over the region;
- errors of the raters' sensitivity and specificity: mean over raters of their distance to the rates against the truth,
  both over the voxels that were fused;
- coverage of ``intervals="lesions"`` (95 %): the share of raters and cases whose interval holds that rate against the truth.
  An interval that is undefined holds nothing.

With ``--flips``, five raters who err voxel by voxel (sensitivity .8, specificity .95) take the place of the cohort's: where
STAPLE's model holds, and no contour is drawn. With FOLDER, trust.md, trust.csv (a row a case and method) and coverage.csv are written. The raters of such cohorts are
simulated: read what their README says before you believe a figure.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastfuse
from cohorts.msseg import Patient, patients, true_rates
from cohorts.scores import in_markdown, interval_of_mean
from fastfuse.comparison.scores import scores_of
from fastfuse.comparison.ways import Made, made_by, ways_for

MEASURES = {
    "Dice": 3, "precision": 3, "recall": 3, "volume / truth": 2, "lesion F1": 3, "HD95": 1, "Brier": 3, "log": 3,
    "ECE": 4, "error of sensitivity": 3, "error of specificity": 4,
}  # fmt: skip
MASKS, PROBABILITIES = list(MEASURES)[:6], list(MEASURES)[6:]
WHOLE = "staple, whole volume"
WITH_INTERVALS: dict[str, dict[str, Any]] = {
    "staple, prior mean": {"method": "staple", "prior": "mean"},
    "staple, prior estimate": {"method": "staple", "prior": "estimate"},
    "border-staple": {"method": "border-staple", "tol": 1e-4},
    "border-staple, image": {"method": "border-staple", "tol": 1e-4, "with_image": True},
}


def ways(one: Patient) -> Iterator[tuple[str, Made, Any]]:
    """Yield what each way makes, by its name, with the voxels that were fused."""
    whole = fastfuse.staple(one.problem.masks)
    yield WHOLE, Made(whole.label() != 0, whole.probability, fusion=whole), np.ones(one.truth.shape, bool)
    for way in ways_for(one.problem):
        made = made_by(way, one.problem)
        title = f"{way.method}, prior {way.prior}" if way.prior else way.method
        everywhere = way.method == "staple, no margin"
        if not isinstance(made, str):
            yield title, made, one.problem.mask if everywhere else one.problem.near


def measured(one: Patient, made: Made, fused: Any) -> dict[str, float]:
    """Return all measures of a consensus of one case."""
    inside = one.problem.mask
    label = made.label & inside
    found = fastfuse.evaluate(label, one.truth, spacing_mm=one.spacing_mm, mask=inside)
    p = None if made.probability is None else np.where(inside, made.probability, 0)
    scores = scores_of(label, p, one.truth, one.problem.near)
    values = [
        found.dice,
        found.precision,
        found.recall,
        found.prediction_ml / found.truth_ml,
        found.lesion_f1,
    ]
    values += [found.hd95_mm, scores.brier, scores.log, scores.ece, *errors_of_rates(one, made, fused)]
    return dict(zip(MEASURES, values, strict=True))


def errors_of_rates(one: Patient, made: Made, fused: Any) -> tuple[float, float]:
    """Return the mean distance of sensitivities and specificities to those against the truth."""
    fusion = made.fusion
    if fusion is None or np.isnan(fusion.sensitivity).all():
        return float("nan"), float("nan")
    sensitivity, specificity = true_rates(one, fused)
    return (
        float(np.nanmean(np.abs(fusion.sensitivity - sensitivity))),
        float(np.nanmean(np.abs(fusion.specificity - specificity))),
    )


def covered(one: Patient, replicates: int) -> Iterator[tuple[str, float, float]]:
    """Yield each method with the shares of raters whose intervals over lesions hold the rates against the truth."""
    true = true_rates(one, one.problem.near)
    for name, options in WITH_INTERVALS.items():
        fusion, _ = one.problem.fuse(**options, intervals="lesions", replicates=replicates)
        assert fusion.intervals is not None
        pair = fusion.intervals.sensitivity, fusion.intervals.specificity
        held = [
            float(np.mean((ends[:, 0] <= rate) & (rate <= ends[:, 1])))
            for ends, rate in zip(pair, true, strict=True)
        ]
        yield name, held[0], held[1]


def table(found: dict[str, list[dict[str, float]]], measures: list[str]) -> str:
    """Return means with intervals, a row a method that has any."""
    rows = []
    for name, cases in found.items():
        cells = []
        for measure in measures:
            mean, low, high = interval_of_mean([case[measure] for case in cases])
            digits = MEASURES[measure]
            cells.append(
                "–" if np.isnan(mean) else f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
            )
        if set(cells) != {"–"}:
            rows.append([name, *cells])
    return in_markdown(["method", *measures], rows)


def table_of_coverage(held: dict[str, list[tuple[float, float]]]) -> str:
    """Return the coverage by method."""
    rows = []
    for name, shares in held.items():
        pair = zip(*shares, strict=True)
        rows.append([name, *("{:.3f} ({:.3f} to {:.3f})".format(*interval_of_mean(one)) for one in pair)])
    return in_markdown(["coverage of 95 % intervals over lesions", "sensitivity", "specificity"], rows)


def write(folder: Path, text: str, lines: list[list[Any]], shares: list[list[Any]]) -> None:
    """Write the tables, and a row for each case and method."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trust.md").write_text(text)
    for name, rows in (("trust.csv", lines), ("coverage.csv", shares)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def main(cohort: Path, folder: Path | None, cases: int | None, replicates: int, *, flips: bool) -> None:
    """Fuse, measure, print and write."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    held: dict[str, list[tuple[float, float]]] = defaultdict(list)
    lines: list[list[Any]] = [["case", "method", *MEASURES]]
    shares: list[list[Any]] = [["case", "method", "sensitivity", "specificity"]]
    count = 0
    for one in patients(cohort, cases, flips=flips):
        count += 1
        for name, made, fused in ways(one):
            values = measured(one, made, fused)
            found[name].append(values)
            lines.append([one.name, name, *values.values()])
        for name, *pair in covered(one, replicates):
            held[name].append((pair[0], pair[1]))
            shares.append([one.name, name, *pair])
    raters = ", raters who err voxel by voxel" if flips else ""
    parts = [f"{count} cases of {cohort.name}{raters}.", table(found, MASKS), table(found, PROBABILITIES)]
    text = "\n\n".join([*parts, table_of_coverage(held)]) + "\n"
    print(text)
    if folder is not None:
        write(folder, text, lines, shares)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path, metavar="COHORT")
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    parser.add_argument("--cases", type=int, help="so many cases only")
    parser.add_argument("--replicates", type=int, default=200, help="of each bootstrap over lesions")
    parser.add_argument("--flips", action="store_true", help="raters who err voxel by voxel")
    given = parser.parse_args()
    main(given.cohort, given.folder, given.cases, given.replicates, flips=given.flips)
