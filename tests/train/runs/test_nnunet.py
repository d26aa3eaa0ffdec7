"""A data set in nnU-Net's format, and predictions read back from where nnU-Net puts them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.evaluation.components import drop_small
from fastfuse.train.cohort.division import divided
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.nnunet.export import Dataset, export, labels_of
from fastfuse.train.nnunet.predictions import predictions_of
from fastfuse.train.options import make_options
from fastfuse.train.targets.consensus import consensus_of

from ...command import run_here

pytestmark = pytest.mark.usefixtures("no_figures")

CHANNELS = ("DP", "FLAIR", "GADO", "T1", "T2")


@pytest.fixture(scope="module")
def written(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nnUNet_raw")
    words = ["--method", "soft-staple", "--ignore", "0.2", "0.8", "--folds", "3", "--dataset-id", "7"]
    done = run_here(out, "export", "nnunet", str(cohort), "--out", str(out), *words)
    assert done.returncode == 0, done.stderr
    assert "wrote 9 training cases below" in done.stdout
    assert "copy splits_final.json to nnUNet_preprocessed/Dataset007_MSSEG" in done.stdout
    return out / "Dataset007_MSSEG"


def test_layout(written: Path, cohort: Path) -> None:
    """As nnU-Net's documents of the data set's format, of the ignore label and of custom splits say."""
    names = [case.name for case in find_cases(cohort)]
    about = json.loads((written / "dataset.json").read_text())
    assert about["channel_names"] == {str(number): name for number, name in enumerate(CHANNELS)}
    assert about["labels"] == {"background": 0, "lesion": 1, "ignore": 2}
    assert about["numTraining"] == 9
    assert about["file_ending"] == ".nii.gz"
    images = {path.name for path in (written / "imagesTr").iterdir()}
    assert images == {f"{name}_{channel:04d}.nii.gz" for name in names for channel in range(5)}
    assert {path.name for path in (written / "labelsTr").iterdir()} == {f"{name}.nii.gz" for name in names}
    assert not (written / "imagesTs").exists()
    splits = json.loads((written / "splits_final.json").read_text())
    assert len(splits) == 3
    for split in splits:
        assert set(split) == {"train", "val"}
        assert sorted([*split["train"], *split["val"]]) == sorted(names)
    _, folds = divided(cohort, make_options(None, None, ["folds=3"]), None)
    assert [split["val"] for split in splits] == folds


def test_images_and_labels(written: Path, cohort: Path, tmp_path: Path) -> None:
    """Images keep their voxels; labels are the consensus, and the highest label is where it is undecided."""
    case = load_case(find_cases(cohort)[2])
    probability = consensus_of(case, ["soft-staple"], make_options().consensus, tmp_path, key="")[
        "soft-staple"
    ]
    labels = nib.load(written / "labelsTr" / f"{case.case.name}.nii.gz")
    flair = nib.load(case.case.images["FLAIR"])
    for channel, modality in enumerate(CHANNELS):
        image = nib.load(written / "imagesTr" / f"{case.case.name}_{channel:04d}.nii.gz")
        np.testing.assert_array_equal(image.get_fdata(), nib.load(case.case.images[modality]).get_fdata())
        np.testing.assert_array_equal(image.affine, flair.affine)
        assert image.header.get_zooms() == labels.header.get_zooms()
    values = np.asanyarray(labels.dataobj)
    assert values.dtype == np.uint8
    contested = (probability > 0.2) & (probability < 0.8)
    assert contested.any()
    np.testing.assert_array_equal(values == 2, contested)
    np.testing.assert_array_equal(values == 1, (probability >= 0.8))


def test_labels_at_the_bounds() -> None:
    values = np.array([0, 0.2, 0.3, 0.5, 0.7, 0.8, 1], np.float32)
    np.testing.assert_array_equal(labels_of(values), [0, 0, 0, 1, 1, 1, 1])
    low, high = float(values[1]), float(values[5])
    np.testing.assert_array_equal(labels_of(values, (low, high)), [0, 0, 2, 2, 2, 1, 1])


def test_a_split_to_test(cohort: Path, tmp_path: Path) -> None:
    """What is only tested has images, and no labels that nnU-Net could learn from."""
    shutil.copytree(cohort, tmp_path / "c")
    place = find_cases(cohort)[8].images["FLAIR"].relative_to(cohort / "Training").parts[:2]
    (tmp_path / "c" / "Testing" / place[0]).mkdir(parents=True)
    shutil.move((tmp_path / "c/Training").joinpath(*place), (tmp_path / "c/Testing").joinpath(*place))
    options = make_options(None, None, ["train=Training", "test=Testing", "methods=staple"])
    cases, folds = divided(tmp_path / "c", options, None)
    folder = export(Dataset(cases, folds, "staple", options), tmp_path / "raw")
    about = json.loads((folder / "dataset.json").read_text())
    assert about["numTraining"] == 8
    assert about["labels"] == {"background": 0, "lesion": 1}
    assert {path.name[:10] for path in (folder / "imagesTs").iterdir()} == {"Patient_09"}
    assert "Patient_09.nii.gz" not in {path.name for path in (folder / "labelsTr").iterdir()}
    assert not (folder / "splits_final.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset-id", "1000"], "the data set's number (--dataset-id) is 1000: nnU-Net takes 1 to 999"),
        (["--name", "a/b"], "the data set's --name is 'a/b': letters, digits, - and _ are needed"),
        (["--ignore", "0.6", "0.8"], "ignore is 0.6 0.8: a probability below 0.5 and one above"),
        (["--method", "median"], "methods is 'median'"),
        (["--method", "staple,soft-staple"], "--method is staple,soft-staple: name one"),
    ],
)
def test_refused(cohort: Path, tmp_path: Path, words: list[str], message: str) -> None:
    method = [] if "--method" in words else ["--method", "staple"]
    done = run_here(tmp_path, "export", "nnunet", str(cohort), "--out", "raw", *method, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("raw/Dataset*"))


def test_nothing_half(cohort: Path, tmp_path: Path) -> None:
    """A case that cannot be read leaves no data set; one that is there is not overwritten."""
    shutil.copytree(cohort, tmp_path / "c")
    cases = find_cases(tmp_path / "c")
    cases[1].masks[0].write_bytes(b"no image")
    dataset = Dataset(cases, [[case.name] for case in cases], "staple", make_options())
    with pytest.raises(FastfuseError, match="ManualSegmentation_1"):
        export(dataset, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
    (tmp_path / "raw" / "Dataset501_Other").mkdir(parents=True)
    with pytest.raises(FastfuseError, match=r"Dataset501_Other: a data set of this number is there"):
        export(dataset, tmp_path / "raw")


@pytest.mark.parametrize("wrong", ["no rater", "no image", "no file"])
def test_all_cases_are_checked_before_one_is_fused(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    shutil.copytree(cohort, tmp_path / "c")
    last = find_cases(tmp_path / "c")[-1]
    path = last.images["T1"] if wrong == "no image" else last.masks[2]
    path.write_bytes(b"no image") if wrong == "no file" else path.unlink()
    cases, fused = find_cases(tmp_path / "c"), []
    monkeypatch.setattr("fastfuse.train.nnunet.export._consensus", lambda *_: fused.append(1))
    with pytest.raises(FastfuseError, match=f"{last.name}|{path.name}"):
        export(Dataset(cases, [[case.name] for case in cases], "staple", make_options()), tmp_path / "raw")
    assert not fused


def test_without_a_rater(cohort: Path, tmp_path: Path) -> None:
    """A case that lacks one is refused, but for --force."""
    shutil.copytree(cohort, tmp_path / "c")
    find_cases(tmp_path / "c")[1].masks[2].unlink()
    words = ["export", "nnunet", str(tmp_path / "c"), "--out", "raw", "--method", "staple", "--folds", "3"]
    done = run_here(tmp_path, *words)
    assert done.returncode == 2
    assert "Patient_02: ManualSegmentation_3 missing; add the files, or take the case out" in done.stderr
    done = run_here(tmp_path, *words, "--force")
    assert done.returncode == 0
    assert len(list((tmp_path / "raw").glob("*/labelsTr/*.nii.gz"))) == 9


def predicted(folder: Path, cohort: Path, value: float = 1, kind: type = np.uint8) -> dict[str, np.ndarray]:
    """Write a prediction of each case, as nnU-Net does."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, found = np.random.default_rng(0), {}
    for case in find_cases(cohort):
        flair = nib.load(case.images["FLAIR"])
        found[case.name] = (rng.random(flair.shape) < 0.1).astype(kind) * kind(value)
        nib.save(nib.Nifti1Image(found[case.name], flair.affine), folder / f"{case.name}.nii.gz")
    return found


