"""Votes that are read block by block: the same bits as in memory, and refusals that name what needs all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.streaming.boxes import boxes_over, shape_of
from fastfuse.streaming.memory import check_memory

from .common import SHAPE, Store, assert_same, balls, mapped

LITTLE = "400K"  # several blocks, and room for the consensus
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@pytest.mark.parametrize(
    "options",
    [{}, {"mask": "ball"}, {"roi": 3.0, "spacing_mm": (1.0, 1.5, 2.0)}, {"prior": "estimate"}, {"present": "half"}],
    ids=lambda options: "-".join(options) or "plain",
)  # fmt: skip
@pytest.mark.parametrize(
    "method", ["staple", "soft-staple", "simplified-soft-staple", "border-staple", "majority"]
)
def test_same_bits(method: str, options: dict[str, Any]) -> None:
    votes = balls(soft="soft" in method or method == "majority")
    if ("prior" in options and method in ("majority", "border-staple")) or (
        method == "majority" and "roi" in options
    ):
        pytest.skip("has no such option")
    given = dict(options)
    if "mask" in given:
        given["mask"] = balls(raters=1)[0] | (np.indices(SHAPE)[0] > 12)
    if "present" in given:
        given["present"] = [np.indices(SHAPE)[2] > 10, *[None] * (len(votes) - 1)]
    if method == "border-staple":
        given.setdefault("spacing_mm", (1.0, 1.0, 1.0))
    expected = fastfuse.fuse(votes, method, **given)
    assert_same(fastfuse.fuse(votes, method, max_memory=LITTLE, **given), expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_mapped_files(tmp_path: Path, order: str) -> None:
    """Read in place, in the order in which they lie; the consensus goes into another one."""
    votes = balls()
    files = mapped(tmp_path, votes, order)
    out = np.memmap(tmp_path / "out.raw", np.float32, "w+", 0, SHAPE, order)
    expected = fastfuse.staple(votes)
    fused = fastfuse.staple(files, max_memory="100K", out=out)
    assert fused.probability is out
    assert_same(fused, expected)
    again = np.memmap(tmp_path / "out.raw", np.float32, "r", 0, SHAPE, order)
    np.testing.assert_array_equal(again, expected.probability)
    assert fastfuse.tabulate(files, max_memory="100K") == fastfuse.tabulate(votes)
    for file, vote in zip(files, votes, strict=True):
        np.testing.assert_array_equal(file, vote)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("slope", [None, 0.5])
def test_images(tmp_path: Path, ending: str, slope: float | None) -> None:
    """Mapped, inflated slab by slab, or scaled by nibabel."""
    for i, vote in enumerate(balls()):
        image = nib.Nifti1Image(vote * (1 if slope is None else 2), np.diag([1, 1.5, 2, 1]))
        image.header.set_slope_inter(slope, None if slope is None else 0)
        nib.save(image, tmp_path / f"{i}{ending}")
    images = [nib.load(tmp_path / f"{i}{ending}") for i in range(4)]
    assert_same(fastfuse.staple(images, max_memory=LITTLE), fastfuse.staple(images))
    near = {"roi": 3.0}
    assert_same(fastfuse.staple(images, max_memory="2M", **near), fastfuse.staple(images, **near))


def test_inflated_once_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies around a slab is kept from the slab before."""
    from fastfuse.images import gz

    opened, reader = [], gz.reader
    monkeypatch.setattr(gz, "reader", lambda raw: opened.append(raw.name) or reader(raw))
    for i, vote in enumerate(balls()):
        nib.save(nib.Nifti1Image(vote, np.eye(4)), tmp_path / f"{i}.nii.gz")
    images = [nib.load(tmp_path / f"{i}.nii.gz") for i in range(4)]
    fastfuse.staple(images, max_memory="800K", roi=3.0)
    assert len(opened) == 2 * 4


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    for i, vote in enumerate(balls()):
        nib.save(nib.Nifti1Image(vote, np.eye(4)), tmp_path / f"{i}.nii.gz")
    content = (tmp_path / "2.nii.gz").read_bytes()
    images = [nib.load(tmp_path / f"{i}.nii.gz") for i in range(4)]
    (tmp_path / "2.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(fastfuse.ImageError, match=r"2\.nii\.gz: is damaged"):
        fastfuse.staple(images, max_memory=LITTLE)


@pytest.mark.parametrize(
    "select", [{"select_label": 3}, {"select_label": [3, 4]}, {"binarize": True}, {"threshold": 4}]
)
def test_values_become_votes(select: dict[str, Any]) -> None:
    maps = [3 * vote + (np.indices(SHAPE)[0] % 2 == 0) for vote in balls()]
    maps = [one.astype(np.int16) for one in maps]
    assert_same(fastfuse.staple(maps, max_memory=LITTLE, **select), fastfuse.staple(maps, **select))


def test_rater_who_did_not_read() -> None:
    votes: list[Any] = balls()
    votes[1] = None
    expected, fused = fastfuse.staple(votes), fastfuse.staple(votes, max_memory=LITTLE)
    assert_same(fused, expected)
    assert np.isnan(fused.sensitivity[1])


@pytest.mark.parametrize("kind", ["nobody", "everybody", "one block"])
def test_certain_votes(kind: str) -> None:
    votes = [np.full(SHAPE, kind == "everybody", np.uint8) for _ in range(3)]
    if kind == "one block":
        for vote in votes:
            vote[:2, 3, 4] = 1
    for options in ({}, {"roi": 2.0, "spacing_mm": (1.0, 1.0, 1.0)}):
        assert_same(fastfuse.staple(votes, max_memory="300K", **options), fastfuse.staple(votes, **options))


def test_votes_that_are_all_missing_somewhere() -> None:
    votes = balls(soft=True)
    for vote in votes:
        vote[:12] = np.nan
    given = {"missing": "nan"}
    assert_same(fastfuse.soft_staple(votes, max_memory=LITTLE, **given), fastfuse.soft_staple(votes, **given))


def test_apply() -> None:
    monday, tuesday = balls(soft=True), [vote[::-1] for vote in balls(soft=True)]
    rates = fastfuse.estimate(fastfuse.tabulate(monday))
    expected, applied = rates.apply(tuesday), rates.apply(tuesday, max_memory=LITTLE)
    assert applied.probability.tobytes() == expected.probability.tobytes()
    np.testing.assert_array_equal(applied.volume, expected.volume)
    for name in ("ppv", "npv", "dice"):
        np.testing.assert_allclose(getattr(applied, name), getattr(expected, name), rtol=1e-12)


def test_intervals_are_of_the_table() -> None:
    votes = balls()
    given = {"intervals": "bootstrap", "replicates": 20}
    expected, fused = fastfuse.staple(votes, **given), fastfuse.staple(votes, max_memory=LITTLE, **given)
    np.testing.assert_array_equal(fused.intervals.sensitivity, expected.intervals.sensitivity)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mrf": 0.5}, r"mrf needs all voxels at once"),
        ({"roi": "disputed"}, "roi='disputed' needs"),
        ({"prior": np.full(SHAPE, 0.3)}, "a map as prior needs"),
        ({"intervals": "lesions"}, "intervals='lesions' needs"),
        ({"scale": "auto"}, "scale='auto' needs"),
        (
            {"max_memory": "2K", "out": np.empty(SHAPE, np.float32)},
            r"max_memory is 2K: one block of \[0:8, 0:30, 0:36\] of all raters needs .*; give more",
        ),
        ({"max_memory": "much"}, "max_memory is 'much': it must be an amount of memory"),
        ({"max_memory": "150K"}, "the consensus takes 101K, and max_memory is 150K: give out"),
        ({"out": np.empty(SHAPE, np.uint8)}, "out holds elements of type uint8"),
        ({"labels": "all"}, "max_memory is .*: label maps take no such option"),
        ({"labels": "all", "overlap": True}, "max_memory is given, and overlap is True"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_refused_by_name(options: dict[str, Any], said: str) -> None:
    stores = [Store(vote, (8, 30, 36)) for vote in balls()]
    with pytest.raises(ValueError, match=said):
        fastfuse.fuse(stores, "staple", **{"max_memory": LITTLE, **options})


def test_wrong_votes_are_named_by_their_voxel() -> None:
    votes = balls()
    votes[2][20, 3, 4] = 7
    with pytest.raises(ValueError, match=r"rater 2 holds 7 at voxel \(20, 3, 4\)"):
        fastfuse.staple(votes, max_memory=LITTLE)
    with pytest.raises(ValueError, match=r"rater 1 has shape \(3, 4\), rater 0 has shape"):
        fastfuse.staple([votes[0], Store(np.zeros((3, 4), np.uint8), (3, 4))], max_memory=LITTLE)


def test_inverse_raters_are_refused() -> None:
    one = balls(raters=1)[0]
    with pytest.raises(ValueError, match="rater 1 is the inverse of rater 0"):
        fastfuse.staple([one, 1 - one], max_memory=LITTLE)


def test_store_that_cannot_be_read_is_named() -> None:
    class Broken(Store):
        def __getitem__(self, place: Any) -> Any:
            raise OSError("no such chunk")

    stores = [Store(balls()[0], (8, 8, 8)), Broken(balls()[1], (8, 8, 8))]
    with pytest.raises(fastfuse.FastfuseError, match=r"rater 1 cannot be read at \[0:.*no such chunk"):
        fastfuse.staple(stores, max_memory=LITTLE)


def test_each_chunk_is_read_once_a_pass() -> None:
    stores = [Store(vote, (8, 10, 12)) for vote in balls()]
    fastfuse.staple(stores, max_memory=LITTLE)
    first = stores[0].reads
    assert 2 <= first <= 2 * 27
    assert all(store.reads == first for store in stores)


@pytest.mark.parametrize("most", [1, 50, 400, 10_000, 10**6])
def test_boxes_cover_once(most: int) -> None:
    for axes in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        found = np.zeros(SHAPE, int)
        boxes = boxes_over(SHAPE, axes, (8, 7, 36), most)
        for box in boxes:
            found[box] += 1
            assert np.prod(shape_of(box)) <= max(most, 8 * 7 * 36)
            assert all(one.start % grain == 0 for one, grain in zip(box, (8, 7, 36), strict=True))
        assert (found == 1).all()


@pytest.mark.parametrize(
    ("given", "size"), [("2G", 2**31), ("1.5 GiB", 3 * 2**29), ("512m", 2**29), ("64kb", 2**16), (1000, 1000)]
)
def test_memory(given: str | int, size: int) -> None:
    assert check_memory(given) == size


def test_light() -> None:
    """Options load no store's library."""
    code = "import fastfuse, sys; fastfuse.staple([[0, 1], [1, 1]]); print(*sys.modules)"
    run = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    assert not {"dask", "zarr", "h5py", "xarray", "distributed"} & set(found)


MEMORY = """
    import sys, numpy as np, fastfuse
    folder, shape = sys.argv[1], tuple(map(int, sys.argv[2].split(",")))
    files = [np.memmap(f"{folder}/{i}.raw", "u1", "r", 352, shape) for i in range(4)]
    out = np.memmap(f"{folder}/out.raw", "f4", "w+", 0, shape)
    fastfuse.staple([file[:2] for file in files], max_memory="20M")  # what is loaded once
    open("/proc/self/clear_refs", "w").write("5")
    def status(field):
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])
    before = status("VmRSS")
    fastfuse.staple(files, max_memory="20M", out=out)
    print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's high-water mark")
def test_memory_stays_within_the_limit(tmp_path: Path) -> None:
    """Of a volume several times as large, mapped pages too."""
    import textwrap

    shape = (160, 180, 200)
    mapped(tmp_path, balls(shape))
    run = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        textwrap.dedent(MEMORY),
        str(tmp_path),
        ",".join(map(str, shape)),
    ]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 20 * 2**20


@pytest.mark.slow
def test_same_bits_of_a_large_volume(tmp_path: Path) -> None:
    votes = balls((256, 256, 256), raters=7)
    out = np.memmap(tmp_path / "out.raw", np.float32, "w+", 0, (256, 256, 256))
    fused = fastfuse.staple(mapped(tmp_path, votes), max_memory="64M", out=out)
    assert_same(fused, fastfuse.staple(votes))


@pytest.mark.parametrize("raters", [3, 5])
def test_auto_takes_the_model_that_fits(raters: int) -> None:
    """By the counts, as in memory; whether it fits is told of blocks, too."""
    votes = balls(raters=raters)
    given = {"spacing_mm": (1.0, 1.0, 1.0)}
    expected, fused = (fastfuse.fuse(votes, "auto", **given, **more) for more in ({}, {"max_memory": LITTLE}))
    assert_same(fused, expected)
    assert fused.method == expected.method
    assert repr(fused.fit) == repr(expected.fit)
