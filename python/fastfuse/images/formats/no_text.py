"""Says what a file is that was expected to hold text, and does not."""

from __future__ import annotations

from pathlib import Path

from ...errors import reason_of

BY_NAME = {
    (".nii", ".nii.gz"): "a NIfTI image",
    (".nrrd", ".nhdr"): "an NRRD image",
    (".mha", ".mhd"): "a MetaImage",
    (".npz", ".npy"): "a file of NumPy's",
    (".xlsx", ".xls", ".ods"): "a spreadsheet",
}
BY_BEGINNING = {
    b"PK": "a ZIP archive, as a spreadsheet is",
    b"\xd0\xcf\x11\xe0": "a spreadsheet, or another file of an office program",
    b"\x1f\x8b": "packed by gzip",
    b"\x89PNG": "a PNG",
    b"%PDF": "a PDF",
    b"\xff\xfe": "a text in UTF-16; save it in UTF-8, in a spreadsheet as CSV UTF-8",
    b"\xfe\xff": "a text in UTF-16; save it in UTF-8, in a spreadsheet as CSV UTF-8",
}
NO_TEXT = "no text in UTF-8; save it so, in a spreadsheet as CSV UTF-8"
LONGEST = 8  # bytes


def why_no_text(path: Path, error: Exception) -> str:
    """Return why a file's text cannot be read, as "it is a NIfTI image"."""
    if not isinstance(error, UnicodeDecodeError):
        return reason_of(error)
    name = path.name.lower()
    by_name = next((what for endings, what in BY_NAME.items() if name.endswith(endings)), None)
    if by_name is not None:
        return f"it is {by_name}"
    begin = bytes(error.object[:LONGEST])
    found = (what for beginning, what in BY_BEGINNING.items() if begin.startswith(beginning))
    return f"it is {next(found, NO_TEXT)}"
