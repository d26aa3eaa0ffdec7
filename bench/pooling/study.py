"""How near pooled rates are to the truth, and whether their intervals hold it: python bench/pooling/study.py FOLDER.

Phantom heads are painted into FOLDER/heads (those that are there stay: stopped, it goes on), and divided into cohorts of
``--cases``. Of two sets of raters, who err voxel by voxel (redrawn ``--draws`` times) and who draw contours, as ``fastfuse demo``
has them, the rates are pooled by STAPLE and by border-STAPLE. ``--cohort`` takes files with truth in place of heads.
The truth is that of all heads together; of raters who err voxel by voxel, that which they are drawn by.
Each row of the table is kept in FOLDER/rows.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from heads import Case, heads, of_head, patients, read_all
from scipy import ndimage

import fastfuse
from fastfuse import phantom

MARGIN_MM = 4.0  # border-STAPLE's region
REPLICATES = 200
HEAD = "| raters | consensus | cases x cohorts | one case | pooled | ratio | bias | intervals: sensitivity | specificity |"


class Model(NamedTuple):
    """What is pooled: of which raters, how, and whether FLAIR tells each case's anchor."""

    kind: str
    method: str
    options: dict[str, Any]
    by_flair: bool = False

    @property
    def name(self) -> str:
        """What the table calls it."""
        more = [f"prior {self.options['prior']}"] if self.options else []
        return ", ".join([self.method, *more, *(["anchor by FLAIR"] if self.by_flair else [])])

    @property
    def is_near(self) -> bool:
        """Whether voxels near marks count alone, not the whole brain."""
        return self.method == "border-staple"


MODELS = [
    Model("flips", "staple", {"prior": "mean"}),
    Model("flips", "staple", {"prior": "estimate"}),
    Model("contours", "staple", {"prior": "mean"}),
    Model("contours", "staple", {"prior": "estimate"}),
    Model("contours", "border-staple", {}),
    Model("contours", "border-staple", {}, by_flair=True),
]


class Counted(NamedTuple):
    """A case's table, and voxels of the truth: marked and all inside it, left out and all outside it."""

    name: str
    path: Path
    table: Any
    truth: Any  # (4, raters)


class Found(NamedTuple):
    """Rates of a cohort, shape (2, raters): sensitivity and specificity; the ends of intervals (2, raters, 2)."""

    rates: Any
    ends: Any


def counted(path: Path, case: Case, model: Model, draw: int) -> Counted:
    """Count a case's votes."""
    region = case.brain & near(case.masks, case) if model.is_near else case.brain
    votes = case.flipped(draw) if model.kind == "flips" else case.masks[:, region]
    table = fastfuse.tabulate(votes, axis=0, names=[str(k) for k in range(len(votes))])
    inside, both = case.truth[region], np.ones(len(votes))
    of_truth, left = case.truth.sum(), (~votes[:, ~inside]).sum(axis=1)  # beyond the region nobody marks any
    truth = np.array([votes[:, inside].sum(axis=1), both * of_truth, left, both * (~inside).sum()])
    return Counted(case.name, path, table, truth)


def near(masks: Any, case: Case) -> Any:
    """Return where border-STAPLE fuses."""
    away = ndimage.distance_transform_edt(~masks.any(axis=0), sampling=case.spacing_mm)
    return away <= MARGIN_MM


def rates_of(sums: Any) -> Any:
    """Return sensitivity and specificity, shape (2, raters), of sums (4, raters)."""
    return sums[..., ::2, :] / sums[..., 1::2, :]


def pooled(cases: list[Counted], model: Model, seed: int) -> Found:
    """Return the pooled rates of a cohort."""
    tables = {one.name: one.table for one in cases}
    given: dict[str, Any] = {"intervals": "bootstrap", "replicates": REPLICATES, "seed": seed}
    found: Any = fastfuse.pool(tables, model.method, **given, **model.options)
    if not model.by_flair:
        ends = np.array([found.intervals.sensitivity, found.intervals.specificity])
        return Found(np.array([found.sensitivity, found.specificity]), ends)
    sums = []
    for one, case in zip(cases, read_all([one.path for one in cases]), strict=True):
        fusion = found.of(one.name).apply(
            case.masks, axis=0, mask=case.brain, roi=MARGIN_MM, spacing_mm=case.spacing_mm, image=case.flair
        )
        sums.append(against(fusion.probability, case))
    weights = np.random.default_rng(seed).multinomial(len(cases), [1 / len(cases)] * len(cases), REPLICATES)
    drawn = rates_of(np.einsum("rc,csm->rsm", weights, np.array(sums)))
    ends = np.moveaxis(np.percentile(drawn, [2.5, 97.5], axis=0), 0, -1)
    return Found(rates_of(np.sum(sums, axis=0)), ends)


