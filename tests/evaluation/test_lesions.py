"""Options of the lesion measures, and the map and table of found, missed and false lesions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import evaluate, evaluate_files
from fastfuse.evaluation.components import drop_small, labelled
from fastfuse.evaluation.detection import detection

from .test_evaluation import AFFINE, PREDICTION, SPACING, TRUTH, save
from .test_surface import SHAPE, blobs

SHEARED = np.array([[0.7, 0.1, 0, 5], [0, 1.2, 0.9, 0], [0, 0, 3.0, -2], [0, 0, 0, 1.0]])


# --- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", ["msseg", "any"])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("least_mm3", [0, 3, 20])
def test_options_are_those_of_detection(least_mm3: float, connectivity: int, match: Any) -> None:
    options = {"least_mm3": least_mm3, "connectivity": connectivity, "match": match}
    found = evaluate(PREDICTION, TRUTH, spacing_mm=SPACING, **options)
    lesions = detection(PREDICTION >= 0.5, TRUTH, 2.52, **options)
    for name, value in asdict(lesions).items():
        assert getattr(found, name) == value
    assert found.lesion_f1 == lesions.f1


def test_one_connectivity_for_lesions_and_dropped_components() -> None:
    rng = np.random.default_rng(0)
    speckled = (rng.random(SHAPE) < 0.1) | (PREDICTION >= 0.5)
    for connectivity, of_dropped, of_lesions in ((None, 26, 6), (6, 6, 6), (18, 18, 18), (26, 26, 26)):
        found = evaluate(speckled, TRUTH, least_voxels=4, connectivity=connectivity)
        dropped = drop_small(speckled, 4, of_dropped)
        assert found == evaluate(dropped, TRUTH, connectivity=of_lesions)


def test_options_change_counts() -> None:
    counts = {
        evaluate(PREDICTION, TRUTH, least_mm3=mm3, connectivity=joined).truth_lesions
        for mm3 in (0, 30)
        for joined in (6, 26)
    }
    assert len(counts) > 2


# --- map and table ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four lesions of the truth, of which two are found, and two false ones; a speck each that is no lesion."""
    truth, prediction = np.zeros((2, 20, 12, 9), np.uint8)
    truth[1:4, 1:4, 1:4] = 1  # found
    prediction[2:4, 1:4, 1:5] = 1
    truth[8:10, 1:4, 1:4] = prediction[8:10, 1:3, 1:4] = 1  # found
    truth[1:3, 8:10, 1:4] = 1  # missed
    truth[8:14, 8:10, 6] = 1  # missed, though a false one covers a voxel of it
    prediction[8, 8, 2:7] = 1  # false
    prediction[16:19, 2:4, 3] = 1  # false
    truth[19, 11, 8] = prediction[15, 11, 8] = 1
    for name, data in {"t": truth, "p": prediction}.items():
        save(tmp_path / f"{name}.nii.gz", data)
        save(tmp_path / f"{name}_sheared.nii.gz", data, SHEARED)
        save(tmp_path / f"{name}_flat.nii.gz", data[..., 2:3])
    return tmp_path


