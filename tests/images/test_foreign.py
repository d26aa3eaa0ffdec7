"""Formats of other programs: what they are, and what converts them, whatever goes wrong."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import nibabel
import pytest

import fastfuse
from fastfuse.images import reading

NOISE = bytes(range(256)) * 8
DATA = Path(nibabel.__file__).parent / "tests" / "data"


@pytest.mark.parametrize(
    ("name", "content", "title", "tool"),
    [
        ("a.mnc", NOISE, "MINC", "mnc2nii"),
        ("a.mnc", b"CDF\x01" + NOISE, "MINC", "mnc2nii"),
        ("a.mnc.gz", NOISE, "MINC", "mnc2nii"),
        ("a.MNC", b"", "MINC", "mnc2nii"),
        ("a.PAR", b"# a text\n", "Philips PAR/REC", "parrec2nii"),
        ("a.par", NOISE, "Philips PAR/REC", "dcm2niix"),
        ("a+orig.HEAD", b"a text", "AFNI", "3dAFNItoNIFTI"),
        ("a.hdr", NOISE, "two files", "fslchfiletype"),
        ("a.v", NOISE, "ECAT", "ecat2nii"),
    ],
)
def test_broken_files_of_formats_that_are_read(
    tmp_path: Path, name: str, content: bytes, title: str, tool: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content or NOISE[:5])
    for beside in (".REC", ".rec", "+orig.BRIK", ".img"):
        (tmp_path / f"a{beside}").write_bytes(NOISE)
    with pytest.raises(fastfuse.ImageError) as refused:
        reading.read(path)
    said = str(refused.value)
    assert said.startswith(f"{path}: by its name it is ")
    assert title in said
    assert "cannot be read as that (" in said
    assert "(None)" not in said
    assert tool in said.partition("convert it to NIfTI by")[2]


@pytest.mark.parametrize(
    ("name", "title", "tool"),
    [
        ("a.mif", "MRtrix", "mrconvert"),
        ("a.mif.gz", "MRtrix", "mrconvert"),
        ("a.gipl", "GIPL", "c3d"),
        ("a.IMA", "scanner", "dcm2niix"),
        ("2dseq", "Bruker", "Bru2Nii"),
        ("a.vti", "VTK image", "Slicer"),
        ("a.czi", "microscope", "Fiji"),
        ("a.raw", "without a header", "RawImageGuess"),
    ],
)
def test_formats_that_are_not_read(tmp_path: Path, name: str, title: str, tool: str) -> None:
    (tmp_path / name).write_bytes(NOISE)
    with pytest.raises(
        fastfuse.ImageError, match=f"{title}.*fastfuse does not read: convert it to NIfTI by.*{tool}"
    ):
        reading.read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nrrd.gz", "a.mha.bz2", "a.dcm.gz", "a.npy.gz", "a.par.gz"])
def test_packed_as_a_whole(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(NOISE)
    with pytest.raises(fastfuse.ImageError, match=f"{name}: it is compressed as a whole.*unpack it first"):
        reading.read(tmp_path / name)


def test_minc_without_the_package_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mnc").write_bytes(b"\x89HDF\r\n\x1a\n" + NOISE)
    found = builtins.__import__

    def without_h5py(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "h5py":
            raise ModuleNotFoundError("No module named 'h5py'", name="h5py")
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_h5py)
    with pytest.raises(
        fastfuse.ImageError, match=r"MINC needs the package h5py.*install it, or convert.*mnc2nii"
    ):
        reading.read(tmp_path / "a.mnc")


@pytest.mark.skipif(not DATA.is_dir(), reason="nibabel is installed without its tests' files")
@pytest.mark.parametrize("name", ["tiny.mnc", "minc1_1_scale.mnc"])
def test_sound_files_are_read(name: str) -> None:
    assert reading.read(DATA / name).data.shape == (10, 20, 20)
