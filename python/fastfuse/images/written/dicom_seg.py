"""Writes a probability as DICOM: a fractional segmentation (SEG), PS3.3 A.51 and C.8.20.

By pydicom alone: highdicom asks for the DICOM images that were segmented, which a consensus of NIfTI files does not have.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GridError, lacking
from ..image import Image
from ..paths import shown
from .endings import MADE_HERE

STEPS = 255  # of a probability: what is written is a whole number of them
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
MAKER = MADE_HERE
NO_TIME = "19700101", "000000"  # the standard asks for a time, and the same inputs give the same bytes
LEAST_COSINE = 1e-4  # by which axes may miss a right angle
# What a segmentation of a patient's images shares with them.
OF_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
OF_STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
TISSUE = ("85756007", "SCT", "Tissue")  # what a segment is of whose type nobody has named


def check_dicom() -> None:
    """Refuse to begin without pydicom."""
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise lacking("an output that ends in .dcm", error, "dicom") from None


def fractional_seg_bytes(
    probability: NDArray[np.floating], like: Image, *, name: str, how: str, version: str
) -> bytes:
    """Serialise a probability (x, y, z) on the grid of ``like``; the same values give the same bytes.

    Patient, study and frame of reference are those of ``like``, if it is DICOM.
    """
    import pydicom

    values = np.rint(np.clip(probability, 0, 1) * STEPS).astype(np.uint8)
    frames = np.ascontiguousarray(values.transpose(2, 1, 0))
    content = frames.tobytes()
    digest = hashlib.sha256(content + like.affine.tobytes() + f"{name}\0{how}".encode()).hexdigest()
    found = _identity(like, digest)
    _describe(found, name, how, version)
    found.NumberOfFrames, found.Rows, found.Columns = frames.shape
    found.PixelData = content + bytes(len(content) % 2)
    _place(found, like, len(frames))
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, found, enforce_file_format=True)
    return buffer.getvalue()


def _identity(like: Image, digest: str) -> Any:
    """Return a data set with what says whose it is, and which one."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, generate_uid

    source = _source(like.path)
    found, meta = Dataset(), FileMetaDataset()
    uid = {
        what: generate_uid(entropy_srcs=[digest, what]) for what in ("instance", "series", "study", "frame")
    }
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID(SEGMENTATION), UID(EXPLICIT_LITTLE_ENDIAN)
    meta.MediaStorageSOPInstanceUID = uid["instance"]
    found.file_meta = meta
    found.SpecificCharacterSet = "ISO_IR 192"
    found.SOPClassUID, found.SOPInstanceUID = SEGMENTATION, uid["instance"]
    for keyword in (*OF_PATIENT, *OF_STUDY):
        setattr(found, keyword, source.get(keyword, ""))
    found.StudyInstanceUID = found.StudyInstanceUID or uid["study"]
    found.FrameOfReferenceUID = source.get("FrameOfReferenceUID") or uid["frame"]
    found.PositionReferenceIndicator = ""
    found.SeriesInstanceUID = uid["series"]
    found.SeriesNumber, found.InstanceNumber = 1, 1
    return found


def _source(path: Path) -> Any:
    """Return the header of a DICOM file; nothing of another."""
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return Dataset()


def _describe(found: Any, name: str, how: str, version: str) -> None:
    """Say what the segment is, and how its voxels are kept."""
    found.Modality, found.SeriesDescription = "SEG", f"{MAKER} {how}"[:64]
    found.Manufacturer, found.ManufacturerModelName = MAKER, MAKER
    found.DeviceSerialNumber, found.SoftwareVersions = "0", version
    found.ContentDate, found.ContentTime = NO_TIME
    found.ContentLabel, found.ContentDescription, found.ContentCreatorName = "CONSENSUS", name[:64], ""
    found.ImageType = ["DERIVED", "PRIMARY"]
    found.SegmentationType, found.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
    found.MaximumFractionalValue = STEPS
    found.SamplesPerPixel, found.PhotometricInterpretation, found.PixelRepresentation = 1, "MONOCHROME2", 0
    found.BitsAllocated, found.BitsStored, found.HighBit = 8, 8, 7
    found.LossyImageCompression = "00"
    found.BurnedInAnnotation = "NO"
    segment = _item(SegmentNumber=1, SegmentLabel=name[:64], SegmentAlgorithmType="SEMIAUTOMATIC")
    segment.SegmentAlgorithmName = f"{MAKER} {how}"[:64]
    segment.SegmentedPropertyCategoryCodeSequence = [_code()]
    segment.SegmentedPropertyTypeCodeSequence = [_code()]
    found.SegmentSequence = [segment]


def _place(found: Any, like: Image, frames: int) -> None:
    """Say where the frames lie: x runs along a row, y down the rows, one frame for each z."""
    from pydicom.uid import generate_uid

    axes = np.array([-1.0, -1.0, 1.0])[:, None] * like.affine[:3]
    sides = np.linalg.norm(axes[:, :3], axis=0)
    units = axes[:, :3] / sides
    if np.abs(units.T @ units - np.eye(3)).max() > LEAST_COSINE:
        raise GridError(
            f"{shown(like.path)}: its axes are not at right angles, which DICOM segmentations are: write .nii.gz, or resample onto "
            "an upright grid"
        )
    measures = _item(PixelSpacing=[_ds(sides[1]), _ds(sides[0])], SliceThickness=_ds(sides[2]))
    measures.SpacingBetweenSlices = _ds(sides[2])
    orientation = _item(ImageOrientationPatient=[_ds(part) for part in (*units[:, 0], *units[:, 1])])
    found.SharedFunctionalGroupsSequence = [
        _item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation])
    ]
    uid = generate_uid(entropy_srcs=[found.SOPInstanceUID, "dimensions"])
    found.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=uid)]
    found.DimensionOrganizationType = "3D"
    found.DimensionIndexSequence = list(_dimensions(uid))
    found.PerFrameFunctionalGroupsSequence = [
        _item(
            FrameContentSequence=[_item(DimensionIndexValues=[1, z + 1])],
            PlanePositionSequence=[
                _item(ImagePositionPatient=[_ds(part) for part in axes[:, 3] + z * axes[:, 2]])
            ],
            SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=1)],
        )
        for z in range(frames)
    ]


def _dimensions(uid: str) -> Iterator[Any]:
    """Yield what the frames are sorted by: the segment, and the place."""
    from pydicom.datadict import tag_for_keyword

    for group, keyword in (
        ("SegmentIdentificationSequence", "ReferencedSegmentNumber"),
        ("PlanePositionSequence", "ImagePositionPatient"),
    ):
        yield _item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=tag_for_keyword(keyword),
            FunctionalGroupPointer=tag_for_keyword(group),
            DimensionDescriptionLabel=keyword,
        )


def _code() -> Any:
    value, scheme, meaning = TISSUE
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _item(**values: Any) -> Any:
    """Return an item of a sequence."""
    from pydicom.dataset import Dataset

    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def _ds(number: float) -> str:
    """Return a number as DICOM has it, in at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(number) + 0.0)
