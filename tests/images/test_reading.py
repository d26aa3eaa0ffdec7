"""Several files read at once, by ISA-L or without it."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import gz, nifti, reading

from ..files.test_files import AFFINE, DAMAGE, SHAPE, files_in, save, shifted
from ..problems import simulated_raters

PATIENCE_S = 20


@pytest.fixture(params=["isal", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With ISA-L, and as if it were not installed."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        without_isal(monkeypatch)
    return str(request.param)


def without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)


@pytest.fixture
def masks() -> np.ndarray:
    return (
        simulated_raters(np.random.default_rng(0), 4, int(np.prod(SHAPE))).reshape(4, *SHAPE).astype(np.uint8)
    )


@pytest.fixture
def paths(tmp_path: Path, masks: np.ndarray) -> list[Path]:
    return [save(tmp_path / f"rater{i}.nii.gz", mask) for i, mask in enumerate(masks)]


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fastfuse-reader")]


# --- ISA-L or zlib -------------------------------------------------------------------------------------------


def test_engine(engine: str, paths: list[Path]) -> None:
    with paths[0].open("rb") as raw:
        assert (type(gz.reader(raw)) is gzip.GzipFile) == (engine == "zlib")


def test_same_results_without_isal(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("isal")
    written = []
    for _ in range(2):
        fused = fastfuse.fuse_files(
            paths, tmp_path / "c.nii.gz", save_counts=tmp_path / "n.nii.gz", overwrite=True
        )
        files = [(tmp_path / name).read_bytes() for name in ("c.nii.gz", "n.nii.gz", "c.json")]
        written.append((fused.probability.tobytes(), *map(gzip.decompress, files[:2]), files[2]))
        without_isal(monkeypatch)
    assert written[0] == written[1]


def test_what_is_written(tmp_path: Path, masks: np.ndarray, engine: str) -> None:
    """One gzip member, without name or time; the voxels of any layout in Fortran's order behind the header."""
    like = nifti.read(save(tmp_path / "like.nii", masks[0]))
    votes = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    packed = nifti.nifti_bytes(Path("x.nii.gz"), votes, like, "votes")
    assert packed == nifti.nifti_bytes(Path("x.nii.gz"), np.asfortranarray(votes), like, "votes")
    assert packed[:4] == b"\x1f\x8b\x08\0"
    assert packed[4:8] == bytes(4)
    inflater = zlib.decompressobj(31)
    plain = inflater.decompress(packed)
    assert inflater.eof
    assert inflater.unused_data == b""
    assert plain == nifti.nifti_bytes(Path("x.nii"), votes, like, "votes")
    np.testing.assert_array_equal(
        np.frombuffer(plain, "<f4", offset=352).reshape(SHAPE, order="F"), votes, strict=True
    )


def test_size_is_sensible(engine: str) -> None:
    """Near zlib's size on probabilities; 0.5 % of an empty volume at most."""
    rng = np.random.default_rng(0)
    dense = (rng.integers(0, 40, 200_000) / 40).astype(np.float32).tobytes()
    assert len(gz.compress([dense])) < 1.25 * len(gzip.compress(dense, 4))
    assert len(gz.compress([bytes(10**7)])) < 5e-3 * 10**7


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file(tmp_path: Path, masks: np.ndarray, damage: str, engine: str) -> None:
    suffix, spoil, message = DAMAGE[damage]
    files = [save(tmp_path / name, masks[0]) for name in ("rater0.nii.gz", f"rater1{suffix}")]
    spoil(files[1])
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz")
    assert str(caught.value).startswith(f"{files[1]}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert files_in(tmp_path) == {path.name for path in files}
    assert readers() == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-4] + b"\0\0\0\1", "ncorrect length"),
        (lambda content: content[:-8], "ended before|EOFError"),
        (lambda content: content + b"garbage behind it", "[Nn]ot a gzipped file"),
        (lambda content: content + b"x", "cannot be read"),
        (lambda content: content + b"\x1f", "cannot be read"),
        (lambda content: content + content[:20], "ended before"),
        (lambda content: content[:300] + bytes(300) + content[600:], "cannot be read"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "2771 bytes of voxels, 2772 expected"),
        (lambda content: content + bytes(8), None),
        (lambda content: content + gzip.compress(b"more"), None),
        (lambda content: cut_in_two(gzip.decompress(content)), None),
    ],
    ids=[
        "length",
        "no trailer",
        "garbage",
        "x",
        "half a magic",
        "half a member",
        "hole",
        "short",
        "padded",
        "two members",
        "cut in members",
    ],
)
def test_strictness(tmp_path: Path, engine: str, spoil: Any, message: str | None) -> None:
    voxels = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    path = save(tmp_path / "r.nii.gz", voxels)
    path.write_bytes(spoil(path.read_bytes()))
    if message is None:
        np.testing.assert_array_equal(nifti.read(path).data, voxels, strict=True)
        return
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        nifti.read(path)
    assert str(caught.value).startswith(f"{path}: cannot be read (")