def test_label_maps_and_probabilities(cohort: Path, tmp_path: Path) -> None:
    cases = find_cases(cohort)
    for kind, value in ((np.uint8, 1), (np.float32, 1), (np.float32, 0.7)):
        want = predicted(tmp_path / "p", cohort, value, kind)
        found = predictions_of(tmp_path / "p", cases)
        assert list(found) == [case.name for case in cases]
        for name, values in found.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, want[name].astype(np.float32))


def test_saved_probabilities_come_first(cohort: Path, tmp_path: Path) -> None:
    """CASE.npz, (classes, z, y, x), beside the label map."""
    want = predicted(tmp_path, cohort)
    for name, labels in want.items():
        foreground = np.where(labels, 0.8, 0.3).astype(np.float32).transpose(2, 1, 0)
        np.savez(tmp_path / f"{name}.npz", probabilities=np.stack([1 - foreground, foreground]))
    for name, values in predictions_of(tmp_path, find_cases(cohort)).items():
        np.testing.assert_allclose(values, np.where(want[name], 0.8, 0.3), rtol=1e-6)


def test_folders_of_a_cross_validation(cohort: Path, tmp_path: Path) -> None:
    """nnUNet_results/…/fold_K/validation holds the cases of a fold; one case in two folds is doubtful."""
    want = predicted(tmp_path / "all", cohort)
    for number, name in enumerate(want):
        folder = tmp_path / "net" / f"fold_{number % 3}" / "validation"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "all" / f"{name}.nii.gz", folder)
    found = predictions_of(tmp_path / "net", find_cases(cohort))
    assert all(np.array_equal(found[name], labels) for name, labels in want.items())
    shutil.copy(tmp_path / "all" / "Patient_01.nii.gz", tmp_path / "net" / "fold_2" / "validation")
    with pytest.raises(FastfuseError, match="Patient_01 is predicted in several folds"):
        predictions_of(tmp_path / "net", find_cases(cohort))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4, 4), 3, np.uint8), "holds label 3: a prediction has 0 and 1"),
        (np.full((4, 4, 4), 1.5, np.float32), r"its values go from 1\.5 to 1\.5: labels, or probabilities"),
        (np.full((4, 4, 4), np.nan, np.float32), "holds nan or infinite values"),
        (np.zeros((4, 4, 5), np.uint8), r"shape|voxels"),
    ],
)
def test_foreign_predictions(cohort: Path, tmp_path: Path, values: np.ndarray, message: str) -> None:
    case = find_cases(cohort)[0]
    flair = nib.load(case.images["FLAIR"])
    shape = values.shape if values.shape[2] == 5 else flair.shape
    filled = np.resize(values, shape).astype(values.dtype)
    nib.save(nib.Nifti1Image(filled, flair.affine), tmp_path / "Patient_01.nii.gz")
    with pytest.raises(FastfuseError, match=rf"Patient_01[\s\S]*({message})"):
        predictions_of(tmp_path, [case])


