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

SHAPE = (5, 6, 7)
AFFINE = np.diag([-1.0, 1.5, 2.0, 1.0])


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
    with pytest.raises(ImageError, match=r"case\.npz: cannot be read"):
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
