"""Files fused: results, sidecar, formats, options."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images.paths import short_names, shown

from ..problems import soften
from .common import AFFINE, SHAPE, files_in, save

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


def test_itk_formats_without_simpleitk(
    tmp_path: Path, masks: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read from their own text: no package is needed."""
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    paths = []
    for k, mask in enumerate(masks[:3]):
        sizes = " ".join(map(str, mask.shape))
        header = f"ObjectType = Image\nNDims = 3\nElementSpacing = 1 1 3\nOffset = 0 0 0\nDimSize = {sizes}\n"
        content = mask.tobytes(order="F")
        paths.append(tmp_path / f"r{k}.mha")
        paths[-1].write_bytes(
            f"{header}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode() + content
        )
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple")
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks[:3]).probability)


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


# --- damaged and hostile files -------------------------------------------------------------------------------


def test_small_priors_are_not_rounded(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    stored = np.random.default_rng(0).choice([500, 20_000], SHAPE).astype(np.int32)
    prior = scaled(tmp_path / "prior.nii", stored, 1e-9)
    with pytest.warns(fastfuse.FusionWarning, match="the consensus is empty at the cut 0.5"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", prior=prior)
    assert fused.prior == pytest.approx(stored.mean() * 1e-9, rel=1e-6)


def test_one_file_twice(tmp_path: Path, paths: list[Path]) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=r"rater1\.nii\.gz, given twice, is one file"):
        fastfuse.fuse_files([paths[0], paths[1], tmp_path / "." / "rater1.nii.gz"], tmp_path / "c.nii.gz")


def test_several_files_twice_are_one_line(tmp_path: Path, paths: list[Path]) -> None:
    with pytest.warns(fastfuse.FusionWarning) as warned:
        fastfuse.fuse_files([*paths[:3], *paths[:2], paths[2], paths[2]], tmp_path / "c.nii.gz")
    said = [one for one in warned[0].message.remarks if "given" in one]
    assert said == [
        f"{paths[0]} and {paths[1]}, given twice each, are one file each: each is given as two raters; leave copies out",
        f"{paths[2]}, given three times, is one file: it is given as three raters; leave copies out",
    ]


def test_raters_of_one_name_are_told_apart(tmp_path: Path, masks: np.ndarray) -> None:
    for i, mask in enumerate(masks):
        (tmp_path / f"s{i}").mkdir()
        save(tmp_path / f"s{i}" / "lesion.nii", mask if i else 3 * mask)
    with pytest.raises(ValueError, match=r"^s0/lesion\.nii holds 3"):
        fastfuse.fuse_files(sorted(tmp_path.glob("*/lesion.nii")), tmp_path / "c.nii")
    assert short_names(["a/x.nii", "b/y.nii"]) == ["x.nii", "y.nii"]


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


# --- outputs -------------------------------------------------------------------------------------------------


def test_printable_paths() -> None:
    assert shown("a\tb\x1b.nii") == "a\\tb\\x1b.nii"


def test_scaled_mask(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    """A mask of 0 and 255 whose header scales it by 1/255 is a mask of 0 and 1."""
    region = np.zeros(SHAPE, np.uint8)
    region[2:] = 255
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", mask=scaled(tmp_path / "m.nii", region, 1 / 255))
    np.testing.assert_array_equal(fused.probability, fastfuse.soft_staple(masks, mask=region > 0).probability)
    bytes_of_1 = save(tmp_path / "bytes.nii", region)
    with pytest.warns(
        fastfuse.FusionWarning, match=r"bytes\.nii: its values are 0 and 255, which is taken as 1"
    ):
        again = fastfuse.fuse_files(paths, tmp_path / "d.nii", mask=bytes_of_1, present=[bytes_of_1] * 4)
    np.testing.assert_array_equal(again.probability, fused.probability)
    with pytest.warns(fastfuse.FusionWarning, match="0 and 255, which is taken as 1"):
        measured = fastfuse.evaluate_files(paths[0], paths[1], mask=bytes_of_1)
    assert measured.dice == fastfuse.evaluate(masks[0], masks[1], mask=region > 0).dice
    region[2] = 3
    bad = save(tmp_path / "bad.nii", region)
    for job in (
        lambda: fastfuse.fuse_files(paths, tmp_path / "e.nii", mask=bad),
        lambda: fastfuse.fuse_files(paths, tmp_path / "e.nii", present=[bad] * 4),
        lambda: fastfuse.evaluate_files(paths[0], paths[1], mask=bad),
        lambda: fastfuse.soften_files(paths[:1], paths[1], output=tmp_path / "e.nii", roi=bad),
    ):
        with pytest.raises(
            fastfuse.ImageError, match=r"bad\.nii: it holds 0, 3, 255, and a region .* --binarize"
        ):
            job()


def test_arrays_are_no_paths(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    with pytest.raises(TypeError, match="path 1 is of type ndarray, not a path"):
        fastfuse.fuse_files([paths[0], masks[0]], tmp_path / "c.nii")
    with pytest.raises(TypeError, match="path 1 is None: leave the rater out"):
        fastfuse.fuse_files([paths[0], None], tmp_path / "c.nii")  # type: ignore[list-item]
    with pytest.raises(TypeError, match="mask is of type ndarray"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", mask=masks[0])


def test_none_is_no_path(tmp_path: Path, paths: list[Path]) -> None:
    from fastfuse.demo import case, cohort
    from fastfuse.report.plots import panels as plots
    from fastfuse.train.cohort.check import check_cohort
    from fastfuse.train.cohort.folds import read_folds, write_folds

    none: Any = None
    jobs: dict[str, list[Callable[[], object]]] = {
        "output": [lambda: fastfuse.fuse_files(paths, none)],
        "image": [lambda: fastfuse.soften_files(paths[:1], none, output=tmp_path / "s.nii")],
        "prediction": [lambda: fastfuse.evaluate_files(none, paths[0])],
        "truth": [lambda: fastfuse.evaluate_files(paths[0], none)],
        "predictions": [lambda: fastfuse.evaluate_folders(none, tmp_path)],
        "truths": [lambda: fastfuse.evaluate_folders(tmp_path, none)],
        "directory": [lambda: case.run(none), lambda: cohort.make_cohort(none)],
        "root": [lambda: check_cohort(none)],
        "path": [
            lambda: write_folds(none, [], []),
            lambda: read_folds(none, []),
            lambda: plots.save(plots.Figure(), none),
        ],
    }
    before = files_in(tmp_path)
    for name, of_this_name in jobs.items():
        for job in of_this_name:
            with pytest.raises(TypeError, match=f"^{name} is None, not a path$"):
                job()
    assert files_in(tmp_path) == before


def test_sidecar_records_paths_as_they_are(tmp_path: Path, masks: np.ndarray) -> None:
    odd = save(tmp_path / "new\nline [red].nii", masks[0])
    fastfuse.fuse_files([odd, save(tmp_path / "b.nii", masks[1])], tmp_path / "c.nii")
    assert json.loads((tmp_path / "c.json").read_text())["raters"][0]["file"] == str(odd)
