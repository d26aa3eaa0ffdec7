"""How the names of outputs end, by what they may hold."""

from __future__ import annotations

from pathlib import Path

from ...errors import OutputError
from ..paths import shown

NIFTI = (".nii", ".nii.gz")
SEGMENTS = ".seg.nrrd"
DICOM = ".dcm"
OF_CONSENSUS = (*NIFTI, SEGMENTS, DICOM)
OF_LABELS = (*NIFTI, SEGMENTS)
MADE_HERE = "fastfuse"  # what headers say of who wrote a file
CONSENSUS = "consensus"  # what its segment is called


def is_segments(path: Path) -> bool:
    """Tell a file of named segments."""
    return path.name.lower().endswith(SEGMENTS)


def is_dicom(path: Path) -> bool:
    """Tell a DICOM file."""
    return path.name.lower().endswith(DICOM)


def check_ending(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse the name of an output that ends otherwise."""
    if not path.name.lower().endswith(endings):
        raise OutputError(f"{shown(path)}: the name of this output must end in {' or '.join(endings)}")
