"""Several files read at once, in their order, and ended early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images import gz, reading
from fastfuse.images.image import Image

from ..files.common import SHAPE, files_in, save, shifted

PATIENCE_S = 20


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fastfuse-reader")]


# --- order and threads ---------------------------------------------------------------------------------------


def test_files_are_read_at_once(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(len(paths))
    read = reading.read

    def meet(path: Path, *rest: Any) -> Image:
        together.wait(PATIENCE_S)
        return read(path, *rest)

    monkeypatch.setattr(reading, "read", meet)
    with reading.reading(paths, len(paths)) as images:
        assert [image.path for image in images] == paths
    assert readers() == []


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_number_of_threads(paths: list[Path], monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """At most ``threads`` files are read at once, and the same number ahead; one thread is the caller's own."""
    lock = threading.Lock()
    started: list[threading.Thread] = []
    read = reading.read

    def noted(*args: Any, **options: Any) -> Image:
        with lock:
            started.append(threading.current_thread())
        return read(*args, **options)

    monkeypatch.setattr(reading, "read", noted)
    with reading.reading(paths, threads) as images:
        for i, _ in enumerate(images):
            time.sleep(0.05)  # for those who would go further
            assert len(started) <= i + 1 + (threads if threads > 1 else 0)
    assert len(started) == len(paths)
    if threads == 1:
        assert set(started) == {threading.main_thread()}
    else:
        assert threading.main_thread() not in started
        assert len(set(started)) <= threads


def test_all_cores_by_default(monkeypatch: pytest.MonkeyPatch, paths: list[Path]) -> None:
    asked: list[int] = []
    pool = reading.ThreadPoolExecutor
    monkeypatch.setattr(reading, "ThreadPoolExecutor", lambda n, name: (asked.append(n), pool(n, name))[1])
    for cores, files, threads, expected in [(3, 4, 0, 3), (8, 4, 0, 4), (8, 4, 2, 2), (2, 4, 3, 3)]:
        monkeypatch.setattr(reading, "cores", lambda cores=cores: cores)
        with reading.reading(paths[:files], threads) as images:
            assert len(list(images)) == files
        assert asked.pop() == expected
    monkeypatch.setattr(reading, "cores", lambda: 1)
    with reading.reading(paths, 0) as images:
        assert len(list(images)) == len(paths)
    assert asked == []


def test_cores_are_those_of_the_process() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs affinities")
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    code += "from fastfuse.images import reading; print(reading.cores())"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=300).stdout
        == b"1\n"
    )


