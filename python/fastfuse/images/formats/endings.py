"""How the names of files end, by their format; each format's reader is loaded once a file needs it."""

from __future__ import annotations

from pathlib import Path

from ..written.endings import NIFTI

NIFTI_SUFFIXES = NIFTI
NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")
DICOM_SUFFIXES = (".dcm", ".dicom")
PICTURE_SUFFIXES = (".png", ".tif", ".tiff")


def is_dicom(path: Path) -> bool:
    """Tell a DICOM file by its content."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
