"""Reads MetaImage files (.mha, .mhd), whose header is text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ..checks import check_content
from ..image import Image
from ..paths import remark_on, shown
from ..wanted import Wanted
from .behind import fields_behind
from .intensities import ignored_scale
from .raw import UNITS, UNITS_MM, Stored, beside, floats, integers, numbered, sizes_of, text_header
from .segments import one_image

MOST_AXES = 5
MOST_CHANNELS = 1000

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
# Fields that have several names; the first one is used here.
SAME = {
    "Offset": ("Offset", "Position", "Origin"),
    "TransformMatrix": ("TransformMatrix", "Rotation", "Orientation"),
    "ElementSpacing": ("ElementSpacing", "ElementSize"),
    "ElementByteOrderMSB": ("ElementByteOrderMSB", "BinaryDataByteOrderMSB"),
}

NO_SCALE = {"ElementToIntensityFunctionSlope": 1.0, "ElementToIntensityFunctionOffset": 0.0}

# Fields that say what the voxels are, and where.
USED = (
    *(name for names in SAME.values() for name in names),
    *(
        "NDims",
        "DimSize",
        "ElementType",
        "ElementNumberOfChannels",
        "CompressedData",
        "BinaryData",
        "HeaderSize",
    ),
    "DistanceUnits",
)
LINE = re.compile(rb"[ \t]*(\w+)[ \t]*=[ \t]*([ -~\t]*)(?:\r?\n|\Z)")


class Fields(dict[str, str]):
    """The header's fields by name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.files: list[str] = []  # that follow the header, one a line
        self.doubts: list[str] = []
        self.end = -1

    def words(self, name: str) -> list[str]:
        """Return what stands in a field, word by word; nothing if it is not there."""
        return next((self[other].split() for other in SAME.get(name, (name,)) if other in self), [])

    def needed(self, name: str) -> list[str]:
        """Return the words of a field that must be there."""
        words = self.words(name)
        if not words:
            raise ImageError(f"{shown(self.path)}: its header lacks {name}; is it a complete MetaImage?")
        return words

    def says(self, name: str) -> bool:
        """Tell whether a field is there and true."""
        return bool(self.words(name)) and self.words(name)[0][:1] in "Tt1Yy"


def read_meta_image(path: Path, go_on: Callable[[], None], wanted: Wanted) -> Image:
    """Read one image, or one of several layers, of a MetaImage file."""
    fields = _fields(path)
    stored = _stored(fields)
    axes = len(fields.words("DimSize"))
    channels = stored.sizes[0] if len(stored.sizes) > axes else 0
    check_content(path, stored.sizes[-axes:], stored.dtype)
    affine, placed, doubts = _affine(fields, axes)
    sized = bool(fields.words("ElementSpacing"))
    values, surplus = stored.read(go_on)
    data = one_image(path, values, [0] if channels else [], (), wanted.foreground)
    remark = remark_on(path, (*fields.doubts, *doubts, _scale_ignored(fields), surplus))
    shape, _ = check_content(path, data.shape, data.dtype)
    return Image(
        path,
        np.asfortranarray(data).reshape(shape, order="F"),
        affine,
        placed=placed,
        remark=remark,
        channels_last=channels > 0 and len(shape) == 4,
        unit=UNITS[_unit(fields)[0]],
        assumed="; ".join(filter(None, doubts if sized else doubts[1:])),
        sized=sized,
    )


def _scale_ignored(fields: Fields) -> str:
    """Say that a scale of the header is ignored."""
    return ignored_scale({name: fields.words(name) for name in NO_SCALE}, NO_SCALE)


def _fields(path: Path) -> Fields:
    """Read the fields up to the one that names the data; of two of one name the last counts, as for ITK, and that is said."""
    lines, end = text_header(path, lambda line: _field(line)[0] == "ElementDataFile")
    fields = Fields(path)
    for line in lines:
        name, value = _field(line)
        if name and fields.setdefault(name, value) != value:
            fields.doubts.append(
                f"its header gives {shown(name)[:40]} twice, {shown(fields[name])[:40]!r} and {shown(value)[:40]!r}: the last is taken"
            )
            fields[name] = value
    _check_same(fields)
    if "ElementDataFile" not in fields:
        raise ImageError(f"{shown(path)}: its header lacks ElementDataFile; is it a complete MetaImage?")
    if not fields["ElementDataFile"]:
        raise ImageError(
            f"{shown(path)}: its ElementDataFile is empty: name the file that holds the voxels there, or LOCAL if they follow"
        )
    fields.end = end
    if fields["ElementDataFile"].split()[:1] == ["LIST"]:
        fields.files = _listed(path, end)
    else:
        _check_end(fields)
    return fields


def _check_end(fields: Fields) -> None:
    """Refuse fields behind the last one where voxels should begin, or which would count; say of others that they are not read."""
    path = fields.path
    behind = dict(fields_behind(path, fields.end, LINE))
    if not behind:
        return
    name = next(iter(behind))
    if _is_local(fields) and fields.words("HeaderSize") != ["-1"]:
        raise ImageError(
            f"{shown(path)}: {name} = {shown(behind[name])[:40]} follows ElementDataFile, where its voxels must begin: move that line up, "
            "as ElementDataFile is the last one of a header"
        )
    counts = next((one for one in behind if one in USED and fields.get(one) != behind[one]), None)
    if counts is not None:
        raise ImageError(
            f"{shown(path)}: {counts} = {shown(behind[counts])[:40]} follows ElementDataFile, behind which nothing is read: move that line "
            "up"
        )
    fields.doubts.append(f"what follows ElementDataFile in its header is not read ({', '.join(behind)})")