def test_no_damage_goes_unseen(tmp_path: Path, engine: str) -> None:
    """Random bytes at random places of a compressed file, or an end too soon, are refused or do no harm."""
    rng = np.random.default_rng(3)
    voxels = rng.integers(0, 9, SHAPE).astype(np.uint8)
    path = save(tmp_path / "r.nii.gz", voxels)
    good = path.read_bytes()
    refusals = []
    for _ in range(300):
        bad = bytearray(good)
        for at in rng.integers(10, len(good), rng.integers(1, 4)):
            bad[at] = rng.integers(256)
        path.write_bytes(bad[: rng.integers(1, len(bad))] if rng.random() < 0.2 else bad)
        try:
            np.testing.assert_array_equal(nifti.read(path).data, voxels)
        except fastfuse.ImageError as error:
            refusals.append(str(error))
    assert len(refusals) > 250
    assert all(refusal.startswith(f"{path}: ") for refusal in refusals)


def cut_in_two(plain: bytes) -> bytes:
    return gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])


@pytest.mark.parametrize("kind", ["u1", "<i2", ">i2", ">f4", "<f8"])
def test_type_and_layout_of_the_file(tmp_path: Path, engine: str, kind: str) -> None:
    """Nothing becomes float64 unless the header scales it; the array is the buffer that was read into."""
    voxels = np.random.default_rng(0).integers(0, 100, SHAPE).astype(kind)
    header = nib.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
    header.set_data_dtype(kind)
    path = tmp_path / "r.nii.gz"
    nib.save(nib.Nifti1Image(voxels, AFFINE, header), path)
    data = nifti.read(path).data
    np.testing.assert_array_equal(data, voxels)
    assert data.dtype == np.dtype(kind)
    assert data.flags.f_contiguous
    base = data
    while base.base is not None:
        base = base.base
    assert base.nbytes == voxels.nbytes


# --- order and threads ---------------------------------------------------------------------------------------


def test_files_are_read_at_once(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(len(paths))
    read = reading.read

    def meet(path: Path, *rest: Any) -> nifti.Image:
        together.wait(PATIENCE_S)
        return read(path, *rest)

    monkeypatch.setattr(reading, "read", meet)
    with reading.reading(paths, len(paths)) as images:
        assert [image.path for image in images] == paths
    assert readers() == []


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_number_of_threads(paths: list[Path], monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """At most so many at once, and so many files ahead; one thread is the caller's own."""
    lock = threading.Lock()
    started: list[threading.Thread] = []
    read = reading.read

    def noted(*args: Any, **options: Any) -> nifti.Image:
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
        monkeypatch.setattr(reading, "_cores", lambda cores=cores: cores)
        with reading.reading(paths[:files], threads) as images:
            assert len(list(images)) == files
        assert asked.pop() == expected
    monkeypatch.setattr(reading, "_cores", lambda: 1)
    with reading.reading(paths, 0) as images:
        assert len(list(images)) == len(paths)
    assert asked == []


def test_cores_are_those_of_the_process() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs affinities")
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    code += "from fastfuse.images import reading; print(reading._cores())"
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

    def slow_in_front(path: Path, *rest: Any) -> nifti.Image:
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
    save(paths[1], np.ones(SHAPE, np.uint8), shifted(5))
    paths[2].write_bytes(b"bad")
    with pytest.raises(fastfuse.GridError, match=r"rater1\.nii\.gz"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", threads=threads)
    assert readers() == []


@pytest.mark.parametrize("threads", [1, 4])
def test_softening_reads_in_order(tmp_path: Path, paths: list[Path], threads: int) -> None:
    flair = save(tmp_path / "flair.nii.gz", np.random.default_rng(0).random(SHAPE, dtype=np.float32))
    steps: list[str] = []
    soft = fastfuse.soften_files(
        paths, flair, out_dir=tmp_path / "soft", threads=threads, progress=steps.append
    )
    expected = fastfuse.soften([nifti.read(path).data for path in paths], nifti.read(flair).data)
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
    monkeypatch.setattr(nifti, "PIECE", 1000)
    asked = []

    def go_on() -> None:
        asked.append(None)
        if len(asked) == 2:
            raise Enough

    with pytest.raises(Enough):
        nifti.read(path, go_on)
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


def test_standard_error_survives_two_quiet_readers() -> None:
    before = os.fstat(2)
    one_in, other_in, one_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with nifti._quiet():
            one_in.set()
            other_in.wait(0.3)  # in vain: the other has to wait
        one_out.set()

    def second() -> None:
        one_in.wait(PATIENCE_S)
        with nifti._quiet():
            other_in.set()
            one_out.wait(PATIENCE_S)

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    after = os.fstat(2)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
