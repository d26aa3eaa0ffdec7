"""Structures that may overlap, in files and in the shell: each as it is fused alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse

from ...command import run_here
from ...images.segmentations import dicom_seg, seg_nrrd
from .test_overlap import SHAPE, stacks

pytest.importorskip("pydicom")

pytestmark = pytest.mark.filterwarnings("ignore:.*channels are regions")
Write = Callable[[Path, int, NDArray[np.uint8]], Path]


def layers(folder: Path, i: int, masks: NDArray[np.uint8]) -> Path:
    """Both segments have label 1, in layers of their own, in another order for each rater."""
    first = i % 2
    segments = [("Tumour", 1, first), ("core", 1, 1 - first)]
    return seg_nrrd(folder / f"rater{i}.seg.nrrd", masks[::-1] if first else masks, segments)


def frames(folder: Path, i: int, masks: NDArray[np.uint8]) -> Path:
    return dicom_seg(folder / f"rater{i}.dcm", {"Tumour": masks[0], "core": masks[1]}, empty=True)


def channels(folder: Path, i: int, masks: NDArray[np.uint8]) -> Path:
    path = folder / f"rater{i}.nii.gz"
    nib.save(nib.Nifti1Image(np.moveaxis(masks, 0, -1), np.diag([1, 1, 2, 1])), path)
    return path


def written(folder: Path, write: Write, raters: list[NDArray[np.uint8]] | None = None) -> list[Path]:
    return [write(folder, i, masks) for i, masks in enumerate(raters or nested())]


def nested() -> list[NDArray[np.uint8]]:
    """Return masks of a tumour and of its core, inside it for every rater."""
    return [np.stack([one[0] | one[1], one[1]]) for one in stacks()]


def alone(write: Write, paths: list[Path], place: int, output: Path) -> fastfuse.Fusion:
    """Return the fusion of one structure, as files of it alone are fused."""
    if write is channels:
        return fastfuse.fuse_files(
            paths, output, method="staple", select_label=place + 1, channel_axis="last"
        )
    return fastfuse.fuse_files(paths, output, method="staple", select_segment=["Tumour", "core"][place])


@pytest.mark.parametrize("write", [layers, frames, channels])
def test_each_structure_is_as_fused_alone(write: Write, tmp_path: Path) -> None:
    paths = written(tmp_path, write)
    labels: Any = {1: "Tumour", 2: "core"} if write is channels else "all"
    found = fastfuse.fuse_files(
        paths,
        tmp_path / "out.nii.gz",
        labels=labels,
        overlap=True,
        channel_axis="last" if write is channels else None,
        save_label=tmp_path / "masks.nii.gz",
        save_probability={"core": tmp_path / "core.nii.gz"},
    )
    assert list(found) == ["Tumour", "core"]
    volumes = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)
    masks = np.asarray(nib.load(tmp_path / "masks.nii.gz").dataobj)
    said = json.loads((tmp_path / "out.json").read_text())
    assert volumes.shape == masks.shape == (*SHAPE, 2)
    assert masks.dtype == np.uint8
    for place, (name, fusion) in enumerate(found.items()):
        single = alone(write, paths, place, tmp_path / f"alone{place}.nii.gz")
        np.testing.assert_array_equal(fusion.probability, single.probability)
        image = nib.load(tmp_path / f"alone{place}.nii.gz")
        np.testing.assert_array_equal(volumes[..., place], np.asarray(image.dataobj))
        np.testing.assert_array_equal(masks[..., place], single.label())
        np.testing.assert_array_equal(nib.load(tmp_path / "out.nii.gz").affine, image.affine)
        told = json.loads((tmp_path / f"alone{place}.json").read_text())
        of_one = said["structures"][place]
        assert of_one["name"] == name
        assert of_one["raters"] == told["raters"]
        assert of_one["foreground"] == told["foreground"]
        assert of_one["log_likelihood"] == told["log_likelihood"]
    assert (masks[..., 0] & masks[..., 1]).any()
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "core.nii.gz").dataobj), volumes[..., 1])
    assert said["options"]["labels"] == ["Tumour", "core"]
    assert said["options"]["overlap"] is True
    assert said["outputs"]["probability of core"] == "core.nii.gz"


def test_of_one_kind_or_another(tmp_path: Path) -> None:
    """Slicer's layers beside DICOM's frames, on one grid: read by name."""
    raters = nested()
    paths = [layers(tmp_path, 0, raters[0]), layers(tmp_path, 1, raters[1])]
    paths.append(
        dicom_seg(
            tmp_path / "third.dcm",
            {"core": raters[2][1], " tumour ": raters[2][0]},
            spacing=(1, 1, 2),
            origin=(90, 120, -60),
            empty=True,
        )
    )
    with pytest.warns(fastfuse.FusionWarning, match="Tumour: .*its segment ' tumour' was taken for 'Tumour'"):
        found = fastfuse.fuse_files(paths, tmp_path / "out.nii", labels="all", overlap=True)
    for place, fusion in enumerate(found.values()):
        plain = fastfuse.staple([one[place] for one in raters])
        np.testing.assert_array_equal(fusion.sensitivity, plain.sensitivity)
        assert fusion.log_likelihood[-1] == plain.log_likelihood[-1]


def test_the_output_is_read_as_regions(tmp_path: Path) -> None:
    found = fastfuse.fuse_files(
        written(tmp_path, layers), tmp_path / "out.nii.gz", labels="all", overlap=True
    )
    with pytest.warns(fastfuse.FusionWarning, match="channels are regions, region 2 of 2 was taken"):
        again = fastfuse.fuse_files(
            [tmp_path / "out.nii.gz"], tmp_path / "again.nii.gz", select_label=2, channel_axis="last"
        )
    np.testing.assert_allclose(again.volume, found["core"].probability.sum(dtype=float), rtol=1e-6)


def test_options_of_masks(tmp_path: Path) -> None:
    """A mask, another method, a prior for each structure, intervals: those of either structure alone."""
    paths = written(tmp_path, frames)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 1:, 1:] = 1
    region = dicom_seg(tmp_path / "mask.dcm", {"region": mask}, empty=True)
    given: dict[str, Any] = {"mask": region, "intervals": "bootstrap", "replicates": 5}
    found = fastfuse.fuse_files(
        paths,
        tmp_path / "out.nii",
        labels="all",
        overlap=True,
        prior={"core": 0.1, "Tumour": 0.4},
        method="soft-staple",
        **given,
    )
    single = fastfuse.fuse_files(paths, tmp_path / "a.nii", select_segment="core", prior=0.1, **given)
    np.testing.assert_array_equal(found["core"].probability, single.probability)
    assert found["core"].intervals is not None
    assert single.intervals is not None
    np.testing.assert_array_equal(found["core"].intervals.sensitivity, single.intervals.sensitivity)
    said = json.loads((tmp_path / "out.json").read_text())
    assert [one["prior"] for one in said["structures"]] == [0.4, 0.1]
    assert [one["options"]["prior"] for one in said["structures"]] == [0.4, 0.1]
    assert said["structures"][0]["region"] == {"mask": str(region), "voxels": int(mask.sum())}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_soft_segments(tmp_path: Path) -> None:
    paths = [
        dicom_seg(
            tmp_path / f"r{i}.dcm",
            {"Tumour": one[0] * 0.8, "core": one[1] * (0.5 + i / 10)},
            fractional=True,
            empty=True,
        )
        for i, one in enumerate(nested())
    ]
    given: dict[str, Any] = {"method": "soft-staple", "m_step": "em"}
    found = fastfuse.fuse_files(paths, tmp_path / "out.nii", labels="all", overlap=True, **given)
    single = fastfuse.fuse_files(paths, tmp_path / "a.nii", select_segment="core", **given)
    np.testing.assert_array_equal(found["core"].probability, single.probability)
    with pytest.raises(ValueError, match=r"\.dcm holds 0.*staple takes masks of 0 and 1"):
        fastfuse.fuse_files(paths, tmp_path / "b.nii", labels="all", overlap=True)


def test_shell(tmp_path: Path) -> None:
    paths = written(tmp_path, layers)
    run = run_here(
        tmp_path,
        *("fuse", *(path.name for path in paths), "-o", "out.nii.gz", "--labels", "all", "--overlap"),
        *("--save-probability", "core=core.nii.gz", "--save-label", "m.nii.gz"),
    )
    assert run.returncode == 0, run.stderr
    assert "Tumour: staple of 3 raters" in run.stdout
    assert "core: staple of 3 raters" in run.stdout
    assert run.stdout.count("wrote ") == 1
    found = fastfuse.fuse_files(paths, tmp_path / "b.nii.gz", labels="all", overlap=True)
    shown = np.asarray(nib.load(tmp_path / "core.nii.gz").dataobj)
    np.testing.assert_array_equal(shown, found["core"].probability)
    assert (tmp_path / "m.nii.gz").is_file()


ALL: dict[str, Any] = {"labels": "all", "overlap": True}


@pytest.mark.parametrize(
    ("write", "options", "said"),
    [
        (channels, {**ALL, "channel_axis": "last"}, "no file names segments .*: say which labels are structures, as in labels="),
        (layers, {"overlap": True}, r"overlap is True: say which structures, by labels='all'.*or select_segment=\['A', 'B'\]"),
        (layers, {**ALL, "method": "dilated-staple", "image": "f.nii"}, "overlap is True: .*no such option|image is given"),
        (layers, {**ALL, "candidates": "all"}, "candidates is given, and overlap is True"),
        (layers, {**ALL, "undecided": 9}, "undecided is given, and overlap is True"),
        (layers, {**ALL, "select_label": 1}, "select_label is given, and overlap is True"),
        (layers, {**ALL, "select_segment": "core"}, "labels and select_segment are given, and overlap is True"),
        (layers, {**ALL, "save_confidence": "c.nii"}, "save_confidence is given, and overlap is True"),
        (layers, {**ALL, "save_counts": "c.nii"}, "save_counts is given, and overlap is True: count one"),
        (layers, {**ALL, "label_names": "n.tsv"}, "label_names is given, and overlap is True"),
        (layers, {**ALL, "soften": True}, "soften is given, and overlap is True"),
        (layers, {**ALL, "prior": "atlas.nii.gz"}, "prior is 'atlas.nii.gz', and overlap is True"),
        (layers, {**ALL, "prior": "smooth:4"}, "prior is 'smooth:4', and overlap is True"),
        (layers, {**ALL, "prior": {"core": 0.1}}, "prior has none for label Tumour"),
        (layers, {"labels": {1: "tumor"}, "overlap": True}, "there is no segment 'tumor'; it holds 'Tumour' and 'core'|there is no segment"),
        (layers, {"labels": [1], "overlap": True}, "label 1 stands in layers 0, 1"),
        (layers, {**ALL, "save_probability": {"edema": "e.nii"}}, "save_probability names 'edema', and no label is called so"),
        (layers, {**ALL, "save_probability": {7: "e.nii"}}, "save_probability names 7, and the structures are"),
        (layers, {**ALL, "save_probability": {("core", "Tumour"): "e.nii"}}, "structures that overlap have no sum"),
        (layers, {**ALL, "save_probability": {"core": "out.nii.gz"}}, "out.nii.gz: is to hold two outputs"),
    ],
)  # fmt: skip
def test_refused_by_name(
    write: Write, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = written(tmp_path, write)
    with pytest.raises((ValueError, TypeError), match=said):
        fastfuse.fuse_files(paths, "out.nii.gz", **options)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.parametrize("write", [layers, frames])
def test_without_it_the_refusal_names_it(write: Write, tmp_path: Path) -> None:
    paths = written(tmp_path, write)
    with pytest.raises(fastfuse.ImageError, match=r"overlap.*each by itself, give overlap=True"):
        fastfuse.fuse_files(paths, tmp_path / "out.nii", labels="all")
    run = run_here(
        tmp_path, "fuse", *(path.name for path in paths), "-o", "o.nii", "--labels", "all", columns=10_000
    )
    assert run.returncode == 2
    assert "give --overlap; or save" in run.stderr


def test_a_rater_without_a_structure_is_refused_and_the_remedy_works(tmp_path: Path) -> None:
    raters = nested()
    paths = written(tmp_path, layers)
    paths[2] = seg_nrrd(tmp_path / "third.seg.nrrd", raters[2][:1], [("Tumour", 1, 0)])
    with pytest.raises(
        fastfuse.ImageError,
        match=r"third.seg.nrrd: there is no segment 'core'.*in the place of labels.*select_segment=\['A', 'B'\]",
    ):
        fastfuse.fuse_files(paths, tmp_path / "out.nii", **ALL)
    fastfuse.fuse_files(paths, tmp_path / "one.nii", overlap=True, select_segment=["Tumour"])


def test_structures_by_the_names_that_files_give_them(tmp_path: Path) -> None:
    """Of files with other names, and with structures that not all hold, those that are named are fused, each as alone."""
    names = [("Tumour", "rest"), ("GTV 1", "Rest"), ("GTVp", "rest")]
    for i, (one, (first, second)) in enumerate(zip(nested(), names, strict=True)):
        extra = {"Couch": one[0]} if i == 1 else {}
        dicom_seg(tmp_path / f"r{i}.dcm", {first: one[0], second: one[1], **extra}, empty=True)
    tumour = "Tumour|GTV 1|GTVp"
    raters = ["fuse", "r0.dcm", "r1.dcm", "r2.dcm"]
    chosen = ["--select-segment", tumour, "--select-segment", "rest", "--select-segment", "rest"]
    done = run_here(tmp_path, *raters, "-o", "out.nii", "--overlap", *chosen)
    assert done.returncode == 0, done.stderr
    volumes = np.asarray(nib.load(tmp_path / "out.nii").dataobj)
    assert volumes.shape[3] == 2
    for place, name in enumerate((tumour, "rest")):
        alone = ["-o", f"{place}.nii", "--method", "staple", "--select-segment", name]
        assert run_here(tmp_path, *raters, *alone).returncode == 0
        np.testing.assert_array_equal(
            volumes[..., place], np.asarray(nib.load(tmp_path / f"{place}.nii").dataobj)
        )
    assert json.loads((tmp_path / "out.json").read_text())["options"]["labels"] == [tumour, "rest"]
    assert run_here(tmp_path, "rerun", "out.nii", "--out-dir", "again").returncode == 0
    refused = run_here(tmp_path, *raters, "-o", "b.nii", "--overlap", columns=10_000)
    assert "--overlap is given: say which structures, by --labels all" in refused.stderr


def test_a_rater_without_names_is_refused_and_the_remedy_works(tmp_path: Path) -> None:
    """By name their mask would be taken for every structure."""
    raters = nested()
    paths = written(tmp_path, frames, raters)
    affine = nib.load(_fused_alone(paths, tmp_path)).affine
    plain = tmp_path / "map.nii.gz"
    nib.save(nib.Nifti1Image(raters[0].sum(axis=0)[::-1].astype(np.uint8), affine), plain)
    for labels in ("all", {1: "Tumour", 2: "core"}):
        with pytest.raises(fastfuse.ImageError, match=r"map.nii.gz: no segments are named there"):
            fastfuse.fuse_files([*paths, plain], tmp_path / "out.nii", labels=labels, overlap=True)
    found = fastfuse.fuse_files([*paths, plain], tmp_path / "out.nii", labels=[1, 2], overlap=True)
    assert list(found) == [1, 2]


def _fused_alone(paths: list[Path], folder: Path) -> Path:
    fastfuse.fuse_files(paths, folder / "first.nii.gz", select_segment="core")
    return folder / "first.nii.gz"
