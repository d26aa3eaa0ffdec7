"""Reads mutated files of all formats: only an ImageError may leave the reader.

A long run, guided by coverage if atheris is installed: python -m tests.images.fuzz --seconds 1800
"""

from __future__ import annotations

import argparse
import gzip
import inspect
import random
import re
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nibabel as nib
import numpy as np

from fastfuse import ImageError
from fastfuse.images import checks, reading
from fastfuse.images.wanted import Lattice, Wanted
from fastfuse.inputs.foreground import Foreground
from fastfuse.inputs.grids import Grid

from ..memory import most_memory
from .contours.structures import circle, flat, rectangle, rt_struct
from .segmentations import dicom_seg, seg_nrrd

SLOWEST_S = 20.0  # on a machine that does other work too
FREE = 64_000_000  # bytes of memory that the check believes to be free
MOST_BYTES = 600_000_000  # that the process may grow by: what FREE allows, libraries, and Python's own
NUMBERS = [
    b"0",
    b"-1",
    b"1",
    b"200",
    b"1000",
    b"65536",
    b"2147483648",
    b"4294967297",
    b"1e30",
    b"nan",
    b"inf",
    b"x",
]
WORDS = [
    0,
    1,
    2,
    3,
    4,
    8,
    127,
    255,
    256,
    32767,
    32768,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
]
LATTICE = Lattice(Grid("ct.nii", (6, 5, 4), np.diag([-1.0, -1.5, 2.0, 1.0])), Path("ct.nii"), named=True)
WANTED = [
    Wanted(foreground, lattice=lambda _: LATTICE)
    for foreground in (
        Foreground(),
        Foreground(),
        Foreground(labels=(1,)),
        Foreground(labels=(2, 3)),
        Foreground(binarize=True),
        Foreground(segments=("one",)),
    )
]


def corpus(folder: Path) -> dict[str, list[str]]:
    """Write small sound files; return each one's name, with those of the files beside it."""
    rng = np.random.default_rng(0)
    mask = (rng.random((6, 5, 4)) < 0.4).astype(np.uint8)
    names: dict[str, list[str]] = {}
    affine = np.diag([-1.0, 1.5, 2.0, 1.0])
    for name in ("a.nii", "b.nii.gz", "c.nii.bz2"):
        nib.save(nib.Nifti1Image(mask, affine), folder / name)
        names[name] = []
    scaled = nib.Nifti1Image(mask.astype(np.float32) / 3, affine)
    scaled.set_data_dtype(np.int16)
    nib.save(scaled, folder / "scaled.nii")
    nib.save(nib.Nifti2Image(mask.astype(">i2"), affine), folder / "two.nii")
    nib.save(nib.Nifti1Image(mask[:, :, 0], affine), folder / "flat.nii")
    nib.save(nib.Nifti1Image(np.stack([1 - mask, mask], 3).astype(np.float32), affine), folder / "four.nii")
    nib.save(nib.Nifti1Pair(mask, affine), folder / "pair.hdr")
    nib.save(nib.AnalyzeImage(mask.astype(np.int16), affine), folder / "ana.img")
    nib.save(nib.MGHImage(mask, affine), folder / "m.mgh")
    nib.save(nib.MGHImage(mask, affine), folder / "m.mgz")
    array = nib.gifti.GiftiDataArray(np.zeros(5, np.float32), intent="NIFTI_INTENT_SHAPE")
    nib.save(nib.gifti.GiftiImage(darrays=[array]), folder / "s.shape.gii")
    np.save(folder / "a.npy", mask)
    np.savez_compressed(
        folder / "n.npz", probabilities=np.stack([1 - mask, mask]).astype(np.float32).transpose(0, 3, 2, 1)
    )
    nib.save(nib.Nifti1Image(mask, affine), folder / "n.nii.gz")
    seg_nrrd(folder / "one.seg.nrrd", 3 * mask, [("one", 3, 0)])
    seg_nrrd(folder / "two.seg.nrrd", np.stack([mask, 2 * mask]), [("one", 1, 0), ("two", 2, 1)])
    _written_out(folder, mask)
    names |= {
        name: []
        for name in ("scaled.nii", "two.nii", "flat.nii", "four.nii", "m.mgh", "m.mgz", "s.shape.gii")
    }
    names |= {"a.npy": [], "one.seg.nrrd": [], "two.seg.nrrd": [], "n.npz": ["n.nii.gz"], "n.nii.gz": []}
    names |= {
        "pair.hdr": ["pair.img"],
        "pair.img": ["pair.hdr"],
        "ana.hdr": ["ana.img"],
        "t.nrrd": [],
        "h.nrrd": [],
    }
    names |= {"r.mha": [], "z.mha": [], "t.mha": [], "v.mha": [], "d.mhd": ["d.raw"], "d.nhdr": ["d.raw"]}
    with suppress(ImportError):
        names |= _pictures(folder, mask)
    with suppress(ImportError):
        dicom_seg(folder / "b.dcm", {"one": mask, "two": mask[::-1]})
        dicom_seg(folder / "f.dcm", {"one": mask * 0.5}, fractional=True)
        dicom_seg(folder / "l.dcm", {"one": mask, "two": 1 - mask}, label_map=True)
        outlines = {
            "one": [flat(circle((2.2, 2.1), 1.6, 9), at) for at in (0, 1)],
            "two": [flat(rectangle((4.5, 5.5), (0.5, 2.5)), 2)],
        }
        rt_struct(folder / "r.dcm", outlines, np.asarray(LATTICE.grid.affine))
        names |= {"b.dcm": [], "f.dcm": [], "l.dcm": [], "r.dcm": []}
    return names


