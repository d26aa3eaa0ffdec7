"""Figures on a cohort with truth, whose raters are simulated as shifted contours: this model's home.

FASTFUSE_COHORT names a cohort in the layout of MSSEG-2016 with the truth of each patient in ``truth/``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse

from .draws import dice

COHORT = Path(os.environ.get("FASTFUSE_COHORT", "no cohort"))
pytestmark = [
    pytest.mark.skipif(not (COHORT / "truth").is_dir(), reason="FASTFUSE_COHORT names no cohort with truth"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]
MARGIN_MM = 4.0


class Patient(NamedTuple):
    masks: list[Any]
    image: Any
    brain: Any
    truth: Any
    region: Any
    spacing_mm: tuple[float, ...]


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return [patient(folder) for folder in sorted(COHORT.glob("Training/*/*"))]


def patient(folder: Path) -> Patient:
    def read(path: Path) -> Any:
        return np.asanyarray(nib.load(path).dataobj)

    masks = [read(path) > 0 for path in sorted(folder.glob("Masks/ManualSegmentation_*.nii.gz"))]
    brain = read(folder / "Masks" / "Brain_Mask.nii.gz") > 0
    image = folder / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz"
    spacing = tuple(map(float, nib.load(image).header.get_zooms()[:3]))
    near = ndimage.distance_transform_edt(~np.any(masks, axis=0), sampling=spacing) <= MARGIN_MM
    truth = read(COHORT / "truth" / f"{folder.name}.nii.gz") > 0
    return Patient(masks, read(image), brain, truth, near & brain, spacing)


def scores(probability: Any, one: Patient) -> tuple[float, float, float, float]:
    """Return Dice, Brier and log score a lesion voxel, and ECE over the region."""
    w, lesions = probability.astype(np.float64), one.truth.sum()
    brier = ((w - one.truth) ** 2)[one.brain].sum() / lesions
    sure = np.clip(w[one.region], 1e-3, 1 - 1e-3)
    missed = np.count_nonzero(one.truth & ~one.region) * -np.log(1e-3)
    log = (missed - np.log(np.where(one.truth[one.region], sure, 1 - sure)).sum()) / lesions
    bins = np.minimum((w[one.region] * 10).astype(int), 9)
    gaps = np.bincount(bins, w[one.region] - one.truth[one.region], minlength=10)
    return dice(w >= 0.5, one.truth), brier, log, float(np.abs(gaps).sum() / len(bins))


def border(one: Patient, masks: list[Any] | None = None, **options: Any) -> Any:
    options = {"mask": one.brain, "spacing_mm": one.spacing_mm, **options}
    return fastfuse.border_staple(masks or one.masks, **options)


def means(patients: list[Patient], fuse: Callable[[Patient], Any]) -> Any:
    found = np.mean([scores(fuse(one).probability, one) for one in patients], axis=0)
    print("Dice {:.3f}, Brier {:.3f}, log {:.3f}, ECE {:.3f}".format(*found))
    return found


def test_anchored_by_the_image(patients: list[Patient]) -> None:
    overlap, brier, log, ece = means(patients, lambda one: border(one, image=one.image))
    assert overlap >= 0.838
    assert brier <= 0.235
    assert log <= 0.87
    assert ece <= 0.012


def test_image_as_evidence(patients: list[Patient]) -> None:
    overlap, brier, log, ece = means(patients, lambda one: border(one, image=one.image, evidence=True))
    assert overlap >= 0.844
    assert brier <= 0.227
    assert log <= 0.84
    assert ece <= 0.012


def test_votes_alone(patients: list[Patient]) -> None:
    """Votes do not know the bias that all raters share."""
    overlap, brier, log, ece = means(patients, border)
    assert overlap == pytest.approx(0.798, abs=0.003)
    assert brier == pytest.approx(0.255, abs=0.003)
    assert log == pytest.approx(0.92, abs=0.03)
    assert ece == pytest.approx(0.026, abs=0.003)


def test_three_classes(patients: list[Patient]) -> None:
    def classes(one: Patient) -> Any:
        return fastfuse.staple(one.masks, classes=3, mask=one.brain, roi=MARGIN_MM, spacing_mm=one.spacing_mm)

    overlap, brier, log, ece = means(patients, classes)
    assert overlap == pytest.approx(0.834, abs=0.003)
    assert brier == pytest.approx(0.247, abs=0.003)
    assert log == pytest.approx(0.91, abs=0.02)
    assert ece == pytest.approx(0.021, abs=0.003)


def test_a_rater_who_is_there_twice(patients: list[Patient]) -> None:
    once = means(patients, lambda one: border(one, image=one.image))
    for i in (0, 3, 6):
        twice = means(patients, lambda one, i=i: border(one, [*one.masks, one.masks[i]], image=one.image))
        assert abs(twice[0] - once[0]) <= 0.01


@pytest.mark.parametrize("kind", ["random", "empty", "full", "inverted"])
def test_a_rater_who_is_none(kind: str, patients: list[Patient]) -> None:
    rng = np.random.default_rng(0)
    other = {
        "random": lambda one: rng.random(one.truth.shape) < 0.3,
        "empty": lambda one: np.zeros_like(one.truth),
        "full": lambda one: np.ones_like(one.truth),
        "inverted": lambda one: ~one.masks[0],
    }[kind]
    assert means(patients, lambda one: border(one, [*one.masks, other(one)], image=one.image))[0] >= 0.82


def test_rates(patients: list[Patient]) -> None:
    """Those of single cases, and of raters and levels shared by all, at the anchors of each."""
    true = np.array([[mask[one.truth & one.region].mean() for mask in one.masks] for one in patients])
    single = np.array([border(one, image=one.image).sensitivity for one in patients])
    by_votes = np.array([border(one).sensitivity for one in patients])
    tables = [
        fastfuse.tabulate(one.masks, mask=one.brain, roi=MARGIN_MM, spacing_mm=one.spacing_mm)
        for one in patients
    ]
    shared = fastfuse.estimate(sum(tables), "border-staple")
    applied = [
        shared.apply(one.masks, image=one.image, mask=one.brain, spacing_mm=one.spacing_mm)
        for one in patients
    ]
    volumes = [np.count_nonzero(one.truth & one.region) for one in patients]
    whole = np.average(true, axis=0, weights=volumes)
    pooled = np.mean([fusion.sensitivity for fusion in applied], axis=0)
    errors = np.abs(single - true).mean(), np.abs(by_votes - true).mean(), np.abs(pooled - whole)
    print("single cases, with image {:.3f}, by votes {:.3f}; pooled {}".format(*errors))
    assert np.abs(single - true).mean(axis=1).max() <= 0.065
    assert errors[1] <= 0.065
    assert errors[2].max() <= 0.035
