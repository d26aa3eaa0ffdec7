"""No text of an input's header reaches an output, but what python/fastfuse/files/PRIVACY.md names."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

SHAPE = (12, 12, 10)
SECRET = "Mustermann"


def marks(seed: int) -> Any:
    truth = np.zeros(SHAPE, np.uint8)
    truth[3:8, 3:8, 2:7] = 1
    return truth ^ (np.random.default_rng(seed).random(SHAPE) < 0.03)


def nifti(path: Path, data: Any) -> Path:
    image = nib.Nifti1Image(data, np.diag([1.0, 1, 2, 1]))
    for field in ("descrip", "aux_file", "db_name"):
        image.header[field] = SECRET.encode()
    tag = b"\x10\x00\x10\x00\x0a\x00\x00\x00" + SECRET.encode()  # PatientName, as DICOM has it
    for code, content in (("dicom", tag), ("comment", SECRET.encode())):
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    nib.save(image, path)
    return path


def nrrd(path: Path, data: Any) -> Path:
    head = (
        f"NRRD0004\n# {SECRET}\ntype: unsigned char\ndimension: 3\nspace: left-posterior-superior\nsizes: 12 12 10\n"
        "space directions: (-1,0,0) (0,-1,0) (0,0,2)\nkinds: domain domain domain\nencoding: gzip\nspace origin: (0,0,0)\n"
        f"content: {SECRET}\nPatientName:={SECRET}\nSegment0_ID:=Segment_1\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
        f"Segment0_Name:=lesion\nSegment0_Tags:={SECRET}\nConversionParameters:={SECRET}\n\n"
    )
    path.write_bytes(head.encode() + gzip.compress(data.tobytes(order="F")))
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all outputs, unpacked."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: gzip.decompress(one) if name.endswith(".gz") else one for name, one in files.items()}


@pytest.mark.parametrize("ending", [".nii.gz", ".seg.nrrd"])
def test_texts_of_headers_stay_where_they_are(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("jinja2", reason="needs Jinja2: pip install '.[report]'")
    write = nifti if ending == ".nii.gz" else nrrd
    raters = [write(tmp_path / f"{i}{ending}", marks(i)) for i in range(3)]
    flair = nifti(tmp_path / "flair.nii.gz", marks(0).astype(np.float32))
    assert all(SECRET.encode() in one for one in content_of(tmp_path).values())
    out = tmp_path / "out"
    out.mkdir()
    fastfuse.fuse_files(
        raters, out / "c.nii.gz", image=flair, report=out / "r.html", save_label=out / "m.seg.nrrd", save_counts=out / "n.nii"
    )  # fmt: skip
    found = content_of(out)
    assert len(found) == 5
    for name, content in found.items():
        assert SECRET.encode() not in content, name
    head = nib.load(out / "c.nii.gz").header
    assert (len(head.extensions), str(head["aux_file"].astype(str))) == (0, "")


@pytest.mark.filterwarnings("ignore:there is one rater only:fastfuse.FusionWarning")
def test_dicom_is_of_the_patient_unless_the_grid_is_no_dicom(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom: pip install '.[dicom]'")
    told = {
        "PatientName": SECRET, "PatientID": SECRET, "PatientBirthDate": "19500102", "PatientSex": "M", "StudyID": SECRET,
        "StudyDate": "19990102", "AccessionNumber": SECRET, "ReferringPhysicianName": SECRET,
    }  # fmt: skip
    untold = ("InstitutionName", "OperatorsName", "ContentCreatorName", "StudyDescription", "SeriesDescription", "PatientComments")  # fmt: skip
    raters = []
    for i in range(3):
        grid = nifti(tmp_path / f"{i}.nii.gz", marks(i))
        fastfuse.fuse_files([grid], tmp_path / f"{i}.dcm", method="majority")
        found = pydicom.dcmread(tmp_path / f"{i}.dcm")
        for keyword, value in {**told, **dict.fromkeys(untold, f"{SECRET}2")}.items():
            setattr(found, keyword, value)
        found.FrameOfReferenceUID, found.StudyInstanceUID, found.Manufacturer = "1.2.3", "1.2.4", "another"
        found.save_as(tmp_path / f"{i}.dcm")
        raters.append(tmp_path / f"{i}.dcm")
    fastfuse.fuse_files(raters, tmp_path / "own.dcm", threshold=0.5)
    fastfuse.fuse_files(raters, tmp_path / "new.dcm", threshold=0.5, grid=tmp_path / "0.nii.gz")
    own, new = (pydicom.dcmread(tmp_path / name) for name in ("own.dcm", "new.dcm"))
    assert {keyword: str(own[keyword].value) for keyword in told} == told
    assert (own.FrameOfReferenceUID, own.StudyInstanceUID) == ("1.2.3", "1.2.4")
    assert f"{SECRET}2".encode() not in (tmp_path / "own.dcm").read_bytes()
    assert not any(str(new[keyword].value) for keyword in told)
    assert not {new.FrameOfReferenceUID, new.StudyInstanceUID} & {"1.2.3", "1.2.4"}
    content = (tmp_path / "new.dcm").read_bytes() + (tmp_path / "new.json").read_bytes()
    assert not [text for text in (SECRET, "19500102", "19990102") if text.encode() in content]