def _written_out(folder: Path, mask: np.ndarray) -> None:
    """Write MetaImage and NRRD files of several encodings."""
    flat = mask.ravel(order="F")
    meta = "ObjectType = Image\nNDims = 3\nElementSpacing = 1 2 3\nOffset = 1 2 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
    meta += "DimSize = 6 5 4\nElementType = MET_UCHAR\n{}ElementDataFile = {}\n"
    nrrd = "NRRD0004\ntype: uchar\ndimension: 3\nspace: RAS\nsizes: 6 5 4\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n"
    nrrd += "space origin: (1,2,3)\nkinds: domain domain domain\nencoding: {}\n"
    text = " ".join(map(str, flat)).encode()
    for name, header, content in (
        ("r.mha", meta.format("", "LOCAL"), flat.tobytes()),
        ("z.mha", meta.format("CompressedData = True\n", "LOCAL"), zlib.compress(flat.tobytes())),
        ("t.mha", meta.format("BinaryData = False\n", "LOCAL"), text),
        ("v.mha", meta.format("ElementNumberOfChannels = 2\n", "LOCAL"), np.repeat(flat, 2).tobytes()),
        ("d.mhd", meta.format("", "d.raw"), b""),
        ("t.nrrd", nrrd.format("text") + "\n", text),
        ("h.nrrd", nrrd.format("hex") + "\n", flat.tobytes().hex().encode()),
        ("d.nhdr", nrrd.format("raw") + "data file: d.raw\n", b""),
        ("d.raw", "", flat.tobytes()),
    ):
        (folder / name).write_bytes(header.encode() + content)


def _pictures(folder: Path, mask: np.ndarray) -> dict[str, list[str]]:
    from PIL import Image

    page = Image.fromarray(255 * mask[:, :, 0])
    page.save(folder / "l.png")
    page.convert("1").save(folder / "1.png")
    page.convert("P").save(folder / "p.png")
    page.convert("RGBA").save(folder / "c.png")
    page.save(folder / "l.tif")
    page.save(folder / "z.tiff", compression="tiff_deflate", save_all=True, append_images=[page, page])
    return {name: [] for name in ("l.png", "1.png", "p.png", "c.png", "l.tif", "z.tiff")}


