"""A prediction held against the truth in arrays and in files."""

from __future__ import annotations

import json
import math
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import Evaluation, evaluate, evaluate_files
from fastfuse.evaluation.components import drop_small
from fastfuse.evaluation.detection import detection
from fastfuse.evaluation.surface import surface_distances

from .test_surface import SHAPE, blobs

SPACING = (0.7, 1.2, 3.0)
AFFINE = np.diag([-0.7, 1.2, 3.0, 1.0])
TRUTH = blobs(1).astype(np.uint8)
PREDICTION = np.clip(0.7 * TRUTH + 0.5 * blobs(2), 0, 1).astype(np.float32)
BRAIN = np.zeros(SHAPE, np.uint8)
BRAIN[3:21, 2:17, 1:14] = 1
SPECKS_UNDEFINED = {"recall", "lesion_sensitivity", "lesion_ppv", "lesion_f1"}
AS_IT_IS = {
    "select_label": None, "binarize": False, "threshold": None, "scale": None, "select_segment": None,
}  # fmt: skip


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {"p": PREDICTION, "t": TRUTH, "brain": BRAIN, "none": 0 * TRUTH}.items():
        save(tmp_path / f"{name}.nii.gz", data)
    return tmp_path


# --- arrays -------------------------------------------------------------------------------------------------


def test_by_hand() -> None:
    """Five voxels of 1 × 2 × 3 mm³ predicted, four true, three shared."""
    prediction, truth = np.zeros((2, 9, 4, 5))
    prediction[1:6, 2, 2] = 1
    truth[3:7, 2, 2] = 1
    found = evaluate(prediction, truth, spacing_mm=(1, 2, 3), tolerance_mm=1)
    assert asdict(found) == pytest.approx({
        "dice": 6 / 9, "precision": 3 / 5, "recall": 3 / 4, "specificity": 174 / 176,
        "prediction_ml": 0.030, "truth_ml": 0.024, "hd95_mm": 1.8, "assd_mm": 4 / 9,
        "prediction_lesions": 1, "truth_lesions": 1, "detected_lesions": 1, "confirmed_lesions": 1,
        "lesion_sensitivity": 1, "lesion_ppv": 1, "lesion_f1": 1,
        "true_positives": 3, "false_positives": 2, "false_negatives": 1, "true_negatives": 174,
        "hd100_mm": 2, "surface_dice": 8 / 9, "prediction_left_out": 0, "truth_left_out": 0,
    })  # fmt: skip


def test_as_simpleitk() -> None:
    sitk = pytest.importorskip("SimpleITK")
    one, two = (sitk.GetImageFromArray((image >= 0.5).astype(np.uint8)) for image in (PREDICTION, TRUTH))
    overlaps = sitk.LabelOverlapMeasuresImageFilter()
    overlaps.Execute(one, two)
    found = evaluate(PREDICTION, TRUTH)
    assert found.dice == pytest.approx(overlaps.GetDiceCoefficient())
    assert 1 - found.recall == pytest.approx(overlaps.GetFalseNegativeError())
    assert 1 - found.precision == pytest.approx(overlaps.GetFalseDiscoveryRate())
    assert 1 - found.specificity == pytest.approx(overlaps.GetFalsePositiveError())


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7, 1.0])
def test_cut(cut: float) -> None:
    mask = np.greater_equal(PREDICTION, cut)
    found = evaluate(PREDICTION, TRUTH, cut=cut, spacing_mm=SPACING)
    assert found == evaluate(mask, TRUTH, spacing_mm=SPACING)
    assert found == evaluate(mask, TRUTH * np.float64(cut), cut=cut, spacing_mm=SPACING)
    assert found.prediction_ml == pytest.approx(mask.sum() * 2.52e-3)
    distances = surface_distances(mask, TRUTH, SPACING)
    assert (found.hd95_mm, found.assd_mm) == (distances.hd95_mm, distances.assd_mm)
    lesions = detection(mask, TRUTH, 2.52)
    assert (found.detected_lesions, found.confirmed_lesions, found.lesion_f1) == (
        lesions.detected_lesions, lesions.confirmed_lesions, lesions.f1,
    )  # fmt: skip


def test_only_what_lies_in_the_mask_counts() -> None:
    inside = BRAIN == 1
    found = evaluate(np.where(inside, PREDICTION, math.nan), np.where(inside, TRUTH, 7), mask=BRAIN)
    cropped = evaluate(PREDICTION[3:21, 2:17, 1:14], TRUTH[3:21, 2:17, 1:14])
    assert found == cropped
    assert found.true_negatives < evaluate(PREDICTION, TRUTH).true_negatives


@pytest.mark.parametrize("least", [2, 4])
def test_small_components_of_the_prediction_are_dropped(least: int) -> None:
    rng = np.random.default_rng(0)
    speckled, truth = (rng.random(SHAPE) < 0.03) | (PREDICTION >= 0.5), TRUTH.copy()
    truth[0, 0, 0] = 1
    found = evaluate(speckled, truth, least_voxels=least)
    assert found == evaluate(drop_small(speckled, least), truth)
    assert found.prediction_ml < evaluate(speckled, truth).prediction_ml
    assert found.truth_ml == truth.sum() / 1000