def read(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def test_map(folder: Path) -> None:
    found = evaluate_files(folder / "p.nii.gz", folder / "t.nii.gz", save_lesions=folder / "l.nii.gz")
    truth, prediction, labels = (read(folder / f"{name}.nii.gz") for name in "tpl")
    assert labels.dtype == np.uint8
    assert [labelled(labels == kind, 1, 6).max() for kind in (1, 2, 3)] == [2, 2, 2]
    assert (found.detected_lesions, found.truth_lesions) == (2, 4)
    assert (found.confirmed_lesions, found.prediction_lesions) == (2, 4)
    assert (found.prediction_left_out, found.truth_left_out) == (1, 1)
    speck = np.zeros(truth.shape, bool)
    speck[19, 11, 8] = True
    np.testing.assert_array_equal((labels == 1) | (labels == 2), (truth == 1) & ~speck)
    assert not ((labels == 3) & ((truth == 1) | (prediction == 0))).any()
    assert labels[8, 8, 6] == 2  # a missed one, on which a false one lies
    assert labels[15, 11, 8] == 0
    np.testing.assert_allclose(nib.load(folder / "l.nii.gz").affine, AFFINE, atol=1e-6)


@pytest.mark.parametrize("name", ["", "_sheared", "_flat"])
def test_table(folder: Path, name: str) -> None:
    paths = [folder / f"{what}{name}.nii.gz" for what in "pt"]
    result = evaluate_files(*paths, output=folder / "m.json", save_lesions=folder / "l.nii")
    facts = json.loads((folder / "m.json").read_text())
    labels, affine = read(folder / "l.nii"), nib.load(paths[1]).affine
    kinds = {"found": 1, "missed": 2, "false": 3}
    table = facts["lesions"]
    order = [(kinds[row["kind"]], -row["voxels"]) for row in table]
    assert order == sorted(order)
    assert sum(row["kind"] == "found" for row in table) == result.detected_lesions
    assert sum(row["kind"] == "missed" for row in table) == result.truth_lesions - result.detected_lesions
    assert (
        sum(row["kind"] == "false" for row in table) == result.prediction_lesions - result.confirmed_lesions
    )
    assert len(table) > 0
    voxel_mm3 = abs(np.linalg.det(affine[:3, :3]))
    for row in table:
        voxel = tuple(row["voxel"])
        assert labels[voxel] in (kinds[row["kind"]], 2)  # a missed one may lie over a false one
        assert row["mm3"] == pytest.approx(row["voxels"] * voxel_mm3, rel=1e-6)
        np.testing.assert_allclose(row["place_mm"], affine[:3] @ [*voxel, 1], atol=1e-3)
        assert 0 <= row["overlap"] <= 1


def test_table_by_hand(folder: Path) -> None:
    evaluate_files(folder / "p.nii.gz", folder / "t.nii.gz", output=folder / "m.json")
    table = json.loads((folder / "m.json").read_text())["lesions"]
    rows = [(row["kind"], row["voxels"], row["overlap"], row["voxel"]) for row in table]
    assert rows[:4] == [
        ("found", 27, 18 / 27, [2, 2, 2]),
        ("found", 18, 12 / 18, [8, 2, 2]),
        ("missed", 12, 0, [1, 8, 2]),
        ("missed", 12, 1 / 12, [10, 8, 6]),
    ]
    assert rows[4:] == [("false", 6, 0, [17, 2, 3]), ("false", 5, 1 / 5, [8, 8, 4])]


def test_maps_of_noise_hold_what_is_counted(tmp_path: Path) -> None:
    for seed in range(3):
        paths = [
            save(tmp_path / f"{name}.nii", blobs(seed + k, 0.05).astype(np.uint8))
            for k, name in enumerate("pt")
        ]
        found = evaluate_files(*paths, save_lesions=tmp_path / "l.nii", overwrite=True, match="any")
        labels = read(tmp_path / "l.nii")
        assert labelled(labels == 1, 1, 6).max() == found.detected_lesions
        assert labelled(labels == 2, 1, 6).max() == found.truth_lesions - found.detected_lesions
        assert labelled(labels == 3, 1, 6).max() == found.prediction_lesions - found.confirmed_lesions


def test_outputs_are_refused_before_any_is_written(folder: Path) -> None:
    pair = folder / "p.nii.gz", folder / "t.nii.gz"
    with pytest.raises(
        fastfuse.OutputError, match=r"l\.json: the name of an output must end in \.nii or \.nii\.gz"
    ):
        evaluate_files(*pair, save_lesions=folder / "l.json")
    with pytest.raises(fastfuse.OutputError, match=r"p\.nii\.gz: is one of the inputs"):
        evaluate_files(*pair, save_lesions=pair[0], output=folder / "m.json", overwrite=True)
    (folder / "l.nii").write_text("mine")
    with pytest.raises(fastfuse.OutputError, match=r"l\.nii: exists already"):
        evaluate_files(*pair, save_lesions=folder / "l.nii", output=folder / "m.json")
    assert not (folder / "m.json").exists()
    assert (folder / "l.nii").read_text() == "mine"
