"""Reads NRRD files (.nrrd, .nhdr), whose header is text; with the segments that 3-D Slicer names in a .seg.nrrd."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from .segments import Segment, absent, filled_axes, one_image
from .slicer import KEYS, consensus_taken, segments_of, with_colours

MOST_AXES = 16

TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
ENCODINGS = {
    "raw": "raw",
    "txt": "text",
    "text": "text",
    "ascii": "text",
    "hex": "hex",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}
SAME = {
    "datafile": "data file",
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "centerings": "centers",
    "numbers": "number",
    "oldmin": "old min",
    "oldmax": "old max",
}
# What turns each world into right, anterior, superior.
TO_RAS = {
    "right-anterior-superior": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
}
SHORT = {"ras": "right-anterior-superior", "las": "left-anterior-superior", "lps": "left-posterior-superior"}
NO_SIZE = "its header gives no voxel size: 1 mm is taken"
LPS = "left-posterior-superior"  # as ITK takes a space that is not named
SPATIAL = ("domain", "space", "")  # kinds of an axis along which voxels lie
NO_KIND = ("none", "???")

# Fields that say what the voxels are, and where.
USED = (
    "space",
    "space directions",
    "space origin",
    "space units",
    "spacings",
    "sizes",
    "type",
    "kinds",
    "encoding",
)
LINE = re.compile(rb"([A-Za-z][\w ./-]*?):=?[ \t]?([ -~\t]*)(?:\r?\n|\Z)")


@dataclass
class Header:
    """The fields of a NRRD header, and its key/value pairs."""

    path: Path
    fields: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    end: int = -1
    files: list[str] = field(default_factory=list)

    def words(self, name: str) -> list[str]:
        """Return what stands in a field, word by word."""
        return self.fields.get(name, "").split()

    def needed(self, name: str) -> list[str]:
        """Return the words of a field that must be there."""
        words = self.words(name)
        if not words:
            raise ImageError(f"{shown(self.path)}: its header lacks the field {name!r}")
        return words


def read_nrrd(path: Path, go_on: Callable[[], None], wanted: Wanted) -> Image:
    """Read one image, or one of several layers, of a NRRD file."""
    header = _header(path)
    stored, across = _stored(header), _across(header)
    _check_axes(header, stored, across)
    segments, guessed = segments_of(path, header.pairs, layered=bool(across))
    foreground, own = consensus_taken(header.pairs, segments, wanted.foreground)
    affine, placed, doubts = _affine(header, across)
    sized = NO_SIZE not in doubts
    values, doubt = stored.read(go_on)
    data = one_image(path, values, across, segments, foreground)
    lacks = own or absent(path, values, across, segments, foreground.segments)
    shape, _ = check_content(path, data.shape, data.dtype)
    return Image(
        path,
        np.asfortranarray(data).reshape(shape, order="F"),
        affine,
        placed=placed,
        remark=remark_on(path, (*doubts, _scale_ignored(header, stored), guessed, doubt, lacks)),
        segments=() if own else tuple(segments),
        is_channel=bool(foreground.segments and segments),
        channels_last=len(shape) == 4,
        fills=filled_axes(values, across) if segments else None,
        unit="" if _directions(header) is None else UNITS[_unit(header)[0]],
        assumed="; ".join(filter(None, doubts)) if sized else "",
        sized=sized,
    )


def _scale_ignored(header: Header, stored: Stored) -> str:
    """Say that the range that the numbers had before they were stored is ignored."""
    whole = stored.dtype.kind in "iu"
    low, high = (np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max) if whole else (np.nan, np.nan)
    neutral = {"old min": float(low), "old max": float(high)}
    return ignored_scale({name: header.words(name) for name in neutral}, neutral)


def _header(path: Path) -> Header:
    """Read the fields; refuse two of one name that differ, as ITK does."""
    lines, end = text_header(path, lambda line: not line.strip())
    if not lines or not re.fullmatch(r"NRRD000\d", lines[0]):
        raise ImageError(f"{shown(path)}: it does not begin as a NRRD file does; is it one?")
    header, listing = Header(path, end=end), False
    for line in lines[1:]:
        if listing and line.strip():
            header.files.append(line.strip())
        elif line.startswith("#"):
            continue
        elif ":=" in line and (": " not in line or line.index(":=") < line.index(": ")):
            key, _, value = line.partition(":=")
            if key.startswith(KEYS):
                _keep(header, header.pairs, key.strip(), value.strip())
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            name = SAME.get(name, name)
            _keep(header, header.fields, name, value.strip())
            listing = name == "data file" and value.split()[:1] == ["LIST"]
    _check_end(header)
    return header


def _check_end(header: Header) -> None:
    """Refuse fields behind the empty line that ends a header: they would be read as voxels, or not at all."""
    behind = fields_behind(header.path, header.end, LINE) if header.end >= 0 else []
    known = {*header.fields, *USED}
    wrong = [
        (name, value)
        for name, value in behind
        if not header.words("data file")
        or (name.lower() in known and header.fields.get(name.lower()) != value)
    ]
    if wrong and header.fields.get("byte skip") != "-1":
        name, value = wrong[0]
        where = "behind which nothing is read" if header.words("data file") else "where its voxels must begin"
        raise ImageError(
            f"{shown(header.path)}: {shown(name)[:40]}: {shown(value)[:40]} follows the empty line that ends its header, {where}: move that "
            "line up"
        )


def _keep(header: Header, held: dict[str, str], name: str, value: str) -> None:
    """Keep what a field says; refuse it if another one says something else."""
    other = held.setdefault(name, value)
    if other != value:
        told = f"{shown(other)[:40]!r} and {shown(value)[:40]!r}"
        raise ImageError(
            f"{shown(header.path)}: its header gives {shown(name)[:40]} twice, {told}: leave the wrong one out"
        )


def _stored(header: Header) -> Stored:
    """Return where and how the values are kept; refuse what no image of numbers has."""
    path = header.path
    sizes = sizes_of(path, header.needed, ("dimension", "sizes"), MOST_AXES)
    word = " ".join(header.needed("type")).lower()
    kinds = [kind for kind, words in TYPES.items() if word in words]
    if not kinds:
        raise ImageError(
            f"{shown(path)}: it holds elements of type {shown(word)}; convert it to integers or floats"
        )
    encoding = ENCODINGS.get(" ".join(header.needed("encoding")).lower())
    if encoding is None:
        raise ImageError(
            f"{shown(path)}: its encoding is {shown(header.fields['encoding'])}; raw, text, hex, gzip and bzip2 are read"
        )
    dtype = np.dtype(kinds[0])
    if dtype.itemsize > 1 and encoding != "text":
        dtype = dtype.newbyteorder(_endian(header))
    skip = _count(header, "byte skip", least=-1)
    if skip < 0 and encoding != "raw":
        raise ImageError(
            f"{shown(path)}: its byte skip is -1, which is for raw data, and its encoding is {encoding}; mend the header"
        )
    lines = _count(header, "line skip", least=0)
    if not header.words("data file"):
        if header.end < 0:
            raise ImageError(f"{shown(path)}: its header ends, but no voxels follow; the file is truncated")
        return Stored(path, [path], sizes, dtype, encoding, skip, lines, start=header.end)
    return Stored(path, _data_files(header), sizes, dtype, encoding, skip, lines)


def _endian(header: Header) -> Any:
    word = " ".join(header.needed("endian")).lower()
    if word not in ("little", "big"):
        raise ImageError(f"{shown(header.path)}: its endian is {shown(word)!r}, neither little nor big")
    return "<" if word == "little" else ">"


def _count(header: Header, name: str, least: int) -> int:
    words = header.words(name) or ["0"]
    (count,) = integers(header.path, name, words, 1)
    if count < least:
        raise ImageError(f"{shown(header.path)}: its {name} is {count}")
    return count


def data_files(path: Path) -> list[Path]:
    """Return the files that hold the voxels: the header's own, or others."""
    return _data_files(header) if "data file" in (header := _header(path)).fields else [path]