def test_empty_masks() -> None:
    none = np.zeros(SHAPE)
    both, missed, invented = evaluate(none, none), evaluate(none, TRUTH), evaluate(TRUTH, none)
    keys = ("dice", "precision", "recall", "hd95_mm", "lesion_sensitivity", "lesion_ppv", "lesion_f1")
    values = [[getattr(found, key) for key in keys] for found in (both, missed, invented)]
    nan, inf = math.nan, math.inf
    np.testing.assert_equal(
        values, [[1, nan, nan, 0, nan, nan, 1], [0, nan, 0, inf, 0, nan, 0], [0, 0, nan, inf, nan, 0, 0]]
    )
    assert math.isnan(evaluate(np.ones(SHAPE), np.ones(SHAPE)).specificity)


def test_nibabel_images_bring_their_spacing() -> None:
    images = [nib.Nifti1Image(data, AFFINE) for data in (PREDICTION, TRUTH)]
    expected = asdict(evaluate(PREDICTION, TRUTH, spacing_mm=SPACING))
    assert asdict(evaluate(*images)) == pytest.approx(expected)
    assert asdict(evaluate(PREDICTION, images[1])) == pytest.approx(expected)
    assert evaluate(*images, spacing_mm=(1, 1, 1)) == evaluate(PREDICTION, TRUTH)
    moved = nib.Nifti1Image(TRUTH, AFFINE + np.eye(4, k=3))
    with pytest.raises(fastfuse.GridError, match=r"the truth and the prediction .* lie 1 mm"):
        evaluate(images[0], moved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prediction": PREDICTION[1:]}, r"the truth has shape .*, the prediction has shape \(23, 19, 15\)"),
        ({"prediction": PREDICTION[0]}, r"the truth has shape .*, the prediction has shape \(19, 15\)"),
        ({"prediction": PREDICTION[0, 0]}, r"shape \(15,\): a 2-D slice or a 3-D volume is needed"),
        ({"prediction": PREDICTION + 1}, r"the prediction holds .* at voxel .*: a mask holds 0 and 1"),
        ({"prediction": PREDICTION * np.nan}, r"the prediction holds nan at voxel \(0, 0, 0\)"),
        ({"truth": TRUTH * 3}, "the truth holds 3 at voxel .*image == K"),
        ({"truth": TRUTH[..., :3]}, r"the truth has shape \(24, 19, 3\)"),
        ({"mask": BRAIN[1:]}, "the mask has shape"),
        ({"mask": BRAIN * 255}, r"the mask holds 255 at voxel \(3, 2, 1\): .*write mask > 0"),
        ({"mask": 0 * BRAIN}, "the mask is empty: no voxel to evaluate"),
        ({"cut": 0}, "cut is 0"),
        ({"least_voxels": -1}, "least_voxels is -1"),
        ({"spacing_mm": (1, 1)}, "spacing_mm is"),
        ({"least_mm3": -1}, "least_mm3 is -1"),
        ({"connectivity": 8}, "connectivity is 8: it must be 6, 18 or 26"),
        ({"match": "all"}, "match is 'all': it must be 'msseg' or 'any'"),
        ({"tolerance_mm": -1}, "tolerance_mm is -1: it must be a number of mm of at least 0"),
        ({"scale": 0}, "scale is 0"),
        ({"truth_scale": 0}, "truth_scale is 0"),
        ({"select_label": 0}, "select_label is 0"),
        ({"truth_select_label": []}, "truth_select_label is empty"),
        ({"truth_threshold": "x"}, "truth_threshold is 'x'"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(**{"prediction": PREDICTION, "truth": TRUTH, **change})


# --- files --------------------------------------------------------------------------------------------------


def test_files_as_arrays(folder: Path) -> None:
    steps: list[str] = []
    found = evaluate_files(
        folder / "p.nii.gz", folder / "t.nii.gz", mask=folder / "brain.nii.gz", cut=0.7, least_voxels=3,
        output=folder / "m.json", progress=steps.append, tolerance_mm=1,
    )  # fmt: skip
    expected = evaluate(
        PREDICTION, TRUTH, mask=BRAIN, cut=0.7, least_voxels=3, spacing_mm=SPACING, tolerance_mm=1
    )
    assert asdict(found) == pytest.approx(asdict(expected), rel=1e-6)
    assert steps == ["reading p.nii.gz", "reading t.nii.gz", "reading brain.nii.gz", "comparing"]
    facts = json.loads((folder / "m.json").read_text())
    assert Evaluation(**{name: facts[name] for name in asdict(found)}) == found
    assert facts["options"] == {
        "cut": 0.7, "least_voxels": 3, "least_mm3": 3, "connectivity": 6, "connectivity_of_dropped": 26,
        "match": "msseg", "tolerance_mm": 1,
        "foreground": {"prediction": AS_IT_IS, "truth": AS_IT_IS},
        "spacing_mm": pytest.approx(list(SPACING), rel=1e-6),
        "voxel_mm3": pytest.approx(2.52, rel=1e-6),
    }  # fmt: skip
    assert (facts["prediction"], facts["mask"]) == (str(folder / "p.nii.gz"), str(folder / "brain.nii.gz"))
    assert (facts["fastfuse"], facts["warnings"]) == (fastfuse.__version__, [])


@pytest.mark.parametrize(
    ("prediction", "truth", "infinite", "undefined"),
    [
        ("none", "t", {"hd95_mm", "hd100_mm", "assd_mm"}, {"precision", "lesion_ppv"}),
        ("t", "none", {"hd95_mm", "hd100_mm", "assd_mm"}, {"recall", "lesion_sensitivity"}),
        ("none", "none", set(), {"precision", "recall", "lesion_sensitivity", "lesion_ppv"}),
        ("p", "t", set(), set()),
        ("specks", "none", {"hd95_mm", "hd100_mm", "assd_mm"}, SPECKS_UNDEFINED),
    ],
)
def test_undefined_and_infinite_are_null_and_told_apart(
    folder: Path, prediction: str, truth: str, infinite: set[str], undefined: set[str]
) -> None:
    specks = np.zeros(SHAPE, np.uint8)
    specks[::6, ::6, ::6] = 1
    save(folder / "specks.nii.gz", specks)
    paths = folder / f"{prediction}.nii.gz", folder / f"{truth}.nii.gz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        found = evaluate_files(folder / paths[0], folder / paths[1], output=folder / "m.json")
    facts = json.loads((folder / "m.json").read_text())
    expected = {**dict.fromkeys(infinite, "infinite"), **dict.fromkeys(undefined, "undefined")}
    assert facts["status"] == expected
    for name, value in asdict(found).items():
        assert facts[name] == (None if name in expected else value)
        assert math.isinf(value or 0) == (name in infinite)
        assert math.isnan(value or 0) == (name in undefined)


def test_masks_without_a_large_component_are_told(folder: Path) -> None:
    specks = np.zeros(SHAPE, np.uint8)
    specks[::6, ::6, ::6] = 1
    path = save(folder / "specks.nii.gz", specks)
    with pytest.warns(
        fastfuse.FusionWarning,
        match=r"no lesion above 3 mm³, .* left out .*specks.nii.gz \(48\); least_mm3=0",
    ):
        found = evaluate_files(path, folder / "none.nii.gz", output=folder / "m.json")
    assert (found.prediction_left_out, found.truth_left_out) == (48, 0)
    assert math.isnan(found.lesion_f1)
    assert "no lesion above 3 mm³" in json.loads((folder / "m.json").read_text())["warnings"][0]
    assert evaluate_files(path, path.with_name("none.nii.gz"), least_mm3=0).lesion_f1 == 0


@pytest.mark.parametrize(
    ("data", "affine", "message"),
    [
        (TRUTH[1:], AFFINE, r"t2\.nii and .*p\.nii\.gz have shapes"),
        (TRUTH, AFFINE + np.eye(4, k=3), r"t2\.nii and .*p\.nii\.gz .* lie 1 mm .* apart: "),
    ],
)
def test_other_grids_are_refused(folder: Path, data: np.ndarray, affine: np.ndarray, message: str) -> None:
    other = save(folder / "t2.nii", data, affine)
    with pytest.raises(fastfuse.GridError, match=message):
        evaluate_files(folder / "p.nii.gz", other, output=folder / "m.json")
    with pytest.raises(fastfuse.GridError, match=message):
        evaluate_files(folder / "p.nii.gz", folder / "t.nii.gz", mask=other)
    assert not (folder / "m.json").exists()


def test_doubtful_files(folder: Path) -> None:
    near = save(folder / "near.nii", TRUTH, AFFINE + 0.05 * np.eye(4, k=3))
    with pytest.warns(fastfuse.FusionWarning, match=r"near\.nii and .* taken as one grid") as caught:
        evaluate_files(folder / "p.nii.gz", near)
    assert caught[0].filename == __file__
    with pytest.warns(fastfuse.FusionWarning, match="are one file: it is compared with itself"):
        assert evaluate_files(near, near).dice == 1


def test_outputs_are_kept(folder: Path) -> None:
    output = folder / "m.json"
    output.write_text("mine")
    pair = (folder / "p.nii.gz", folder / "t.nii.gz")
    with pytest.raises(fastfuse.OutputError, match=r"m\.json: exists already"):
        evaluate_files(*pair, output=output)
    with pytest.raises(fastfuse.OutputError, match=r"t\.nii\.gz: the name of an output must end in \.json"):
        evaluate_files(*pair, output=pair[1])
    assert output.read_text() == "mine"
    evaluate_files(*pair, output=output, overwrite=True)
    assert json.loads(output.read_text())["method"] == "evaluation"


@pytest.mark.parametrize("given", [(None, TRUTH), (TRUTH, None), ("p.nii", TRUTH)])
def test_what_is_no_array(given: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match=r"the (prediction|truth) is (None|'p\.nii')"):
        evaluate(*given)


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(fastfuse.FastfuseError, match=r"needs scipy\.spatial: pip install '.\[eval"):
        evaluate(PREDICTION, TRUTH)
