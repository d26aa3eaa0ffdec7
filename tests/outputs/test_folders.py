"""A folder that a command makes comes with its files: where they cannot be written, nothing is left of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from fastfuse import CohortError, OutputError, fuse_cohort
from fastfuse.cohort.place import Place
from fastfuse.demo import case as demo
from fastfuse.demo.cohort import make_cohort as make_demo_cohort
from fastfuse.demo.labels import run_labels
from fastfuse.files.rerun import rerun
from fastfuse.images.outputs import Outputs, made_folder, together

from ..cli.common import MASKS, case_in
from ..cohort.files import GLOB, NAMES, fused, make_cohort, mask_path
from ..command import run_here

FUSE = ("cohort", "fuse", "in", "--out", "new/out", "--glob", GLOB, "--method", "staple")
SHELL = {
    "rerun": ("rerun", "c.json", "-o", "new/out"),
    "soften": ("soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", "new/out"),
    "fuse": ("fuse", *MASKS, "-o", "n.nii.gz", "--bids", "new/out", "--bids-case", "sub-1"),
    "cohort": FUSE,
    "cohort, each by itself": (*FUSE, "--pool", "none"),
    "cohort, shard": (*FUSE, "--shard", "1/2"),
    "cohort, page": (*FUSE, "--report", "new/out/r.html"),
    "apply": ("cohort", "apply", "done/estimate.json", "in", "--out", "new/out", "--glob", GLOB),
    "merge": ("cohort", "merge", "t.npz", "--out", "new/out"),
}


@contextmanager
def full_disk() -> Iterator[None]:
    with mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with its consensus, a cohort with its own, and its table for other sites."""
    folder = case_in(tmp_path_factory.mktemp("place"))
    fused(make_cohort(folder / "in"), folder / "done")
    for words in (
        ("fuse", *MASKS, "-o", "c.nii.gz", "--method", "staple"),
        ("cohort", "export", "done", "--out", "t.npz", "--yes"),
    ):
        done = run_here(folder, *words)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("words", SHELL.values(), ids=SHELL)
def test_of_a_full_disk_no_folder_is_left(place: Path, words: tuple[str, ...]) -> None:
    before = {*place.rglob("*")}
    with full_disk():
        done = run_here(place, *words)
    assert (done.returncode, "No space left on device" in done.stderr) == (2, True), done.stderr
    assert {*place.rglob("*")} == before


@pytest.mark.parametrize(
    "make",
    [
        lambda out: demo.run(out, shape=(48, 56, 48), spacing_mm=3.8),
        lambda out: make_demo_cohort(out, per_center=1, spacing_mm=8),
        lambda out: run_labels(out, shape=(40, 48, 32), spacing_mm=4.8),
    ],
    ids=["case", "cohort", "labels"],
)
def test_no_folder_of_a_demo_is_left(tmp_path: Path, make: Callable[[Path], object]) -> None:
    with full_disk(), pytest.raises(OutputError, match="No space left on device"):
        make(tmp_path / "new" / "demo")
    assert [*tmp_path.iterdir()] == []


def test_a_rerun_that_is_interrupted_leaves_no_folder(place: Path) -> None:
    """As of any failure between the making of the folder and the first file."""
    maker = mock.Mock(side_effect=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        rerun(place / "c.json", place / "again" / "here", inputs=place, makers={"fuse_files": maker})
    assert not (place / "again").exists()


def test_a_cohort_that_is_not_there_leaves_no_folder_of_its_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CohortError):
        fuse_cohort(tmp_path, out, glob=GLOB, report=out / "r.html")
    assert not out.exists()


def test_a_case_that_fails_leaves_no_folder_of_its_own(tmp_path: Path) -> None:
    """Not with ``pool="none"`` either, where its masks are read first when they are fused."""
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    for rater in NAMES:
        mask_path(root, "case-01", rater).write_bytes(b"no image")
    assert fused(root, out, pool="none").failed.keys() == {"case-01"}
    assert {path.name for path in (out / "cases").iterdir()} == {"case-00", "case-02"}


def test_a_lock_that_was_removed_lets_in_one_alone(tmp_path: Path) -> None:
    """Who waited for a run that left nothing holds a lock that others see."""
    place, removed = Place(tmp_path / "out"), []
    opened = os.open

    def late(path: Path, *given: int) -> int:
        descriptor = opened(path, *given)
        if not removed:
            removed.append(path)
            Path(path).unlink()  # as the run before does at its end
        return descriptor

    with mock.patch("os.open", late), place.alone(None):
        with pytest.raises(OutputError, match="another run writes there"), place.alone(None):
            pass
        (tmp_path / "out" / "table").write_bytes(b"kept")
    assert len(removed) == 1
    assert (tmp_path / "out" / "table").is_file()


@pytest.mark.parametrize("fails", [False, True])
def test_a_folder_waits_for_outputs_that_appear_together(tmp_path: Path, *, fails: bool) -> None:
    path = tmp_path / "new" / "out" / "a"

    def work() -> None:
        with together():
            with made_folder(path.parent), Outputs(overwrite=False) as outputs:
                outputs.add(path, np.zeros(3).tobytes())
                outputs.commit()
            if fails:
                raise OutputError("later")

    if fails:
        with pytest.raises(OutputError, match="later"):
            work()
    else:
        work()
    assert [*tmp_path.rglob("*")] == ([] if fails else [path.parent.parent, path.parent, path])
