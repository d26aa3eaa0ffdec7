"""Networks' probabilities as raters: nnU-Net's .npz, and NIfTI maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import ImageError
from fastfuse.images import reading
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from ..cli.test_cli import run
from .networks import AFFINE, classes, save_pair

SHAPE = (5, 6, 7)


def probabilities(seed: int, classes: int) -> np.ndarray:
    """Return softmax outputs, shape (classes, x, y, z), of a network that mostly finds the same classes."""
    truth = np.random.default_rng(99).integers(classes, size=SHAPE)
    logits = np.random.default_rng(seed).normal(size=(classes, *SHAPE)).astype(np.float32)
    logits += 1.5 * (truth == np.arange(classes)[:, None, None, None])
    exponents = np.exp(2 * logits)
    return exponents / exponents.sum(axis=0)


def save(
    folder: Path, name: str, values: np.ndarray, key: str = "probabilities", ending: str = ".nii.gz"
) -> Path:
    """Save as nnU-Net does: classes first, then z, y, x; the segmentation beside."""
    folder.mkdir(exist_ok=True, parents=True)
    np.savez_compressed(folder / f"{name}.npz", **{key: values.transpose(0, 3, 2, 1)})
    nib.save(nib.Nifti1Image(values.argmax(axis=0).astype(np.uint8), AFFINE), folder / f"{name}{ending}")
    return folder / f"{name}.npz"


@pytest.mark.parametrize("key", ["probabilities", "softmax"])
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_read(tmp_path: Path, key: str, ending: str) -> None:
    values = probabilities(0, 2)
    image = reading.read(save(tmp_path, "case", values, key, ending))
    np.testing.assert_array_equal(image.data, values[1])
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_models_are_fused_as_raters(tmp_path: Path) -> None:
    values = [probabilities(seed, 2) for seed in range(3)]
    paths = [save(tmp_path / f"model{k}", "case", one) for k, one in enumerate(values[:2])]
    nib.save(nib.Nifti1Image(values[2][1], AFFINE), tmp_path / "third.nii.gz")
    fused = fastfuse.fuse_files([*paths, tmp_path / "third.nii.gz"], tmp_path / "c.nii.gz", m_step="em")
    expected = fastfuse.soft_staple([one[1] for one in values], m_step="em")
    np.testing.assert_array_equal(fused.probability, expected.probability)
    np.testing.assert_array_equal(nib.load(tmp_path / "c.nii.gz").affine, AFFINE)


@pytest.mark.parametrize("label", [1, 3])
def test_class_is_chosen(tmp_path: Path, label: int) -> None:
    values = [probabilities(seed, 4) for seed in range(2)]
    paths = [save(tmp_path / f"m{k}", "case", one) for k, one in enumerate(values)]
    labels = values[0].argmax(axis=0).astype(np.uint8)
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "expert.nii.gz")
    fused = fastfuse.fuse_files(
        [*paths, tmp_path / "expert.nii.gz"],
        tmp_path / "c.nii.gz",
        select_label=label,
        save_counts=tmp_path / "n.nii",
    )
    votes = [values[0][label], values[1][label], (labels == label).astype(np.float32)]
    np.testing.assert_allclose(fused.probability, fastfuse.soft_staple(votes).probability, atol=1e-6)
    counts = np.asanyarray(nib.load(tmp_path / "n.nii").dataobj)
    np.testing.assert_array_equal(counts, sum((vote >= 0.5).astype(int) for vote in votes))
    assert json.loads((tmp_path / "c.json").read_text())["options"]["select_label"] == label


def broken(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def of_label(label: int) -> Wanted:
    return Wanted(Foreground((label,)))


def test_refused(tmp_path: Path) -> None:
    values = probabilities(0, 3)
    path = save(tmp_path, "case", values)
    with pytest.raises(ImageError, match=r"case\.npz: it holds 3 classes; choose one with select_label=K"):
        reading.read(path)
    with pytest.raises(ImageError, match=r"case\.npz: there is no class 3 among its 3"):
        reading.read(path, wanted=of_label(3))
    broken(path, logits=values)
    with pytest.raises(ImageError, match="it holds logits; an array named probabilities or softmax"):
        reading.read(path, wanted=of_label(1))
    broken(path, probabilities=values[1])
    with pytest.raises(
        ImageError, match=r"float32 of shape \(5, 6, 7\); floats of shape \(classes, z, y, x\)"
    ):
        reading.read(path, wanted=of_label(1))
    broken(path, softmax=values.transpose(0, 3, 2, 1)[:, 1:])
    with pytest.raises(
        ImageError, match=r"have shape \(5, 6, 6\), case\.nii\.gz has \(5, 6, 7\); nnU-Net v1 leaves out"
    ):
        reading.read(path, wanted=of_label(1))
    np.savez(path, probabilities=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(
        ImageError, match=r"case\.npz: cannot be read \(it holds Python objects\); save one array of numbers"
    ):
        reading.read(path, wanted=of_label(1))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ImageError, match=r"case\.npz: cannot be read"):
        reading.read(path, wanted=of_label(1))
    (tmp_path / "case.nii.gz").unlink()
    with pytest.raises(ImageError, match=r"no image of the same name .* lies beside it"):
        reading.read(path, wanted=of_label(1))


def test_values_out_of_range_name_the_file(tmp_path: Path) -> None:
    values = probabilities(0, 2)
    values[1, 2, 3, 4] = 1.5
    paths = [save(tmp_path / "a", "case", probabilities(1, 2)), save(tmp_path / "b", "case", values)]
    with pytest.raises(ValueError, match=r"b.case\.npz holds 1\.5 at voxel \(2, 3, 4\)"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    assert not (tmp_path / "c.nii.gz").exists()


def test_shell(tmp_path: Path) -> None:
    for k in range(2):
        save(tmp_path / f"m{k}", "case", probabilities(k, 2))
    done = run(tmp_path, "fuse", "m0/case.npz", "m1/case.npz", "-o", "c.nii.gz", "--m-step", "em")
    assert (done.returncode, done.stderr) == (0, "")
    assert "m0" in done.stdout
    assert (tmp_path / "c.nii.gz").exists()


# --- names in dataset.json -----------------------------------------------------------------------------------

V2 = {"background": 0, "edema": 1, "lesion": 2}
V1 = {"0": "background", "1": "edema", "2": "lesion"}
MAP = classes(3).argmax(axis=0).astype(np.uint8)


def named_by(folder: Path, labels: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


def by_name(*names: str) -> Wanted:
    return Wanted(Foreground(segments=names))


@pytest.mark.parametrize("labels", [V2, V1], ids=["v2", "v1"])
@pytest.mark.parametrize("ending", ["nii.gz", "mha", "npy", "npz"])
@pytest.mark.parametrize("name", ["lesion", " Lesion"])
def test_segments_of_a_dataset(tmp_path: Path, labels: dict[str, Any], ending: str, name: str) -> None:
    named_by(tmp_path, labels)
    path = tmp_path / f"case.{ending}"
    if ending == "npz":
        save_pair(tmp_path, classes(3), MAP)
    elif ending == "npy":
        np.save(path, MAP)
    elif ending == "mha":
        head = "NDims = 3\nDimSize = 9 8 7\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
        path.write_bytes(head.encode() + MAP.tobytes(order="F"))
    else:
        nib.save(nib.Nifti1Image(MAP, AFFINE), path)
    image = reading.read(path, wanted=by_name(name))
    np.testing.assert_array_equal(image.data, classes(3)[2] if ending == "npz" else MAP == 2)
    assert "by dataset.json 'lesion' is label 2" in str(image.remark)
    both = reading.read(path, wanted=by_name("edema", "lesion"))
    np.testing.assert_array_equal(
        both.data > 0.5, (classes(3)[1:].sum(axis=0) > 0.5) if ending == "npz" else MAP > 0
    )


def test_names_above_labels_tr(tmp_path: Path) -> None:
    folder = named_by(tmp_path, {"background": 0, "whole": [1, 2], "core": 2}) / "labelsTr"
    folder.mkdir()
    nib.save(nib.Nifti1Image(MAP, AFFINE), folder / "a.nii.gz")
    image = reading.read(folder / "a.nii.gz", wanted=by_name("whole"))
    np.testing.assert_array_equal(image.data, MAP > 0)
    with pytest.raises(ImageError, match=r"there is no segment 'tumour'; it holds whole, core"):
        reading.read(folder / "a.nii.gz", wanted=by_name("tumour"))
    with pytest.raises(ImageError, match="there is no segment 'background'"):
        reading.read(folder / "a.nii.gz", wanted=by_name("background"))


def test_without_a_dataset_the_labels_are_named(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(MAP, AFFINE), tmp_path / "a.nii.gz")
    with pytest.raises(ImageError, match=r"select_label=K .* \(values that occur: 0, 1, 2\)"):
        reading.read(tmp_path / "a.nii.gz", wanted=by_name("lesion"))
    with pytest.raises(ImageError, match=r"3 classes; .*dataset\.json that has that name"):
        reading.read(save_pair(tmp_path / "p", classes(3), MAP), wanted=by_name("lesion"))


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_jobs_take_names_of_a_dataset(tmp_path: Path) -> None:
    named_by(tmp_path, V2)
    for name in ("a", "b"):
        nib.save(nib.Nifti1Image(MAP, AFFINE), tmp_path / f"{name}.nii.gz")
    files = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    fusion = fastfuse.fuse_files(files, tmp_path / "c.nii", select_segment="lesion", method="majority")
    np.testing.assert_array_equal(fusion.probability > 0.5, MAP == 2)
    measured = fastfuse.evaluate_files(*files, select_segment="lesion")
    assert measured.true_positives == np.count_nonzero(MAP == 2)


def test_the_remedies_for_a_segmentation_of_another_case_work(tmp_path: Path) -> None:
    """Either is followed as it is told: the right segmentation beside it, or every channel as NIfTI."""
    values = [classes(seed) for seed in range(2)]
    paths = [
        save_pair(tmp_path / f"m{k}", one, one.argmax(0).astype(np.uint8)) for k, one in enumerate(values)
    ]
    beside = tmp_path / "m1" / "case.nii.gz"
    right = beside.read_bytes()
    nib.save(nib.Nifti1Image(np.roll(values[1].argmax(0).astype(np.uint8), 4, 0), AFFINE), beside)
    with pytest.raises(
        ImageError,
        match="belongs to it beside it, or save the channel of every network as NIfTI, and leave out",
    ):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="majority", select_label=1)
    beside.write_bytes(right)
    first = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="majority", select_label=1)
    channels = [tmp_path / f"channel{k}.nii.gz" for k in range(2)]
    for channel, one in zip(channels, values, strict=True):
        nib.save(nib.Nifti1Image(one[1].astype(np.float32), AFFINE), channel)
    second = fastfuse.fuse_files(channels, tmp_path / "d.nii.gz", method="majority")
    np.testing.assert_allclose(second.probability, first.probability, atol=1e-6)