def mutated(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Return content with one to eight faults."""
    packed = content[:2] == b"\x1f\x8b" and rng.random() < 0.6
    if packed:
        with suppress(OSError, EOFError, zlib.error):
            content = gzip.decompress(content)
    bad = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _spoil(bad, rng, others)
    return gzip.compress(bytes(bad), 1, mtime=0) if packed else bytes(bad)


def _spoil(bad: bytearray, rng: random.Random, others: list[bytes]) -> None:
    at = min(rng.choice((rng.randrange(len(bad) + 1), rng.randrange(400))), max(len(bad) - 1, 0))
    kind = rng.randrange(8)
    if kind == 0:
        bad[at : at + 1] = rng.randbytes(1)
    elif kind == 1:
        size = rng.choice((1, 2, 4, 8))
        word = rng.choice(WORDS) % 256**size
        bad[at : at + size] = word.to_bytes(size, rng.choice(("little", "big")))
    elif kind == 2:
        bad[at : at + 4] = np.array([rng.choice((0, -1, np.nan, np.inf, 1e30, 1e-30))], "<f4").tobytes()
    elif kind == 3:
        del bad[at : at + rng.choice((1, 4, 50, len(bad)))]
    elif kind == 4:
        bad[at:at] = rng.randbytes(rng.choice((1, 4, 50)))
    elif kind == 5:
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        bad[at : at + 40] = other[start : start + 40]
    else:
        _other_number(bad, rng)


def _other_number(bad: bytearray, rng: random.Random) -> None:
    """Replace a number, or a word, that is written out."""
    found = list(re.finditer(rb"-?\d+\.?\d*|[A-Za-z_]{3,}", bytes(bad[:4000])))
    if found:
        match = rng.choice(found)
        new = rng.choice(
            (*NUMBERS, b"LIST", b"none", b"%d.raw 0 3 1", b"/etc/passwd", b"LOCAL", b"uint64", b"gzip")
        )
        bad[match.start() : match.end()] = new


def check_reading(path: Path, wanted: Wanted) -> bool:
    """Read a file; return whether it was refused.

    Raises
    ------
    AssertionError
        If the refusal is not one line that names a file of the folder, the image is unsound, or it took too long.
    """
    started = time.perf_counter()
    try:
        image = reading.read(path, wanted=wanted)
    except ImageError as error:
        said = str(error)
        assert said.startswith(str(path.parent)), said
        assert len(said.splitlines()) == 1, said
        assert said.isprintable(), said
        assert "please report" not in said, said
        refused = True
    else:
        assert image.data.ndim == 3
        assert min(image.data.shape) >= 1
        assert image.data.dtype.kind in "iuf"
        assert np.isfinite(image.affine).all()
        refused = False
    took = time.perf_counter() - started
    assert took < SLOWEST_S, f"{path.name} took {took:.1f} s"
    return refused


@contextmanager
def little_memory() -> Iterator[None]:
    """Make the readers believe that little memory is free."""
    before = checks.available
    checks.available = lambda: FREE
    try:
        yield
    finally:
        checks.available = before


class Fuzzer:
    """Reads mutants of one corpus.

    Attributes
    ----------
    tried, refused : int
        How many files were read, and how many of them refused.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = corpus(folder)
        self.sound = {name: (folder / name).read_bytes() for name in self.names}
        self.start = most_memory()
        self.tried = self.refused = 0

    def one(self, rng: random.Random) -> None:
        """Read one mutant; the file stays where it is if something is wrong."""
        name = rng.choice(sorted(self.names))
        others = [
            content
            for other, content in self.sound.items()
            if other.rpartition(".")[2] == name.rpartition(".")[2]
        ]
        self.read(name, mutated(self.sound[name], rng, others), rng.choice(WANTED))

    def read(self, name: str, content: bytes, wanted: Wanted) -> None:
        """Read this content under the name of a file of the corpus."""
        path = self.folder / name
        path.write_bytes(content)
        self.tried += 1
        self.refused += check_reading(path, wanted)
        assert most_memory() - self.start < MOST_BYTES, f"{name} took {most_memory() - self.start} bytes"
        path.write_bytes(self.sound[name])


def _guided(fuzzer: Fuzzer, seconds: int) -> None:
    """Let coverage guide the mutants, by atheris."""
    import atheris

    names = sorted(fuzzer.names)

    def one(data: bytes) -> None:
        if len(data) < 3:
            return
        name, wanted = names[data[0] % len(names)], WANTED[data[1] % len(WANTED)]
        fuzzer.read(name, data[2:], wanted)

    seeds = fuzzer.folder / "seeds"
    seeds.mkdir()
    for k, name in enumerate(names):
        (seeds / str(k)).write_bytes(bytes([k, 0]) + fuzzer.sound[name])
    options = [
        f"-max_total_time={seconds}",
        "-max_len=6000",
        "-timeout=60",
        "-rss_limit_mb=4000",
        "-print_final_stats=1",
    ]
    for module in [one for name, one in sorted(sys.modules.items()) if name.startswith("fastfuse.images")]:
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], str(seeds), *options], one)
    atheris.Fuzz()


def main() -> None:
    """Fuzz for some time; half of it by mutation, half guided by coverage where atheris is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true", help="by atheris")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-readers-"))
    print(folder)
    with little_memory():
        fuzzer = Fuzzer(folder)
        if given.guided:
            _guided(fuzzer, given.seconds)
        until, seed = time.monotonic() + given.seconds, given.seed
        while time.monotonic() < until:
            try:
                fuzzer.one(random.Random(seed))
            except BaseException:
                print(f"seed {seed}", flush=True)
                raise
            seed += 1
    print(f"{fuzzer.tried} files, {fuzzer.refused} refused")


if __name__ == "__main__":
    main()