def against(probability: Any, case: Case) -> Any:
    """Return the sums of the raters' votes, weighted by a consensus."""
    region = case.brain & near(case.masks, case)
    w, votes = probability[region].astype(np.float64), case.masks[:, region]
    both = np.ones(len(votes))
    return np.array([votes @ w, both * w.sum(), ~votes @ (1 - w), both * (1 - w).sum()])


def alone(cases: list[Counted], model: Model) -> Iterator[Any]:
    """Yield the sensitivities that each case tells by itself."""
    if not model.by_flair:
        method: Any = model.method
        yield from (fastfuse.estimate(one.table, method, **model.options).sensitivity for one in cases)
        return
    for case in read_all([one.path for one in cases]):
        fused = fastfuse.border_staple(
            case.masks, case.flair, axis=0, mask=case.brain, roi=MARGIN_MM, spacing_mm=case.spacing_mm
        )
        yield fused.sensitivity


def row_of(model: Model, paths: list[Path], size: int, draws: int) -> dict[str, Any]:
    """Return one row of the table."""
    every: list[list[Counted]] = []
    draws = draws if model.kind == "flips" else 1
    for draw in range(draws):
        cases = [counted(path, case, model, draw) for path, case in zip(paths, read_all(paths), strict=True)]
        every += [cases[first : first + size] for first in range(0, len(cases), size)]
    truth = rates_of(np.sum([one.truth for cohort in every for one in cohort], axis=0))
    if model.kind == "flips":
        truth = np.array([[one.sensitivity, one.specificity] for one in phantom.FLIPS]).T
    found = [pooled(cohort, model, seed) for seed, cohort in enumerate(every)]
    first = every[: len(every) // draws]
    single = np.array([rates for cohort in first for rates in alone(cohort, model)]) - truth[0]
    errors = np.array([one.rates[0] for one in found]) - truth[0]
    held = np.array([(one.ends[..., 0] <= truth) & (truth <= one.ends[..., 1]) for one in found])
    return {
        "raters": model.kind,
        "consensus": model.name,
        "cases": size,
        "cohorts": len(every),
        "one_case": root_mean_square(single),
        "pooled": root_mean_square(errors),
        "bias": errors.mean(axis=0).tolist(),
        "truth": truth.tolist(),
        "held": held.sum(axis=(0, 2)).tolist(),
        "of": int(held[:, 0].size),
    }


def root_mean_square(errors: Any) -> float:
    """Return the root of the mean square of what is a number."""
    return float(np.sqrt(np.nanmean(np.square(errors))))


def line_of(row: dict[str, Any]) -> str:
    """Return a row in Markdown; bias: the mean over raters."""
    held = [f"{one} of {row['of']} ({one / row['of']:.3f})" for one in row["held"]]
    values = [f"{row[name]:.4f}" for name in ("one_case", "pooled")]
    ratio, bias = f"{row['pooled'] / row['one_case']:.3f}", f"{np.mean(row['bias']):+.4f}"
    size = f"{row['cases']} x {row['cohorts']}"
    return f"| {' | '.join([row['raters'], row['consensus'], size, *values, ratio, bias, *held])} |"


def main(given: argparse.Namespace) -> None:
    """Print the table, and keep its rows."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    if given.cohort is None:
        paths = heads(given.folder / "heads", given.cases * given.cohorts, given.spacing_mm, given.workers)
        assert of_head(paths[0]).spacing_mm[0] == given.spacing_mm, "the heads there have another spacing"
        size, what = given.cases, f"{given.cases}x{given.cohorts}x{given.draws}"
    else:
        paths = patients(given.cohort)
        size, what = len(paths), f"files_x{given.draws}"
    kept = given.folder / "rows"
    kept.mkdir(parents=True, exist_ok=True)
    print(f"{HEAD}\n|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for model in MODELS:
        path = kept / f"{what}_{model.kind}_{model.name.replace(', ', '_').replace(' ', '-')}.json"
        if not path.is_file():
            path.write_text(json.dumps(row_of(model, paths, size, given.draws), indent=1))
        print(line_of(json.loads(path.read_text())), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--cases", type=int, default=200, help="of a cohort")
    parser.add_argument("--cohorts", type=int, default=3, help="of heads")
    parser.add_argument("--draws", type=int, default=10, help="of the raters who err voxel by voxel")
    parser.add_argument("--spacing-mm", type=float, default=3.0, help="voxels of the heads")
    parser.add_argument("--workers", type=int, default=1, help="processes that paint")
    parser.add_argument("--cohort", type=Path, help="files with truth, as of MSSEG-2016, in place of heads")
    main(parser.parse_args())
