"""What is needed is held against what is free; too little memory is called that."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import checks, memory, nifti, reading
from fastfuse.images.formats import raw

from ..files.common import save
from .segmentations import seg_nrrd

MASK = np.zeros((40, 50, 10), np.uint8)
VOXELS = MASK.size


@pytest.mark.parametrize(("kind", "bytes_each"), [("u1", 1), ("i2", 2), ("f4", 4), ("f8", 8)])
def test_bytes_are_those_of_the_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, bytes_each: int
) -> None:
    path = save(tmp_path / "a.nii", MASK.astype(kind))
    monkeypatch.setattr(checks, "available", lambda: VOXELS * bytes_each)
    reading.read(path)
    monkeypatch.setattr(checks, "available", lambda: VOXELS * bytes_each - 1)
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.nii: it needs \d+\.?\d* .B of memory, more than the .* that are free"
    ):
        reading.read(path)


def test_scaled_voxels_take_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.nii", MASK, scl_slope=2)
    image = nib.Nifti1Image(MASK.astype(np.float32) + 0.5, np.eye(4))
    image.set_data_dtype(np.uint8)
    nib.save(image, path)
    monkeypatch.setattr(checks, "available", lambda: VOXELS * 9)
    with pytest.raises(fastfuse.ImageError, match="of memory"):
        reading.read(path)


@pytest.mark.parametrize("name", ["a.npy", "a.nrrd", "a.mgz", "a.png", "a.dcm", "a.nii.gz"])
def test_all_formats_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, MASK)
    elif name == "a.nrrd":
        seg_nrrd(path, MASK)
    elif name == "a.png":
        pytest.importorskip("PIL.Image").fromarray(MASK[:, :, 0]).save(path)
    elif name == "a.dcm":
        pytest.importorskip("pydicom")
        from .segmentations import dicom_seg

        dicom_seg(path, {"one": MASK + 1})
    else:
        nib.save((nib.MGHImage if "mgz" in name else nib.Nifti1Image)(MASK, np.eye(4)), path)
    reading.read(path)
    monkeypatch.setattr(checks, "available", lambda: 100)
    with pytest.raises(fastfuse.ImageError, match=rf"{name}: it needs .* of memory"):
        reading.read(path)


@pytest.mark.parametrize(
    "error", [MemoryError(), MemoryError("Unable to allocate"), OSError(errno.ENOMEM, "no")]
)
def test_too_little_memory_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = save(tmp_path / "a.nii", MASK)

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(nifti, "_fill", fails)
    with pytest.raises(fastfuse.ImageError, match=r"a\.nii: there is too little memory to read it") as caught:
        reading.read(path)
    assert "complete" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
def test_limit_of_the_process(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((1000, 1000, 2000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.set_data_dtype(np.uint8)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + os.urandom(200_000)))
    script = """
        import resource, sys
        from fastfuse.images import memory, reading
        pages = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (pages + 500_000_000,) * 2)
        assert memory.available() <= 500_000_000, memory.available()
        reading.read("a.nii.gz")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert "it needs 2.0 GB of memory, more than the" in done.stderr
    assert "crop it, or raise the limit of this process (ulimit -v)" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