def _check_same(fields: Fields) -> None:
    """Refuse two names of one field that say different things."""
    for names in (
        SAME["Offset"],
        SAME["TransformMatrix"],
    ):  # an element's size may be another than the spacing
        given = [name for name in names if name in fields]
        if len({tuple(floats(fields.path, name, fields[name].split())) for name in given}) > 1:
            told = " and ".join(f"{name} = {shown(fields[name])[:40]}" for name in given)
            raise ImageError(
                f"{shown(fields.path)}: its header gives {told}, which are names of one field: leave the wrong one out"
            )


def _field(line: str) -> tuple[str, str]:
    match = re.match(r"\s*(\w+)\s*[=:]\s*(.*)", line)
    return (match[1], match[2].strip()) if match else ("", "")


def _listed(path: Path, end: int) -> list[str]:
    with path.open("rb") as file:
        file.seek(end)
        return file.read(1 << 20).decode("utf-8", "replace").split()


def _stored(fields: Fields) -> Stored:
    """Return where and how the values are kept; refuse what no image of numbers has."""
    path = fields.path
    sizes = sizes_of(path, fields.needed, ("NDims", "DimSize"), MOST_AXES)
    word = fields.needed("ElementType")[0]
    if word not in TYPES:
        raise ImageError(
            f"{shown(path)}: it holds elements of type {shown(word)}; convert it to integers or floats"
        )
    (channels,) = integers(
        path, "ElementNumberOfChannels", fields.words("ElementNumberOfChannels") or ["1"], 1
    )
    if not 1 <= channels <= MOST_CHANNELS:
        raise ImageError(f"{shown(path)}: its ElementNumberOfChannels is {channels}")
    dtype = np.dtype(TYPES[word]).newbyteorder(">" if fields.says("ElementByteOrderMSB") else "<")
    encoding = "zlib" if fields.says("CompressedData") else "raw"
    if fields.words("BinaryData") and not fields.says("BinaryData"):
        encoding, dtype = "text", dtype.newbyteorder("=")
    (skip,) = integers(path, "HeaderSize", fields.words("HeaderSize") or ["0"], 1)
    if skip < -1 or (skip == -1 and encoding != "raw"):
        raise ImageError(f"{shown(path)}: its HeaderSize is {skip}")
    files, start = _data_files(fields, sizes), max(skip, 0)  # which is not packed
    if files == [path]:
        start = fields.end
        _check_header_size(path, skip, start)
    sizes = (channels, *sizes) if channels > 1 else sizes
    return Stored(path, files, sizes, dtype, encoding, min(skip, 0), start=start)


def _check_header_size(path: Path, skip: int, end: int) -> None:
    """Refuse another size of the header than it has, where voxels follow it: other readers take voxels from there."""
    if skip not in (-1, 0, end):
        raise ImageError(
            f"{shown(path)}: its HeaderSize is {skip}, but its voxels follow the header (ElementDataFile is LOCAL), at byte "
            f"{end}: leave HeaderSize out"
        )


def _is_local(fields: Fields) -> bool:
    """Tell whether the voxels follow the header."""
    return fields["ElementDataFile"].split()[:1] in (["LOCAL"], ["Local"], ["local"])


def data_files(path: Path) -> list[Path]:
    """Return the files that hold the voxels: the header's own, or others."""
    return _stored(_fields(path)).files


def _data_files(fields: Fields, sizes: tuple[int, ...]) -> list[Path]:
    """Return the data files: the header's own, another, a list, or a pattern with a range of numbers."""
    path, text = fields.path, fields["ElementDataFile"]
    words = text.split()
    if _is_local(fields):
        return [path]
    if words[:1] == ["LIST"]:
        if len(fields.files) != sizes[-1]:
            raise ImageError(
                f"{shown(path)}: it lists {len(fields.files)} data files for {sizes[-1]} slices: one for each is needed"
            )
        return [beside(path, name) for name in fields.files]
    if words and "%" in words[0] and len(words) == 4:
        first, last, step = integers(path, "ElementDataFile", words[1:], 3)
        return numbered(path, words[0], first, last, step)
    return [beside(path, text)]


def _affine(fields: Fields, axes: int) -> tuple[NDArray[np.float64], bool, list[str]]:
    """Return the affine to RAS+ mm, whether the header says where the image lies, and what is doubtful."""
    path, world = fields.path, min(axes, 3)
    doubts = []
    words = fields.words("ElementSpacing")
    if not words:
        doubts.append("its header gives no voxel size: 1 mm is taken")
    sides = floats(path, "ElementSpacing", words or ["1"] * axes, axes)
    if min(sides) <= 0:
        raise ImageError(
            f"{shown(path)}: its ElementSpacing is {' '.join(words)}: each must be above 0; mend the header"
        )
    turn = np.eye(axes)
    if fields.words("TransformMatrix"):
        turn = np.reshape(
            floats(path, "TransformMatrix", fields.words("TransformMatrix"), axes**2), (axes, axes)
        )
    origin = floats(path, "Offset", fields.words("Offset") or ["0"] * axes, axes)
    affine = np.eye(4)  # a row of the matrix in the file is the direction of an axis
    affine[:world, :world] = turn[:world, :world].T * sides[:world]
    affine[:world, 3] = origin[:world]
    unit, doubt = _unit(fields)
    affine[:world] *= unit
    placed = bool(fields.words("Offset") or fields.words("TransformMatrix"))
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, placed, [*doubts, doubt]


def _unit(fields: Fields) -> tuple[float, str]:
    """Return the mm that the header's unit has."""
    word = " ".join(fields.words("DistanceUnits")).strip('"').lower()
    if not word or word == "?":
        return 1.0, ""
    return (
        (UNITS_MM[word], "")
        if word in UNITS_MM
        else (1.0, f"its DistanceUnits are {shown(word)!r}: taken as mm")
    )
