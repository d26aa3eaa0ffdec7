"""Files that are fused slab by slab: the same bytes as at once, and refusals that name the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here
from .common import SHAPE, balls

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
AFFINE = np.diag([1, 1, 2, 1.0])


def files(folder: Path, ending: str = ".nii.gz", *, soft: bool = False) -> list[Path]:
    paths = [folder / f"r{i}{ending}" for i in range(4)]
    for path, vote in zip(paths, balls(soft=soft), strict=True):
        nib.save(nib.Nifti1Image(vote, AFFINE), path)
    return paths


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("staple", {}),
        ("soft-staple", {"cut": 0.3}),
        ("staple", {"roi": 3.0}),
        ("staple", {"mask": True}),
        ("majority", {"ties": "background"}),
        ("staple", {"select_label": 1, "present": True}),
    ],
)
def test_same_files(tmp_path: Path, ending: str, method: Any, options: dict[str, Any]) -> None:
    paths = files(tmp_path, ending, soft=method != "staple")
    region = (np.indices(SHAPE)[2] > 9).astype(np.uint8)
    nib.save(nib.Nifti1Image(region, AFFINE), tmp_path / f"region{ending}")
    given = dict(options)
    if "mask" in given:
        given["mask"] = tmp_path / f"region{ending}"
    if "present" in given:
        given["present"] = [None, tmp_path / f"region{ending}", None, None]
    for name, limit in (("at_once", {}), ("slabs", {"max_memory": "2M" if "roi" in options else "300K"})):
        folder = tmp_path / name
        folder.mkdir()
        out = {"output": folder / f"c{ending}", "save_label": folder / f"l{ending}"}
        fastfuse.fuse_files(paths, method=method, **given, **out, **limit)
    for name in (f"c{ending}", f"l{ending}"):
        assert (tmp_path / "slabs" / name).read_bytes() == (tmp_path / "at_once" / name).read_bytes()
    slabs, at_once = (json.loads((tmp_path / name / "c.json").read_text()) for name in ("slabs", "at_once"))
    assert slabs["probability"]["voxels"] == pytest.approx(at_once["probability"]["voxels"], rel=1e-12)
    for found in (slabs, at_once):
        del found["probability"]
        found["warnings"] = []
        found["recipe"]["arguments"].pop("max_memory", None)
    assert slabs == at_once


def test_probability_is_the_file(tmp_path: Path) -> None:
    paths = files(tmp_path)
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple", max_memory="300K")
    np.testing.assert_array_equal(np.asarray(fused.probability), fastfuse.staple(balls()).probability)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"save_counts": "k.nii"}, "save_counts needs whole images"),
        ({"cut": "dice", "save_label": "l.nii"}, "cut 'dice' needs whole images"),
        ({"prior": "smooth:4"}, "a smoothed prior .* needs whole images"),
        ({"grid": "r1.nii.gz"}, r"a place of images \(grid, resample, use\) needs whole images"),
        ({"method": "auto"}, "method 'auto' needs whole images"),
        (
            {"preset": "recommended", "method": None},
            "max_memory is given: .* preset 'recommended' looks at all votes first",
        ),
        ({"mrf": 1.0}, r"mrf needs all voxels at once"),
        ({"labels": "all"}, "max_memory is .*: label maps take no such option"),
        ({"labels": [1], "overlap": True}, "max_memory is given, and overlap is True"),
        ({"max_memory": "3K"}, "max_memory is 3K: one block of .* needs"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refused_by_name(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    paths = files(tmp_path)
    given = {
        name: tmp_path / value if str(value).endswith((".nii", ".gz")) else value
        for name, value in options.items()
    }
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=said):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", **{"method": "staple", "max_memory": "1M", **given})
    assert sorted(tmp_path.iterdir()) == before


def test_unfit_files_are_named(tmp_path: Path) -> None:
    paths, output = files(tmp_path), tmp_path / "c.nii.gz"

    def fuse(path: Path) -> None:
        fastfuse.fuse_files([*paths[:2], path], output, method="staple", max_memory="1M")

    moved = AFFINE.copy()
    moved[0, 3] = 20
    nib.save(nib.Nifti1Image(balls()[2], moved), tmp_path / "moved.nii")
    with pytest.raises(fastfuse.GridError, match=r"moved\.nii does not lie on the grid of .*r0\.nii\.gz"):
        fuse(tmp_path / "moved.nii")
    scaled = nib.Nifti1Image(balls()[2], AFFINE)
    scaled.header.set_slope_inter(0.5, 0)
    nib.save(scaled, tmp_path / "scaled.nii")
    with pytest.raises(fastfuse.ImageError, match=r"scaled\.nii: its header scales the stored numbers"):
        fuse(tmp_path / "scaled.nii")
    (tmp_path / "plain.nii").write_bytes(paths[2].read_bytes())
    with pytest.raises(fastfuse.ImageError, match=r"plain\.nii: is compressed, and its name says otherwise"):
        fuse(tmp_path / "plain.nii")
    np.save(tmp_path / "a.npy", balls()[2])
    with pytest.raises(fastfuse.ImageError, match=r"a\.npy: max_memory takes \.nii and \.nii\.gz"):
        fuse(tmp_path / "a.npy")
    content = paths[2].read_bytes()
    (tmp_path / "short.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(fastfuse.ImageError, match=r"short\.nii\.gz: is damaged"):
        fuse(tmp_path / "short.nii.gz")
    (tmp_path / "flipped.nii.gz").write_bytes(content[:-6] + bytes([content[-6] ^ 1]) + content[-5:])
    with pytest.raises(fastfuse.ImageError, match=r"flipped\.nii\.gz: is damaged"):
        fuse(tmp_path / "flipped.nii.gz")
    assert not list(tmp_path.glob("c*"))
    assert not list(tmp_path.glob(".fastfuse*"))


def test_shell(tmp_path: Path) -> None:
    paths = files(tmp_path)
    words = ["fuse", *map(str, paths), "-o", str(tmp_path / "c.nii.gz"), "--method", "staple"]
    done = run_here(tmp_path, *words, "--max-memory", "1M")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.json").exists()
    done = run_here(tmp_path, *words, "--overwrite", "--max-memory", "lots")
    assert done.returncode == 2
    assert "--max-memory is 'lots': it must be an amount of memory" in done.stderr


MEMORY = """
    import sys, fastfuse
    folder = sys.argv[1]
    fastfuse.fuse_files([f"{folder}/r{i}.nii.gz" for i in range(4)], f"{folder}/little.nii.gz", method="staple", max_memory="20M")
    open("/proc/self/clear_refs", "w").write("5")
    def status(field):
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])
    before = status("VmRSS")
    paths = [f"{folder}/large{i}.nii.gz" for i in range(4)]
    fastfuse.fuse_files(paths, f"{folder}/c.nii.gz", method="staple", max_memory="20M")
    print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's high-water mark")
def test_memory_stays_within_the_limit(tmp_path: Path) -> None:
    import subprocess
    import textwrap

    files(tmp_path)
    for i, vote in enumerate(balls((120, 150, 160))):
        nib.save(nib.Nifti1Image(vote, AFFINE), tmp_path / f"large{i}.nii.gz")
    run_it = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(MEMORY), str(tmp_path)]
    done = subprocess.run(run_it, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 20 * 2**20