@pytest.mark.parametrize(
    "megabytes", [200, 300, *(pytest.param(size, marks=pytest.mark.slow) for size in (100, 250, 400))]
)
@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "a.nii", "b.nii"],
        ["fuse", "a.nii", "b.nii", "-o", "c.nii", "--method", "staple", "--intervals", "lesions"],
        ["demo", "case"],
    ],
    ids=lambda command: command[0],
)
def test_libraries_for_which_there_is_no_room_are_not_loaded(
    tmp_path: Path, command: list[str], megabytes: int
) -> None:
    for name in ("a.nii", "b.nii"):
        nib.save(nib.Nifti1Image(np.eye(4, dtype=np.uint8)[..., None], np.eye(4)), tmp_path / name)
    script = f"""
        import resource, sys
        resource.setrlimit(resource.RLIMIT_AS, ({megabytes} * 1_000_000,) * 2)
        from fastfuse.__main__ import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:  # where threads take few addresses, there is room for all
        assert done.returncode == 2, done.stderr
        assert any(words in done.stderr for words in ("too little memory, as ulimit -v", "not enough memory"))
    assert done.returncode or megabytes > 200


def test_limit_of_a_group(tmp_path: Path) -> None:
    group = tmp_path / "a" / "b"
    group.mkdir(parents=True)
    (tmp_path / "a" / "memory.max").write_text("1000\n")
    (tmp_path / "a" / "memory.current").write_text("400\n")
    (tmp_path / "a" / "memory.stat").write_text("anon 1\ninactive_file 50\n")
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("300\n")
    names = ("memory.max", "memory.current")
    assert memory._counted(memory._left, tmp_path, "/a/b", *names) == [650]
    assert memory._counted(memory._limit, tmp_path, "/a/b", *names) == [1000]
    assert memory._counted(memory._left, tmp_path, "/absent", *names) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (12, "12 bytes"),
        (1500, "1.5 kB"),
        (25_000_000, "25 MB"),
        (2_340_000_000, "2.3 GB"),
        (10**14, "100000 GB"),
    ],
)
def test_shown(count: int, text: str) -> None:
    assert memory.shown_bytes(count) == text


def test_one_grid_needs_no_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that all lie on one grid are in memory already: none of them lies far apart."""
    mask = MASK.copy()
    mask[3:9, 4:20, 2:5] = 1
    paths = [save(tmp_path / f"{k}.nii", mask) for k in range(9)]
    monkeypatch.setattr(checks, "available", lambda: 2 * VOXELS)
    with pytest.warns(fastfuse.FusionWarning):  # they are all alike
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", method="staple", threads=1)
    np.testing.assert_array_equal(fused.probability.round(), mask)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mgz", "a.nrrd"])
def test_header_that_a_file_can_hardly_fill_is_no_matter_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Neither a crop nor another machine helps a few bytes whose header promises gigabytes."""
    shape = (30000, 30000, 300)
    if name == "a.nrrd":
        header = (
            f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {' '.join(map(str, shape))}\nencoding: gzip\n\n"
        )
        (tmp_path / name).write_bytes(header.encode() + gzip.compress(b"\0" * 99))
    else:
        image: Any = (nib.MGHImage if "mgz" in name else nib.Nifti1Image)(MASK, np.eye(4))
        image.header.set_data_shape(shape)
        whole = image.header.binaryblock + b"\0" * 99
        (tmp_path / name).write_bytes(gzip.compress(whole))
    with pytest.raises(
        fastfuse.ImageError, match="its header is wrong, or it was cut short; write it again"
    ) as raised:
        reading.read(tmp_path / name)
    assert "crop" not in str(raised.value)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_two_threads_do_not_count_on_the_same_memory(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for one and a half, and memory is not taken until it is filled."""
    owner: Any = nifti if ending == ".nii.gz" else raw.Stored
    paths = [tmp_path / f"{i}{ending}" for i in range(2)]
    for path in paths:
        if ending == ".nii.gz":
            save(path, MASK)
        else:
            path.write_bytes(
                f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {' '.join(map(str, MASK.shape))}\nencoding: raw\n"
                "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n\n".encode()
                + bytes(VOXELS)
            )
    taken, fill = [0], owner._fill

    def slowly(*given: Any) -> Any:
        time.sleep(0.2)  # the other one asks meanwhile
        found = fill(*given)
        taken[0] += VOXELS
        return found

    monkeypatch.setattr(owner, "_fill", slowly)
    monkeypatch.setattr(memory, "LITTLE", 0)
    for asked in (checks, memory):
        monkeypatch.setattr(asked, "available", lambda: VOXELS * 3 // 2 - taken[0])
    with (
        pytest.raises(
            fastfuse.ImageError, match=r"it needs 20 kB of memory, more than the 10 kB that are free"
        ),
        reading.reading(paths, threads=2) as images,
    ):
        list(images)
    taken[0] = -VOXELS  # room for both, one after the other
    with reading.reading(paths, threads=2) as images:
        assert len(list(images)) == 2
    assert memory._promised == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    with memory.filling(memory.LITTLE, lambda: None), memory._room:  # as another thread may hold it
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(10)
                with memory.filling(1 << 62, lambda: None):
                    os._exit(0)
            finally:
                os._exit(1)  # else an error would run the other tests a second time
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