def _data_files(header: Header) -> list[Path]:
    """Return the data files: one, a list, or a pattern with a range of numbers."""
    path, text = header.path, header.fields["data file"]
    words = text.split()
    if words[0] == "LIST":
        if not header.files:
            raise ImageError(f"{shown(path)}: its list of data files is empty")
        return [beside(path, name) for name in header.files]
    if "%" in words[0] and len(words) >= 4:
        first, last, step = integers(path, "data file", words[1:4], 3)
        return numbered(path, words[0], first, last, step)
    return [beside(path, text)]


def _across(header: Header) -> list[int]:
    """Return the axes along which no voxels lie, such as layers."""
    axes = len(header.words("sizes"))
    kinds = [kind.lower() for kind in header.words("kinds")] or [""] * axes
    vectors = _directions(header) or [[0.0]] * axes
    if len(kinds) != axes or len(vectors) != axes:
        raise ImageError(
            f"{shown(header.path)}: kinds or space directions are not as many as its {axes} axes"
        )
    _check_directions(header, kinds, vectors)
    return [
        axis
        for axis, (kind, vector) in enumerate(zip(kinds, vectors, strict=True))
        if vector is None or kind not in (*SPATIAL, *NO_KIND)
    ]


def _check_directions(
    header: Header, kinds: Sequence[str], vectors: Sequence[Sequence[float] | None]
) -> None:
    """Refuse an axis in space without a vector: one of that kind, and one of three or fewer of which nothing is said."""
    of_space = SPATIAL if len(kinds) > 3 else (*SPATIAL, *NO_KIND)
    lacking = [
        axis
        for axis, (kind, vector) in enumerate(zip(kinds, vectors, strict=True))
        if vector is None and (kind in of_space if kind else len(kinds) <= 3)
    ]
    if lacking or all(vector is None for vector in vectors):
        where = f"axis {lacking[0]}" if lacking else "any axis"
        raise ImageError(
            f"{shown(header.path)}: its space directions are {shown(header.fields['space directions'])[:80]}, which gives {where} no "
            "vector: give one for each axis along which voxels lie, such as (1,0,0), or leave out that field and give spacings"
        )