def test_first_bad_file_is_reported(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a later one is known to be bad long before."""
    paths[1].write_bytes(b"bad")
    paths[3].unlink()
    later = threading.Event()
    read = reading.read

    def slow_in_front(path: Path, *rest: Any) -> Image:
        if path == paths[1]:
            assert later.wait(PATIENCE_S)
        try:
            return read(path, *rest)
        except fastfuse.ImageError:
            later.set()
            raise

    monkeypatch.setattr(reading, "read", slow_in_front)
    with pytest.raises(fastfuse.ImageError, match=r"rater1\.nii\.gz"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", threads=4)
    assert readers() == []


@pytest.mark.parametrize("threads", [1, 4])
def test_another_grid_comes_before_a_later_bad_file(tmp_path: Path, paths: list[Path], threads: int) -> None:
    save(paths[1], np.ones(SHAPE, np.uint8), shifted(5.5))
    paths[2].write_bytes(b"bad")
    with pytest.raises(fastfuse.GridError, match=r"rater1\.nii\.gz"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", threads=threads)
    assert readers() == []


@pytest.mark.filterwarnings("ignore:rings are counted in voxels:fastfuse.FusionWarning")
@pytest.mark.parametrize("threads", [1, 4])
def test_softening_reads_in_order(tmp_path: Path, paths: list[Path], threads: int) -> None:
    flair = save(tmp_path / "flair.nii.gz", np.random.default_rng(0).random(SHAPE, dtype=np.float32))
    steps: list[str] = []
    soft = fastfuse.soften_files(
        paths, flair, out_dir=tmp_path / "soft", threads=threads, progress=steps.append
    )
    expected = fastfuse.soften([reading.read(path).data for path in paths], reading.read(flair).data)
    for ours, theirs in zip(soft, expected, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)
    assert steps[:3] == ["reading flair.nii.gz", "reading rater0.nii.gz", "softening rater0.nii.gz"]
    paths[2].write_bytes(b"bad")
    paths[3].unlink()
    with pytest.raises(fastfuse.ImageError, match=r"rater2\.nii\.gz"):
        fastfuse.soften_files(paths, flair, out_dir=tmp_path / "none", threads=threads)
    assert not (tmp_path / "none").exists()
    assert readers() == []


def test_threads_are_checked_before_reading(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="threads is -1"):
        fastfuse.fuse_files([tmp_path / "absent.nii"], tmp_path / "c.nii", threads=-1)


# --- leaving -------------------------------------------------------------------------------------------------


class Enough(Exception):
    """Raised in the middle of a file."""


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_reading_ends_within_a_piece(
    tmp_path: Path, masks: np.ndarray, monkeypatch: pytest.MonkeyPatch, engine: str, suffix: str
) -> None:
    path = save(tmp_path / f"r{suffix}", masks[0])
    monkeypatch.setattr(gz, "PIECE", 1000)
    asked = []

    def go_on() -> None:
        asked.append(None)
        if len(asked) == 2:
            raise Enough

    with pytest.raises(Enough):
        reading.read(path, go_on)
    assert len(asked) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGINT, 130, "error: interrupted; no output was written\n"), (signal.SIGTERM, 143, "")],
)
def test_stopped_while_reading(
    tmp_path: Path, paths: list[Path], number: int, code: int, message: str
) -> None:
    """Files that never end are left at once: no thread holds the process."""
    script = """
        import os, sys, threading, time
        from fastfuse import cli
        from fastfuse.images import reading

        def endless(path, go_on, _):
            if path.name == "rater1.nii.gz":
                threading.Timer(0.1, os.kill, (os.getpid(), NUMBER)).start()
            while True:
                go_on()
                time.sleep(0.001)

        reading.read = endless
        sys.argv = ["fastfuse", "fuse", *sys.argv[1:], "-o", "c.nii.gz", "--threads", "2"]
        cli.main()
    """
    run = [sys.executable, "-c", textwrap.dedent(script).replace("NUMBER", str(int(number)))]
    done = subprocess.run(
        [*run, *(path.name for path in paths)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (code, message)
    assert files_in(tmp_path) == {path.name for path in paths}


# --- headers of .npy -----------------------------------------------------------------------------------------

MASK = (np.random.default_rng(5).random((6, 5, 4)) < 0.4).astype(np.uint8)


@pytest.mark.parametrize(
    "shape", [b"(6, 5-4,)", b"(6, f(4))", b"(6, 5, 4", b"[6, 5, 4]", b"6 5 4 0 0", b"(6.5, 4,)", b"(-6, -5,)"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_numpy_header_that_is_odd(tmp_path: Path, shape: bytes, packed: bool) -> None:
    """The reason names no object in memory."""
    np.save(tmp_path / "a.npy", MASK)
    content = (tmp_path / "a.npy").read_bytes().replace(b"(6, 5, 4)", shape.ljust(9))
    (tmp_path / "a.npy").write_bytes(content)
    path = tmp_path / "a.npy"
    if packed:
        path = tmp_path / "a.npz"
        save(tmp_path / "a.nii", MASK)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("probabilities.npy", content)
    with pytest.raises(fastfuse.ImageError, match=r"a\.np[yz]: ") as caught:
        reading.read(path)
    assert "0x" not in str(caught.value)
    assert " object at" not in str(caught.value)


def test_numpy_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"no array at all")
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.npy: it does not begin as a \.npy file does: save it again"
    ):
        reading.read(tmp_path / "a.npy")
