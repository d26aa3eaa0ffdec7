"""Image files in and out."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import nifti
from fastfuse.images.paths import short_names, shown

from ..problems import simulated_raters, soften

SHAPE = (14, 18, 11)
AFFINE = np.array([[-1.0, 0, 0, 90], [0, 1.2, 0, -126], [0, 0, 3.0, -72], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    return (
        simulated_raters(np.random.default_rng(0), 4, int(np.prod(SHAPE))).reshape(4, *SHAPE).astype(np.uint8)
    )


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, **header: Any) -> Path:
    image = nib.Nifti1Image(data, affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


@pytest.fixture
def paths(tmp_path: Path, masks: np.ndarray) -> list[Path]:
    return [save(tmp_path / f"rater{i}.nii.gz", mask) for i, mask in enumerate(masks, start=1)]


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- the main job --------------------------------------------------------------------------------------------


def test_fuse_files(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    output = tmp_path / "consensus.nii.gz"
    label, counts = tmp_path / "label.nii", tmp_path / "counts.nii.gz"
    steps: list[str] = []
    fused = fastfuse.fuse_files(
        paths, output, method="staple", save_label=label, cut=0.6, save_counts=counts, progress=steps.append
    )
    expected = fastfuse.staple(masks)
    np.testing.assert_array_equal(fused.probability, expected.probability)
    image = nib.load(output)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), expected.probability)
    np.testing.assert_array_equal(np.asanyarray(nib.load(label).dataobj), expected.label(0.6))
    np.testing.assert_array_equal(np.asanyarray(nib.load(counts).dataobj), masks.sum(axis=0))
    assert nib.load(label).get_data_dtype() == nib.load(counts).get_data_dtype() == np.uint8
    assert steps[0] == "reading rater1.nii.gz"
    assert steps[-4:] == ["fusing", "writing consensus.nii.gz", "writing label.nii", "writing counts.nii.gz"]


def test_sidecar(tmp_path: Path, paths: list[Path]) -> None:
    save(tmp_path / "brain.nii.gz", np.ones(SHAPE, np.uint8))
    fused = fastfuse.fuse_files(
        [str(path) for path in paths],
        tmp_path / "c.nii",
        prior=0.25,
        mask=tmp_path / "brain.nii.gz",
        max_iter=500,
    )
    facts = json.loads((tmp_path / "c.json").read_text())
    assert facts["fastfuse"] == fastfuse.__version__
    assert facts["method"] == "soft-staple"
    assert facts["options"] == {
        "m_step": "paper", "prior": 0.25, "init": "vote", "tol": 1e-7, "max_iter": 500,
        "expectation": "auto", "roi": "all", "missing": "error", "mrf": 0.0, "performance_prior": None,
        "intervals": "none", "replicates": 200, "seed": 0,
        "acceleration": "none", "select_label": None, "device": "cpu",
        "cut": 0.5,
    }  # fmt: skip
    assert [rater["file"] for rater in facts["raters"]] == [str(path) for path in paths]
    assert [rater["sensitivity"] for rater in facts["raters"]] == fused.sensitivity.tolist()
    assert [rater["specificity"] for rater in facts["raters"]] == fused.specificity.tolist()
    assert facts["raters"][0]["volume_ml"] == pytest.approx(fused.volume[0] * 3.6e-3)
    assert facts["region"] == {"mask": str(tmp_path / "brain.nii.gz"), "voxels": int(np.prod(SHAPE))}
    assert (facts["prior"], facts["n_iter"], facts["converged"]) == (0.25, fused.n_iter, True)
    assert facts["log_likelihood"] == fused.log_likelihood.tolist()
    assert facts["foreground"]["voxels"] == fused.label().sum()
    assert facts["outputs"] == {"consensus": "c.nii"}
    assert facts["warnings"] == []


@pytest.mark.parametrize("raters", [3, 300])
def test_counts_of_many_who_looked(tmp_path: Path, raters: int) -> None:
    """More than a byte holds, and what a rater did not look at counts nowhere."""
    ones = save(tmp_path / "ones.nii", np.ones(SHAPE, np.uint8))
    half = np.ones(SHAPE, np.uint8)
    half[0] = 0
    half = save(tmp_path / "half.nii", half)
    paths = [save(tmp_path / f"r{i}.nii", np.ones(SHAPE, np.uint8)) for i in range(raters)]
    counts = tmp_path / "n.nii.gz"
    with pytest.warns(fastfuse.FusionWarning, match="everybody marks everything"):
        fastfuse.fuse_files(
            paths, tmp_path / "c.nii.gz", present=[half, *[ones] * (raters - 1)], save_counts=counts
        )
    found = np.asanyarray(nib.load(counts).dataobj)
    assert (found[0] == raters - 1).all()
    assert (found[1:] == raters).all()
    assert found.dtype == (np.uint8 if raters < 256 else np.uint16)


def test_undefined_is_null(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"r{i}.nii.gz", np.zeros(SHAPE, np.uint8)) for i in range(2)]
    with pytest.warns(fastfuse.FusionWarning, match="nobody marks anything"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    facts = json.loads((tmp_path / "c.json").read_text())
    assert [rater["sensitivity"] for rater in facts["raters"]] == [None, None]
    assert [rater["specificity"] for rater in facts["raters"]] == [1, 1]
    assert "nobody marks anything" in facts["warnings"][0]


@pytest.mark.parametrize(("qform", "sform", "units"), [(1, 1, 2), (0, 4, 10), (2, 0, 3), (0, 0, 0)])
def test_geometry_is_kept(tmp_path: Path, masks: np.ndarray, qform: int, sform: int, units: int) -> None:
    paths = []
    for i, mask in enumerate(masks):
        image = nib.Nifti1Image(mask, AFFINE)
        image.set_qform(AFFINE, qform)
        image.set_sform(AFFINE, sform)
        image.header["xyzt_units"] = units
        paths.append(tmp_path / f"r{i}.nii.gz")
        nib.save(image, paths[-1])
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    first, ours = nib.load(paths[0]), nib.load(tmp_path / "c.nii.gz")
    np.testing.assert_allclose(ours.affine, first.affine, atol=1e-5)
    assert (int(ours.header["qform_code"]), int(ours.header["sform_code"])) == (qform, sform)
    assert int(ours.header["xyzt_units"]) == units
    if qform and sform:
        np.testing.assert_allclose(ours.get_qform(), ours.get_sform(), atol=1e-5)
    assert nib.aff2axcodes(ours.affine) == nib.aff2axcodes(first.affine)


def test_same_bytes_every_time(tmp_path: Path, paths: list[Path]) -> None:
    first, second = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    fastfuse.fuse_files(paths, first)
    fastfuse.fuse_files(paths, second)
    assert first.read_bytes() == second.read_bytes()


def test_soft_votes_labels_and_prior_map(tmp_path: Path, masks: np.ndarray) -> None:
    votes = soften(np.random.default_rng(0), masks.astype(float), "three-valued").astype(np.float32)
    paths = [save(tmp_path / f"v{i}.nii.gz", vote) for i, vote in enumerate(votes)]
    prior = np.full(SHAPE, 0.2, np.float32)
    prior[:7] = 0.4
    save(tmp_path / "prior.nii.gz", prior)
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", prior=tmp_path / "prior.nii.gz", m_step="em")
    expected = fastfuse.soft_staple(votes, prior=prior, m_step="em")
    np.testing.assert_allclose(fused.probability, expected.probability, atol=1e-7)
    labels = [save(tmp_path / f"l{i}.nii.gz", (5 * mask).astype(np.int16)) for i, mask in enumerate(masks)]
    fused = fastfuse.fuse_files(
        labels, tmp_path / "l.nii.gz", method="staple", select_label=5, save_counts=tmp_path / "n.nii.gz"
    )
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks).probability)
    np.testing.assert_array_equal(np.asanyarray(nib.load(tmp_path / "n.nii.gz").dataobj), masks.sum(axis=0))


def scaled(path: Path, stored: np.ndarray, slope: float, inter: float = 0.0) -> Path:
    """Write integers with a scale in the header; real value = slope * stored + inter."""
    save(path, stored)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(raw)
    return path


def test_scale_in_the_header_is_honoured(tmp_path: Path, masks: np.ndarray) -> None:
    thirds = [scaled(tmp_path / f"t{i}.nii", mask * np.uint8(51), 1 / 51) for i, mask in enumerate(masks)]
    fused = fastfuse.fuse_files(thirds, tmp_path / "t.nii.gz", method="staple")
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks).probability)
    soft = [scaled(tmp_path / f"s{i}.nii", 100 + 155 * mask, 1 / 255) for i, mask in enumerate(masks)]
    fused = fastfuse.fuse_files(soft, tmp_path / "s.nii.gz", method="majority")
    np.testing.assert_allclose(fused.probability, np.where(masks, 1, 100 / 255).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_itk_formats(tmp_path: Path, masks: np.ndarray, suffix: str) -> None:
    sitk = pytest.importorskip("SimpleITK")
    first = save(tmp_path / "r0.nii.gz", masks[0])
    others = []
    for i, mask in enumerate(masks[1:]):
        source = save(tmp_path / f"source{i}.nii.gz", mask)
        others.append(tmp_path / f"r{i}{suffix}")
        sitk.WriteImage(sitk.ReadImage(str(source)), str(others[-1]))
    fused = fastfuse.fuse_files([first, *others], tmp_path / "c.nii.gz", method="staple")
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks).probability)
    fastfuse.fuse_files([*others], tmp_path / "d.nii.gz", method="staple")
    np.testing.assert_allclose(nib.load(tmp_path / "d.nii.gz").affine, AFFINE, atol=1e-5)


def test_itk_formats_without_simpleitk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    (tmp_path / "r.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(fastfuse.ImageError, match=r"r\.nrrd: reading it needs SimpleITK: pip install"):
        fastfuse.fuse_files([tmp_path / "r.nrrd"], tmp_path / "c.nii.gz")


def test_other_nibabel_formats(tmp_path: Path, masks: np.ndarray) -> None:
    paths = []
    for i, mask in enumerate(masks):
        paths.append(tmp_path / f"r{i}.mgz")
        nib.save(nib.MGHImage(mask, AFFINE.astype(np.float32)), paths[-1])
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple")
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks).probability)


def test_nifti2_and_trailing_axes(tmp_path: Path, masks: np.ndarray) -> None:
    first, second = tmp_path / "a.nii", tmp_path / "b.nii.gz"
    nib.save(nib.Nifti2Image(masks[0], AFFINE), first)
    nib.save(nib.Nifti1Image(masks[1][..., None, None], AFFINE), second)
    fused = fastfuse.fuse_files([first, second], tmp_path / "c.nii.gz", method="majority")
    np.testing.assert_allclose(fused.probability, masks[:2].mean(axis=0))


def test_misnamed_compression(tmp_path: Path, masks: np.ndarray) -> None:
    """A plain file named .nii.gz, and a compressed one named .nii."""
    plain = save(tmp_path / "plain.nii", masks[0])
    packed = save(tmp_path / "packed.nii.gz", masks[1])
    plain.rename(tmp_path / "a.nii.gz")
    packed.rename(tmp_path / "b.nii")
    fused = fastfuse.fuse_files(
        [tmp_path / "a.nii.gz", tmp_path / "b.nii"], tmp_path / "c.nii", method="majority"
    )
    np.testing.assert_allclose(fused.probability, masks[:2].mean(axis=0))


# --- grids ---------------------------------------------------------------------------------------------------


def fuse_two(tmp_path: Path, masks: np.ndarray, data: np.ndarray, affine: np.ndarray) -> fastfuse.Fusion:
    first, second = save(tmp_path / "one.nii.gz", masks[0]), save(tmp_path / "two.nii.gz", data, affine)
    return fastfuse.fuse_files([first, second], tmp_path / "c.nii.gz")


def shifted(mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += mm
    return affine


def test_tiny_shift_counts_as_none(tmp_path: Path, masks: np.ndarray) -> None:
    fuse_two(tmp_path, masks, masks[1], shifted(9e-4))


def test_small_shift_is_a_warning(tmp_path: Path, masks: np.ndarray) -> None:
    with pytest.warns(
        fastfuse.FusionWarning, match=r"two.nii.gz and .*one.nii.gz lie 0\.05 mm \(0\.05 voxels\) apart"
    ):
        fuse_two(tmp_path, masks, masks[1], shifted(0.05))


REORIENTED = np.diag([1, -1, 1, 1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: (data, shifted(0.2)),
            r"shape \(14, 18, 11\), but lie 0\.2 mm \(0\.2 voxels\) apart: resample",
        ),
        (lambda data: (data[:-1], AFFINE), r"shapes \(13, 18, 11\) and \(14, 18, 11\): resample"),
        (lambda data: (data, AFFINE @ np.diag([1, 1, 1.1, 1])), "apart: resample"),
        (
            lambda data: (
                data[:, ::-1],
                AFFINE @ np.array([[1, 0, 0, 0], [0, -1, 0, 17], [0, 0, 1, 0], [0, 0, 0, 1]]),
            ),
            "same box, but axis 1 is flipped",
        ),
        (
            lambda data: (
                data[::-1, ::-1],
                AFFINE @ np.array([[-1, 0, 0, 13], [0, -1, 0, 17], [0, 0, 1, 0], [0, 0, 0, 1]]),
            ),
            "same box, but axes 0 and 1 are flipped",
        ),
        (
            lambda data: (
                data.transpose(0, 2, 1),
                AFFINE @ np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]),
            ),
            "same box, but axes 1 and 2 are exchanged",
        ),
    ],
    ids=["shift", "shape", "spacing", "flip", "two flips", "exchange"],
)
def test_other_grid(tmp_path: Path, masks: np.ndarray, change: Any, message: str) -> None:
    data, affine = change(masks[1])
    with pytest.raises(fastfuse.GridError, match=message) as caught:
        fuse_two(tmp_path, masks, np.ascontiguousarray(data), affine)
    assert "one.nii.gz" in str(caught.value)
    assert "two.nii.gz" in str(caught.value)
    assert files_in(tmp_path) == {"one.nii.gz", "two.nii.gz"}


def test_mask_on_another_grid(tmp_path: Path, paths: list[Path]) -> None:
    brain = save(tmp_path / "brain.nii.gz", np.ones(SHAPE, np.uint8), shifted(5))
    with pytest.raises(fastfuse.GridError, match=r"brain.nii.gz and .*rater1.nii.gz .* lie 5 mm"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", mask=brain)


# --- damaged and hostile files -------------------------------------------------------------------------------


def truncate(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def patch(path: Path, at: int, values: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(values)] = values
    path.write_bytes(content)


def wrong_crc(path: Path) -> None:
    patch(path, path.stat().st_size - 8, b"\0\0\0\0")


def nan_affine(path: Path) -> None:
    patch(path, 280, np.array([np.nan] * 4, "<f4").tobytes())


DAMAGE = {
    "empty": (".nii", lambda path: path.write_bytes(b""), "the file is empty"),
    "half": (".nii", lambda path: truncate(path, 0.5), "truncated"),
    "half gz": (".nii.gz", lambda path: truncate(path, 0.5), "a complete image file"),
    "header only": (".nii", lambda path: truncate(path, 0.1), "a complete image file|truncated"),
    "wrong crc": (".nii.gz", wrong_crc, "CRC"),
    "noise": (".nii", lambda path: path.write_bytes(os.urandom(2000)), "cannot be read"),
    "noise gz": (".nii.gz", lambda path: path.write_bytes(b"\x1f\x8b" + os.urandom(2000)), "cannot be read"),
    "nan affine": (".nii", nan_affine, "affine"),
    "zero affine": (".nii", lambda path: patch(path, 280, bytes(48)), "affine"),
    "negative dim": (".nii", lambda path: patch(path, 42, np.array([-5], "<i2").tobytes()), "rater1.nii"),
    "zero dim": (".nii", lambda path: patch(path, 42, np.array([0], "<i2").tobytes()), "no voxels"),
    "large dims": (".nii", lambda path: patch(path, 42, np.array([300] * 3, "<i2").tobytes()), "truncated"),
    "offset in header": (
        ".nii",
        lambda path: patch(path, 108, np.array([4], "<f4").tobytes()),
        "vox offset 4 too low",
    ),
    "unknown type": (
        ".nii",
        lambda path: patch(path, 70, np.array([9999], "<i2").tobytes()),
        "cannot be read",
    ),
    "complex type": (".nii", lambda path: patch(path, 70, np.array([32], "<i2").tobytes()), "rater1.nii"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file(tmp_path: Path, masks: np.ndarray, damage: str) -> None:
    suffix, spoil, message = DAMAGE[damage]
    good = save(tmp_path / "rater0.nii.gz", masks[0])
    bad = save(tmp_path / f"rater1{suffix}", masks[1])
    spoil(bad)
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        fastfuse.fuse_files([good, bad], tmp_path / "c.nii.gz")
    assert bad.name in str(caught.value)
    assert files_in(tmp_path) == {good.name, bad.name}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_any_damage_is_an_image_error(tmp_path: Path, masks: np.ndarray, suffix: str) -> None:
    """Random bytes at random places of the file either do no harm or are refused in one way."""
    rng = np.random.default_rng(7)
    good = save(tmp_path / f"good{suffix}", masks[0]).read_bytes()
    refusals = []
    for _ in range(400):
        bad = bytearray(good)
        for at in rng.integers(0, 352, rng.integers(1, 6)):
            bad[at] = rng.integers(256)
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(bad[: rng.integers(1, len(bad))] if rng.random() < 0.1 else bad)
        try:
            image = nifti.read(path)
        except fastfuse.ImageError as error:
            refusals.append(str(error))
        else:
            assert image.data.ndim == 3
    assert len(refusals) > 40
    for refusal in refusals:
        assert refusal.startswith(f"{path}: ")
        assert len(refusal.splitlines()) == 1


def test_decompression_bomb(tmp_path: Path) -> None:
    """A small file whose header promises terabytes is refused before anything is allocated."""
    header = nib.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    with pytest.raises(fastfuse.ImageError, match=r"bomb.nii.gz: it needs \d+ GB of memory"):
        fastfuse.fuse_files([path], tmp_path / "c.nii.gz")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6, 2), (4, 5, 6, 1, 3)])
def test_not_three_dimensional(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "r.nii.gz", np.ones(shape, np.uint8))
    with pytest.raises(fastfuse.ImageError, match="one 3-D image per file"):
        fastfuse.fuse_files([path], tmp_path / "c.nii.gz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii.gz")
    for name in ("pipe.nii.gz", "."):
        with pytest.raises(fastfuse.ImageError, match="not a regular file"):
            fastfuse.fuse_files([tmp_path / name], tmp_path / "c.nii.gz")
    with pytest.raises(fastfuse.ImageError, match=r"missing\.nii\.gz: no such file"):
        fastfuse.fuse_files([tmp_path / "missing.nii.gz"], tmp_path / "c.nii.gz")


def test_bad_votes_name_the_file(tmp_path: Path, masks: np.ndarray) -> None:
    paths = [save(tmp_path / "a.nii.gz", masks[0]), save(tmp_path / "b.nii.gz", 4 * masks[1])]
    with pytest.raises(
        ValueError, match=r"rater 1 \(b.nii.gz\) holds 4 at voxel .* 0, 4\).*--select-label K"
    ):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple")


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.ImageError) as caught:
        fastfuse.fuse_files([tmp_path / "a\x1b[31m\n.nii"], tmp_path / "c.nii.gz")
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_stay_files_of_their_own_memory(tmp_path: Path, masks: np.ndarray) -> None:
    """Nothing is memory-mapped: a file that shrinks meanwhile would kill the process."""
    path = save(tmp_path / "r.nii", masks[0])
    data = nifti.read(path).data
    path.write_bytes(b"")
    np.testing.assert_array_equal(data, masks[0])


def test_qform_and_sform_that_disagree(tmp_path: Path, masks: np.ndarray) -> None:
    image = nib.Nifti1Image(masks[0], AFFINE)
    image.set_qform(shifted(5), 1)
    image.set_sform(AFFINE, 1)
    nib.save(image, tmp_path / "r0.nii")
    second = save(tmp_path / "r1.nii", masks[1])
    with pytest.warns(
        fastfuse.FusionWarning, match=r"r0\.nii: its qform and sform lie 5 mm apart; the sform is used"
    ):
        fastfuse.fuse_files([tmp_path / "r0.nii", second], tmp_path / "c.nii")


def test_voxels_of_a_microscope(tmp_path: Path, masks: np.ndarray) -> None:
    paths = [
        save(tmp_path / f"r{i}.nii", mask, np.diag([9e-5, 9e-5, 9e-5, 1])) for i, mask in enumerate(masks)
    ]
    fastfuse.fuse_files(paths, tmp_path / "c.nii")


def test_small_priors_are_not_rounded(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    stored = np.random.default_rng(0).choice([500, 20_000], SHAPE).astype(np.int32)
    prior = scaled(tmp_path / "prior.nii", stored, 1e-9)
    with pytest.warns(fastfuse.FusionWarning, match="the consensus is empty at the cut 0.5"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", prior=prior)
    assert fused.prior == pytest.approx(stored.mean() * 1e-9, rel=1e-6)


def test_one_file_twice(tmp_path: Path, paths: list[Path]) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=r"rater1\.nii\.gz and .*rater1\.nii\.gz are one file"):
        fastfuse.fuse_files([paths[0], paths[1], tmp_path / "." / "rater1.nii.gz"], tmp_path / "c.nii.gz")


def test_raters_of_one_name_are_told_apart(tmp_path: Path, masks: np.ndarray) -> None:
    for i, mask in enumerate(masks):
        (tmp_path / f"s{i}").mkdir()
        save(tmp_path / f"s{i}" / "lesion.nii", mask if i else 3 * mask)
    with pytest.raises(ValueError, match=r"rater 0 \(s0/lesion\.nii\) holds 3"):
        fastfuse.fuse_files(sorted(tmp_path.glob("*/lesion.nii")), tmp_path / "c.nii")
    assert short_names(["a/x.nii", "b/y.nii"]) == ["x.nii", "y.nii"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_undecodable_file_name(tmp_path: Path, masks: np.ndarray) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.nii"))
    save(tmp_path / "r.nii", masks[0]).rename(path)
    fastfuse.fuse_files([path, save(tmp_path / "s.nii", masks[1])], tmp_path / "c.nii")
    assert json.loads((tmp_path / "c.json").read_text())["raters"][0]["file"].endswith("caf\\udce9.nii")


def test_numpy_scalars_as_options(tmp_path: Path, paths: list[Path]) -> None:
    fused = fastfuse.fuse_files(
        paths,
        tmp_path / "c.nii",
        prior=np.float32(0.25),
        init=np.float64(0.9),
        tol=np.float32(1e-5),
        max_iter=np.int32(300),
        cut=np.float32(0.5),
        select_label=np.int64(1),
        threads=np.int8(1),
    )
    options = json.loads((tmp_path / "c.json").read_text())["options"]
    assert (options["prior"], options["max_iter"], options["select_label"]) == (0.25, 300, 1)
    assert fused.converged
    with pytest.raises(TypeError, match="prior is an array: fuse_files takes a prior map as an image file"):
        fastfuse.fuse_files(paths, tmp_path / "d.nii", prior=np.full(SHAPE, 0.2))
    with pytest.raises(TypeError, match="paths is of type NoneType: give a list of paths"):
        fastfuse.fuse_files(None, tmp_path / "d.nii")


def test_units_of_other_formats_are_millimetres(tmp_path: Path, masks: np.ndarray) -> None:
    paths = [tmp_path / f"r{i}.mgz" for i in range(2)]
    for path, mask in zip(paths, masks, strict=False):
        nib.save(nib.MGHImage(mask, AFFINE.astype(np.float32)), path)
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    assert nib.load(tmp_path / "c.nii").header.get_xyzt_units()[0] == "mm"


# --- outputs -------------------------------------------------------------------------------------------------


def test_existing_outputs_are_kept(tmp_path: Path, paths: list[Path]) -> None:
    output, label = tmp_path / "c.nii.gz", tmp_path / "l.nii.gz"
    for existing in (output, label, tmp_path / "c.json"):
        existing.write_bytes(b"precious")
        with pytest.raises(fastfuse.OutputError, match=rf"{existing.name}: exists already; .*--overwrite"):
            fastfuse.fuse_files(paths, output, save_label=label)
        assert existing.read_bytes() == b"precious"
        existing.unlink()
    (tmp_path / "c.json").write_bytes(b"old")
    fastfuse.fuse_files(paths, output, save_label=label, overwrite=True)
    assert json.loads((tmp_path / "c.json").read_text())["method"] == "soft-staple"


def test_impossible_outputs(tmp_path: Path, paths: list[Path]) -> None:
    before = paths[0].read_bytes()
    for output, message in [
        ("c.mha", r"must end in \.nii or \.nii\.gz"),
        ("nowhere/c.nii.gz", "nowhere does not exist"),
        ("rater1.nii.gz", "is one of the inputs"),
    ]:
        with pytest.raises(fastfuse.OutputError, match=message):
            fastfuse.fuse_files(paths, tmp_path / output, overwrite=True)
    with pytest.raises(fastfuse.OutputError, match="is to hold two outputs"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", save_label=tmp_path / "c.nii")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(fastfuse.OutputError, match="is a folder"):
        fastfuse.fuse_files(paths, tmp_path / "folder.nii", overwrite=True)
    assert paths[0].read_bytes() == before


def test_one_output_by_two_names(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for other in ("real/../real/c.nii", "link/c.nii"):
        with pytest.raises(fastfuse.OutputError, match="is to hold two outputs"):
            fastfuse.fuse_files(paths, tmp_path / "real" / "c.nii", save_label=tmp_path / other)


def test_links_are_followed(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "c.nii").symlink_to("target.nii")
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    assert (tmp_path / "c.nii").is_symlink()
    assert nib.load(tmp_path / "target.nii").shape == SHAPE


def test_longest_name(tmp_path: Path, paths: list[Path]) -> None:
    output = tmp_path / f"{'c' * 248}.nii"
    fastfuse.fuse_files(paths, output)
    assert output.exists()


def test_failure_between_two_renames_puts_all_back(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, label = tmp_path / "c.nii", tmp_path / "l.nii"
    for existing in (True, False):
        if existing:
            fastfuse.fuse_files(paths, output, save_label=label)
        before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
        replace = Path.replace

        def fail_at_label(self: Path, to: Path, replace: Any = replace) -> Path:
            if to.name == "l.nii" and self.suffix == ".part":
                raise PermissionError(1, "Operation not permitted")
            return replace(self, to)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", fail_at_label)
            with pytest.raises(
                fastfuse.OutputError, match=r"l\.nii: cannot be written .*; nothing was changed"
            ):
                fastfuse.fuse_files(paths, output, save_label=label, method="majority", overwrite=True)
        assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before
        for path in (output, label, tmp_path / "c.json"):
            path.unlink(missing_ok=True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_signal_between_two_renames_waits(tmp_path: Path, paths: list[Path]) -> None:
    code = """
        replace = Path.replace
        def interrupted(self, to):
            os.kill(os.getpid(), signal.SIGINT)
            return replace(self, to)
        Path.replace = interrupted
        fastfuse.fuse_files(paths, folder / "c.nii", save_label=folder / "l.nii", overwrite=True)
    """
    assert run_in_child(code, tmp_path).returncode == -signal.SIGINT
    assert files_in(tmp_path) == {path.name for path in paths} | {"c.nii", "l.nii", "c.json"}


def test_bad_options_touch_nothing(tmp_path: Path, paths: list[Path]) -> None:
    for options, message in [
        ({"method": "average"}, "method is 'average': it must be 'staple' or 'dilated-staple' or"),
        ({"cut": 0}, "cut is 0"),
        ({"prior": "median"}, "prior is 'median'"),
        ({"method": "majority", "prior": 0.5}, "prior is 0.5: majority has no such option"),
        ({"method": "staple", "m_step": "em2"}, "m_step is 'em2'"),
        ({"method": "staple", "m_step": "em"}, "m_step is 'em': staple has no such option"),
        ({"cut": "high"}, "cut is 'high'"),
        ({"prior": "0.5x"}, "prior is '0.5x': it must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", **options)
    with pytest.raises(ValueError, match="no raters"):
        fastfuse.fuse_files([], tmp_path / "c.nii.gz")
    assert files_in(tmp_path) == {path.name for path in paths}


def run_in_child(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = (
        """
        import os, resource, signal, sys
        from pathlib import Path
        import fastfuse
        folder = Path(sys.argv[1])
        paths = sorted(folder.glob("rater*.nii.gz"))
        """,
        code,
    )
    text = "\n".join(textwrap.dedent(part) for part in script)
    return subprocess.run(
        [sys.executable, "-c", text, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_full_disk(tmp_path: Path, paths: list[Path]) -> None:
    """No room for the output: the old files stay, and nothing half-written."""
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    code = """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            fastfuse.fuse_files(paths, folder / "c.nii", method="majority", overwrite=True)
        except fastfuse.OutputError as error:
            print(error)
    """
    done = run_in_child(code, tmp_path)
    assert "c.nii: cannot be written (File too large); nothing was changed" in done.stdout, done.stderr
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_kill_while_writing(tmp_path: Path, paths: list[Path], how: str) -> None:
    """Killed between the writing and the renaming of outputs: the old ones are whole."""
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    code = f"""
        fsync = os.fsync
        def killed(descriptor):
            fsync(descriptor)
            os.kill(os.getpid(), signal.{how})
        os.fsync = killed
        fastfuse.fuse_files(paths, folder / "c.nii.gz", method="majority", overwrite=True)
    """
    done = run_in_child(code, tmp_path)
    assert done.returncode == -getattr(signal, how)
    visible = {
        name: (tmp_path / name).read_bytes() for name in files_in(tmp_path) if not name.endswith(".part")
    }
    assert visible == before
    if how == "SIGINT":
        assert files_in(tmp_path) == set(before), "temporary files are removed"


def test_the_sidecar_comes_last(tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append(to.name), replace(self, to))[1])
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", save_label=tmp_path / "l.nii.gz", overwrite=True)
    assert order == ["c.nii.gz", "l.nii.gz", "c.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_outputs_get_ordinary_permissions(tmp_path: Path, paths: list[Path]) -> None:
    umask = os.umask(0o027)
    try:
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    finally:
        os.umask(umask)
    assert (tmp_path / "c.nii.gz").stat().st_mode & 0o777 == 0o640


def test_printable_paths() -> None:
    assert shown("a\tb\x1b.nii") == "a\\tb\\x1b.nii"


def test_scaled_mask(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    """A mask of 0 and 255 whose header scales it by 1/255 is a mask of 0 and 1."""
    region = np.zeros(SHAPE, np.uint8)
    region[2:] = 255
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", mask=scaled(tmp_path / "m.nii", region, 1 / 255))
    np.testing.assert_array_equal(fused.probability, fastfuse.soft_staple(masks, mask=region > 0).probability)
    bad = save(tmp_path / "bad.nii", region)
    with pytest.raises(ValueError, match=r"the mask \(bad.nii\) holds 255 at voxel .*write mask > 0"):
        fastfuse.fuse_files(paths, tmp_path / "d.nii", mask=bad)


@pytest.mark.parametrize("as_what", ["rater", "mask", "prior", "output", "save_label", "image"])
def test_name_too_long(tmp_path: Path, paths: list[Path], as_what: str) -> None:
    long = tmp_path / f"{'y' * 300}.nii.gz"
    options = {as_what: long} if as_what not in ("rater", "output") else {}
    if as_what == "image":
        options["soften"] = True
    raters = [*paths, long] if as_what == "rater" else paths
    with pytest.raises(
        fastfuse.FastfuseError, match=r"yyy\.nii\.gz: cannot be (found|written) \(File name too long"
    ):
        fastfuse.fuse_files(raters, long if as_what == "output" else tmp_path / "c.nii", **options)
    assert files_in(tmp_path) == {path.name for path in paths}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_odd_outputs(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "loop.nii").symlink_to(tmp_path / "loop.nii")
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(
        fastfuse.OutputError, match=r"loop\.nii: cannot be written \((its links|Too many levels)"
    ):
        fastfuse.fuse_files(paths, tmp_path / "loop.nii", overwrite=True)
    with pytest.raises(fastfuse.OutputError, match=r"pipe\.nii: is not a regular file"):
        fastfuse.fuse_files(paths, tmp_path / "pipe.nii", overwrite=True)
    with pytest.raises(fastfuse.OutputError, match="the name of an output is empty"):
        fastfuse.fuse_files(paths, "")
    with pytest.raises(fastfuse.ImageError, match=r"loop\.nii: cannot be found"):
        fastfuse.fuse_files([tmp_path / "loop.nii"], tmp_path / "c.nii")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_overwriting_keeps_permissions(tmp_path: Path, paths: list[Path]) -> None:
    output = tmp_path / "c.nii.gz"
    fastfuse.fuse_files(paths, output)
    output.chmod(0o600)
    fastfuse.fuse_files(paths, output, overwrite=True)
    assert output.stat().st_mode & 0o777 == 0o600


def test_output_that_appears_meanwhile_is_kept(tmp_path: Path, paths: list[Path]) -> None:
    def meddle(step: str) -> None:
        if step == "writing c.nii":
            (tmp_path / "l.nii").write_text("mine")

    with pytest.raises(fastfuse.OutputError, match=r"l\.nii: was written by another process meanwhile"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", save_label=tmp_path / "l.nii", progress=meddle)
    assert (tmp_path / "l.nii").read_text() == "mine"
    assert files_in(tmp_path) == {path.name for path in paths} | {"l.nii"}


def test_wrong_header_is_told_from_a_turned_image(tmp_path: Path, masks: np.ndarray) -> None:
    straight = save(tmp_path / "a.nii", masks[0])
    mirrored = AFFINE.copy()
    mirrored[:, 0] *= -1
    with pytest.raises(fastfuse.GridError, match="axis 0 is flipped: one header is wrong"):
        fastfuse.fuse_files([straight, save(tmp_path / "b.nii", masks[1], mirrored)], tmp_path / "c.nii")
    image = nib.Nifti1Image(masks[1], None)
    nib.save(image, tmp_path / "nowhere.nii")
    with pytest.raises(fastfuse.GridError, match=r"nowhere\.nii does not say where it lies"):
        fastfuse.fuse_files([straight, tmp_path / "nowhere.nii"], tmp_path / "c.nii")


def test_arrays_are_no_paths(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    with pytest.raises(TypeError, match="path 1 is of type ndarray, not a path"):
        fastfuse.fuse_files([paths[0], masks[0]], tmp_path / "c.nii")
    with pytest.raises(TypeError, match="path 1 is None: leave the rater out"):
        fastfuse.fuse_files([paths[0], None], tmp_path / "c.nii")  # type: ignore[list-item]
    with pytest.raises(TypeError, match="mask is of type ndarray"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", mask=masks[0])


def test_sidecar_records_paths_as_they_are(tmp_path: Path, masks: np.ndarray) -> None:
    odd = save(tmp_path / "new\nline [red].nii", masks[0])
    fastfuse.fuse_files([odd, save(tmp_path / "b.nii", masks[1])], tmp_path / "c.nii")
    assert json.loads((tmp_path / "c.json").read_text())["raters"][0]["file"] == str(odd)


def test_broken_mha_gives_one_reason(
    tmp_path: Path, masks: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(sitk.GetImageFromArray(masks[0]), str(tmp_path / "a.mha"))
    whole = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(whole[:-500])
    with pytest.raises(fastfuse.ImageError, match=r"a\.mha: SimpleITK cannot read it .*is it complete"):
        nifti.read(tmp_path / "a.mha")
    assert capfd.readouterr() == ("", "")