def _check_axes(header: Header, stored: Stored, across: list[int]) -> None:
    """Refuse axes that make no 3-D image, or no layers of them."""
    spatial = [size for axis, size in enumerate(stored.sizes) if axis not in across]
    check_content(header.path, spatial, stored.dtype)
    if len(across) > 1:
        raise ImageError(
            f"{shown(header.path)}: it has sizes {' '.join(map(str, stored.sizes))} and {len(across)} axes that are no space: "
            "split it first"
        )


def _directions(header: Header) -> list[list[float] | None] | None:
    """Return each axis's vector, None for an axis that has none; None if the header has no such field."""
    text = header.fields.get("space directions")
    if text is None:
        return None
    found: list[list[float] | None] = []
    for word in re.findall(r"\([^)]*\)|\S+", text):
        if word.lower() == "none" or {part.lower() for part in _vector(word)} == {"nan"}:
            found.append(None)
        else:
            found.append(floats(header.path, "space directions", _vector(word)))
    return found


def _vector(word: str) -> list[str]:
    return [part.strip() for part in word.strip("()").split(",")]


def _affine(header: Header, across: list[int]) -> tuple[NDArray[np.float64], bool, tuple[str, ...]]:
    """Return the affine to RAS+ mm, whether the header says where the image lies, and what is doubtful."""
    vectors = _directions(header)
    if vectors is None:
        return _affine_of_spacings(header, across)
    path = header.path
    along = [vector for axis, vector in enumerate(vectors) if vector is not None and axis not in across][:3]
    world = len(along[0]) if along else 0
    if not 2 <= world <= 4 or any(len(vector) != world or any(vector[3:]) for vector in along):
        raise ImageError(f"{shown(path)}: its space directions are not vectors of two or three numbers each")
    origin = [0.0] * world
    if "space origin" in header.fields:
        origin = floats(path, "space origin", _vector(header.fields["space origin"]), world)
    affine = np.eye(4)
    affine[: min(world, 3), : len(along)] = np.array(along, dtype=np.float64).T[:3]
    affine[: min(world, 3), 3] = origin[:3]
    if len(along) == 2 and world == 3:
        normal = np.cross(along[0], along[1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    signs, doubts = _world(header)
    unit, doubt = _unit(header)
    affine[:3] *= unit * np.array([*signs])[:, None]
    if len(along) == 2:
        affine[:3, 2] /= unit
    return affine, True, (doubts, doubt)


def _world(header: Header) -> tuple[tuple[int, int, int], str]:
    """Return the signs that turn the header's world to RAS, and a doubt where the space is not known: LPS is taken."""
    name = header.fields.get("space", "").strip().strip('"').lower().removesuffix("-time")
    name = SHORT.get(name, name)
    if name in TO_RAS:
        return TO_RAS[name], ""
    told = f"its space is {shown(name)!r}" if name else "its header names no space"
    return TO_RAS[LPS], f"{told}: taken as {LPS}"


def _unit(header: Header) -> tuple[float, str]:
    """Return the mm that the header's unit has."""
    words = {word.strip('"').lower() for word in header.words("space units")} - {"", "none", "???"}
    if not words:
        return 1.0, ""
    if len(words) == 1 and (word := words.pop()) in UNITS_MM:
        return UNITS_MM[word], ""
    return 1.0, f"its space units are {shown(header.fields['space units'])}: taken as mm"


def _affine_of_spacings(
    header: Header, across: list[int]
) -> tuple[NDArray[np.float64], bool, tuple[str, ...]]:
    """Return the affine of a header that has sizes of voxels at most."""
    path, words = header.path, header.words("spacings")
    words = [word for axis, word in enumerate(words) if axis not in across][:3]
    signs, doubt = _world(header)
    doubt = doubt if header.words("space") else ""  # of a header that says no place
    if not words or all(word.lower() == "nan" for word in words):
        sides = [1.0, 1.0, 1.0]
        doubt = NO_SIZE
    else:
        sides = [*floats(path, "spacings", words), 1.0][:3]
        if min(sides) <= 0:
            raise ImageError(
                f"{shown(path)}: its spacings are {' '.join(words)}: each must be above 0; mend the header"
            )
    affine = np.diag([*(sign * side for sign, side in zip(signs, sides, strict=True)), 1.0])
    return affine, False, (doubt,)


def named_segments(path: Path) -> list[tuple[Segment, str]]:
    """Return the segments that a header names, each with its colour as Slicer writes it: three numbers up to 1."""
    header = _header(path)
    found, _ = segments_of(path, header.pairs, layered=len(header.words("sizes")) > 3)
    return with_colours(header.pairs, found)
