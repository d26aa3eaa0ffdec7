"""Fusions of files are saved, and shown, with what raters mark: their files are read again, which must be those that were fused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
AFFINE = np.diag([-1.0, 1.2, 2.0, 1.0])
RNG = np.random.default_rng(14)
TRUTH = np.zeros((14, 12, 10), bool)
TRUTH[3:10, 3:9, 2:8] = True
MASKS = [(TRUTH ^ (RNG.random(TRUTH.shape) < share)).astype(np.uint8) for share in (0.02, 0.04, 0.06)]
LABELS = [mask * np.uint8(1) + (mask & (np.indices(mask.shape)[0] > 6)).astype(np.uint8) for mask in MASKS]
NAMES = ["Ann", "Bob", "Eve"]


def saved(folder: Path, arrays: list[np.ndarray], stem: str = "r") -> list[Path]:
    paths = [folder / f"{stem}{i}.nii.gz" for i in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        nib.save(nib.Nifti1Image(array, AFFINE), path)
    return paths


OPTIONS: dict[str, dict[str, Any]] = {
    "masks": {},
    "a margin": {"roi": 3, "method": "staple"},
    "a mask": {"mask": "r2.nii.gz"},
    "where they looked": {"present": ["r2.nii.gz", None, None]},
    "disputed voxels": {"roi": "disputed"},
    "the highest Dice": {"cut": "dice"},
    "auto": {"method": "auto"},
    "soft votes": {"scale": 2},
    "slab by slab": {"max_memory": "64M"},
    "masks that grow": {"soften": True, "image": "image.nii.gz"},
    "a consensus that grows": {"method": "dilated-staple", "image": "image.nii.gz"},
}


@pytest.mark.parametrize("case", OPTIONS)
def test_segments_are_those_that_the_command_writes(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths, options = saved(tmp_path, MASKS), OPTIONS[case]
    image = (100 + 100 * TRUTH + RNG.normal(0, 5, TRUTH.shape)).astype(np.float32)
    nib.save(nib.Nifti1Image(image, AFFINE), tmp_path / "image.nii.gz")
    fusion = fastfuse.fuse_files(paths, "a.nii.gz", **options)
    fusion.save("b.seg.nrrd")
    fusion.save("c.seg.nrrd", raters=paths)
    pickle.loads(pickle.dumps(fusion)).save("d.seg.nrrd")
    ours = Path("b.seg.nrrd").read_bytes()
    assert Path("c.seg.nrrd").read_bytes() == Path("d.seg.nrrd").read_bytes() == ours
    if "max_memory" not in options:
        fastfuse.fuse_files(paths, "e.seg.nrrd", **options)
        assert Path("e.seg.nrrd").read_bytes() == ours


@pytest.mark.parametrize("kind", ["labels", "one label", "structures"])
def test_label_maps(kind: str, tmp_path: Path) -> None:
    paths = saved(tmp_path, LABELS)
    options: dict[str, Any] = {
        "labels": {"labels": "all"}, "one label": {"select_label": 2}, "structures": {"labels": [1, 2], "overlap": True},
    }[kind]  # fmt: skip
    found: Any = fastfuse.fuse_files(paths, tmp_path / "a.nii.gz", **options)
    fusion = found[2] if kind == "structures" else found
    fusion.report(tmp_path / "a.html")
    fusion.report(tmp_path / "b.html", raters=paths)
    assert (tmp_path / "a.html").read_bytes().replace(b"a.html", b"b.html") == (
        tmp_path / "b.html"
    ).read_bytes()
    moved = [path.rename(tmp_path / f"moved{i}.nii.gz") for i, path in enumerate(paths)]
    with pytest.raises(fastfuse.ImageError, match="r0"):
        fusion.report(tmp_path / "c.html")
    fusion.report(tmp_path / "c.html", raters=list(map(str, moved)))
    with pytest.raises(ValueError, match=r"moved2\.nii\.gz: it marks|those that were fused"):
        fusion.report(tmp_path / "d.html", raters=moved[::-1])
    assert not (tmp_path / "d.html").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    paths = saved(tmp_path, MASKS)
    fusion = fastfuse.fuse_files(paths, tmp_path / "a.nii.gz")
    with pytest.raises(
        ValueError, match=r"r1\.nii\.gz: it marks [\d,]+ voxels now, and marked [\d,]+ when it was fused"
    ):
        fusion.save(tmp_path / "b.seg.nrrd", raters=[paths[1], paths[0], paths[2]])
    with pytest.raises(ValueError, match="raters holds 2 paths, and 3 files were fused"):
        fusion.save(tmp_path / "b.seg.nrrd", raters=paths[:2])
    other = np.roll(MASKS[0], 1, axis=0)  # as many marks
    nib.save(nib.Nifti1Image(other, AFFINE), paths[0])
    with pytest.raises(ValueError, match=r"the votes in the place of r0.* are not those that were fused"):
        fusion.save(tmp_path / "b.seg.nrrd")
    assert not list(tmp_path.glob("b.*"))


def test_a_fusion_in_memory_takes_paths(tmp_path: Path) -> None:
    paths = saved(tmp_path, MASKS)
    held = [nib.load(path) for path in paths]
    fusion = fastfuse.staple(held)
    fusion.save(tmp_path / "a.seg.nrrd")
    held.clear()
    fusion.save(tmp_path / "b.seg.nrrd", raters=paths)
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()
    with pytest.raises(ValueError, match="those of rater 1"):
        fusion.save(tmp_path / "c.seg.nrrd", raters=[paths[1], paths[0], paths[2]])
    maps = saved(tmp_path, LABELS, "l")
    fastfuse.staple(LABELS, labels="all").report(tmp_path / "a.html", raters=maps)


def test_an_error_says_what_the_votes_are_needed_for(tmp_path: Path) -> None:
    fusion = fastfuse.staple([mask.copy() for mask in MASKS])
    with pytest.raises(
        ValueError, match=r"what each rater marks is known of them alone: give them again, raters=\.\.\."
    ):
        fusion.save(tmp_path / "a.seg.nrrd", like=nib.Nifti1Image(MASKS[0], AFFINE))


@pytest.mark.parametrize("of_files", [True, False])
def test_raters_are_called_as_they_are_named(of_files: bool, tmp_path: Path) -> None:
    paths, maps = saved(tmp_path, MASKS), saved(tmp_path, LABELS, "l")
    fusion: Any = (
        fastfuse.fuse_files(paths, tmp_path / "a.nii.gz")
        if of_files
        else fastfuse.staple([nib.load(path) for path in paths])
    )
    fusion.save(tmp_path / "b.seg.nrrd", raters=paths, names=NAMES)
    header = (tmp_path / "b.seg.nrrd").read_bytes().partition(b"\n\n")[0].decode()
    assert all(f"_Name:={name}\n" in header + "\n" for name in NAMES)
    fusion.report(tmp_path / "b.html", raters=paths, names=NAMES)
    assert all(name in (tmp_path / "b.html").read_text() for name in NAMES)
    labels: Any = (
        fastfuse.fuse_files(maps, tmp_path / "c.nii.gz", labels="all") if of_files
        else fastfuse.staple([nib.load(path) for path in maps], labels="all")
    )  # fmt: skip
    labels.save(tmp_path / "d.nii.gz", names=NAMES)
    for name in ("b", "d"):
        facts = json.loads((tmp_path / f"{name}.json").read_text())
        assert [one["name"] for one in facts["raters"]] == NAMES
    with pytest.raises(ValueError, match="names: give one for each of 3 raters"):
        fusion.save(tmp_path / "e.nii.gz", names=NAMES[:2])