def test_missing_cases_are_named(cohort: Path, tmp_path: Path) -> None:
    predicted(tmp_path, cohort)
    for name in ("Patient_02", "Patient_05"):
        (tmp_path / f"{name}.nii.gz").unlink()
    want = r"no prediction of Patient_02, Patient_05 (2 of 9 cases); files are called as Patient_01.nii.gz"
    with pytest.raises(FastfuseError, match=re.escape(want)):
        predictions_of(tmp_path, find_cases(cohort))
    with pytest.raises(FastfuseError, match="nowhere: no such folder"):
        predictions_of(tmp_path / "nowhere", find_cases(cohort))


def test_a_row_of_table_1(cohort: Path, copy: Path, tmp_path: Path) -> None:
    """A run's own predictions, given as another method's, have the scores of its row and no difference to it."""
    shutil.copytree(copy / "predictions" / "staple", tmp_path / "same")
    other = predicted(tmp_path / "other", cohort)
    words = [
        "table",
        str(copy),
        "--peer",
        f"Twin={tmp_path / 'same'}",
        "--peer",
        f"nnU-Net={tmp_path / 'other'}",
    ]
    done = run_here(tmp_path, *words, "--cut", "0.02", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    by_title: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        key = ("case", "fold", "reference", "true_positives", "false_positives", "false_negatives")
        by_title.setdefault(row["title"], []).append(tuple(row[name] for name in key))
    assert sorted(by_title) == ["STAPLE", "Twin", "nnU-Net"]
    assert sorted(by_title["Twin"]) == sorted(by_title["STAPLE"])
    case = load_case(find_cases(cohort)[0])
    mask = drop_small(other["Patient_01"].astype(bool), 2, 6)
    both = int((mask & (case.masks[0] > 0)).sum())
    assert [row[3] for row in by_title["nnU-Net"] if row[0] == "Patient_01" and row[2] == "expert 1"] == [
        str(both)
    ]
    text = (tmp_path / "out" / "table1.md").read_text()
    assert "| nnU-Net |" in text
    assert "nnU-Net" in done.stdout


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        ("nnU-Net", "--peer is 'nnU-Net': give a title and a folder"),
        ("=here", "--peer is '=here': give a title and a folder"),
        ("STAPLE=here", "a row of the runs has that title"),
        ("nnU-Net=nowhere", "nowhere: no such folder"),
    ],
)
def test_rows_that_cannot_be(copy: Path, tmp_path: Path, peer: str, message: str) -> None:
    done = run_here(tmp_path, "table", str(copy), "--peer", peer, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
