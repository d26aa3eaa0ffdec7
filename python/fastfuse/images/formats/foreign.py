"""Formats of other programs, by their names' endings: what they are, and what converts them to NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PACKED = (".gz", ".bz2")


class Foreign(NamedTuple):
    """A format, what converts it, and whether nibabel reads it."""

    title: str
    by: str
    is_read: bool = False


MINC = Foreign("MINC", "mnc2nii (of the MINC tools)", is_read=True)
PHILIPS = Foreign("Philips PAR/REC", "parrec2nii (of nibabel) or dcm2niix", is_read=True)
AFNI = Foreign("AFNI's format", "3dAFNItoNIFTI", is_read=True)
PAIR = Foreign(
    "Analyze or NIfTI in two files (.hdr, .img)", "fslchfiletype NIFTI_GZ or nibabel", is_read=True
)
ECAT = Foreign("ECAT's format", "ecat2nii (of TPCCLIB)", is_read=True)
MRTRIX = Foreign("MRtrix's format", "mrconvert")
GIPL = Foreign("GIPL", "ITK-SNAP or c3d")
SCANNER = Foreign("a scanner's own file", "dcm2niix")
BRUKER = Foreign("Bruker's format", "Bru2Nii or brkraw")
VTK = Foreign("a VTK image", "3-D Slicer")
AMIRA = Foreign("Amira's format", "3-D Slicer")
MICROSCOPE = Foreign("a microscope's format", "Fiji (as TIFF)")
BARE = Foreign("numbers without a header", "3-D Slicer's RawImageGuess, which needs shape and type")

FORMATS = {
    ".mnc": MINC, ".minc": MINC, ".mnc2": MINC, ".par": PHILIPS, ".rec": PHILIPS, ".brik": AFNI, ".head": AFNI,
    ".hdr": PAIR, ".img": PAIR, ".v": ECAT, ".mif": MRTRIX, ".mih": MRTRIX, ".gipl": GIPL, ".ima": SCANNER,
    ".fdf": SCANNER, ".2dseq": BRUKER, ".vti": VTK, ".am": AMIRA, ".czi": MICROSCOPE, ".lif": MICROSCOPE,
    ".nd2": MICROSCOPE, ".lsm": MICROSCOPE, ".svs": MICROSCOPE, ".oib": MICROSCOPE, ".ims": MICROSCOPE,
    ".raw": BARE, ".bin": BARE, ".dat": BARE,
}  # fmt: skip


def format_of(path: Path) -> Foreign | None:
    """Return the format that a name stands for, packed or not; None for any other."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    if name == "2dseq":
        return BRUKER
    return next((found for ending, found in FORMATS.items() if name.endswith(ending)), None)
