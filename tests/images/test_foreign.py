"""Formats of other programs: what they are, and what converts them, whatever goes wrong."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
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


@pytest.mark.parametrize("way", ["plain", "storage", "link", "group", "virtual"])
def test_minc_takes_no_values_of_other_files(tmp_path: Path, way: str) -> None:
    """They may be any that the user may read, of which neither the user nor a hash in the sidecar knows."""
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install '.[stream]'")
    text, shape = np.bytes_, (3, 4, 5)
    told = {
        "dimorder": text("zspace,yspace,xspace"),
        "signtype": text("unsigned"),
        "valid_range": np.array([0.0, 255]),
    }
    secret = np.ones(shape, np.uint8)
    (tmp_path / "secret").write_bytes(secret.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = other["image/image"] = secret
        other["x"].attrs.update(told)
    with h5py.File(tmp_path / "a.mnc", "w") as file:
        for name, length, turn in zip(("zspace", "yspace", "xspace"), shape, np.eye(3)[::-1], strict=True):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            axis.attrs.update(
                start=0.0, step=1.0, length=length, spacing=text("regular__"), direction_cosines=turn
            )
        folder = file.create_group("minc-2.0/image/0")
        if way == "link":
            folder["image"] = h5py.ExternalLink(tmp_path / "other.h5", "x")
        elif way == "virtual":
            layout = h5py.VirtualLayout(shape, "u1")
            layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", shape)
            folder.create_virtual_dataset("image", layout).attrs.update(told)
        else:
            where = [(str(tmp_path / "secret"), 0, secret.size)] if way == "storage" else None
            folder.create_dataset("image", shape, "u1", external=where).attrs.update(told)
        for name, value in (("image-min", 0.0), ("image-max", 255.0)):
            folder.create_dataset(name, data=value).attrs["dimorder"] = text("")
        if way == "group":
            file["minc-2.0/image/1"] = h5py.ExternalLink(tmp_path / "other.h5", "image")
    if way == "plain":
        assert reading.read(tmp_path / "a.mnc").data.shape == shape
        return
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.mnc: it takes values from another file \(.*(secret|other\.h5)\)"
    ):
        reading.read(tmp_path / "a.mnc")
