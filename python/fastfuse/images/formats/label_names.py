"""Names and colours of labels: of nnU-Net, BIDS, FreeSurfer, ITK-SNAP and Slicer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ImageError
from ...inputs.names import cells_of, in_one_line, unquoted
from ..checks import check_regular
from ..dataset_json import fault_of, names_in
from ..paths import shown
from .endings import NRRD_SUFFIXES
from .no_text import why_no_text
from .nrrd import named_segments

FORMATS = (
    "dataset.json (nnU-Net), .tsv (BIDS: index, name, color), FreeSurferColorLUT.txt, label descriptions (ITK-SNAP), or "
    ".seg.nrrd (Slicer)"
)
MOST_BYTES = 1 << 24
COLOUR = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})")
SNAP = re.compile(
    r"(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\S+\s+[01]\s+[01]\s+\"(.*)\""
)  # label, red, green, blue, ..., name
MOST_WORDS = 7  # of a line of FreeSurfer's: label, name, red, green, blue, alpha, tissue


@dataclass(frozen=True)
class LabelNames:
    """What labels are called.

    Attributes
    ----------
    names : dict of int to str
    colours : dict of int to str
        As in "#ff8000"; of those that the file gives one.
    said : tuple of str
        What was left out.
    """

    names: dict[int, str] = field(default_factory=dict)
    colours: dict[int, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()


Entry = tuple[int, str, str]  # label, name, colour or nothing


def read_label_names(path: Path) -> LabelNames:
    """Read names of labels, each with control characters escaped, and colours where there are any.

    Raises
    ------
    ImageError
        Naming the file, if it holds none, or gives one label or name twice.
    """
    check_regular(path)
    if path.stat().st_size > MOST_BYTES and not path.name.lower().endswith(NRRD_SUFFIXES):
        raise ImageError(f"{shown(path)}: it is too long for names of labels; give {FORMATS}")
    entries = [
        (label, in_one_line(name.strip()), colour)
        for label, name, colour in _reader(path)(path)
        if name.strip()
    ]
    if not entries:
        raise ImageError(f"{shown(path)}: it names no labels; give {FORMATS}")
    names = _one_each(path, entries)
    colours = {label: colour for label, _, colour in entries if colour}
    strange = [label for label, colour in colours.items() if not COLOUR.fullmatch(colour)]
    said = [
        f"{shown(path)}: the color {shown(colours[label])!r} of label {label} is none as in #ff8000, and is left out"
        for label in strange
    ]
    return LabelNames(
        names, {label: colour for label, colour in colours.items() if label not in strange}, tuple(said)
    )


def tsv_bytes(labels: Iterable[tuple[int, str]], colours: dict[int, str]) -> bytes:
    """Return a table of labels as BIDS has them: index, name, and color if there are any."""
    file = io.StringIO(newline="")
    writer = csv.writer(
        file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None, escapechar="\\"
    )
    writer.writerow(["index", "name", *(["color"] if colours else [])])
    for label, name in labels:
        plain = " ".join(name.split())
        if unquoted(plain) != plain:
            plain = '"{}"'.format(plain.replace('"', '""'))
        writer.writerow([label, plain, *([colours.get(label, "n/a")] if colours else [])])
    return file.getvalue().encode()


def _reader(path: Path) -> Callable[[Path], Iterable[Entry]]:
    name = path.name.lower()
    if name.endswith(".json"):
        return _of_json
    if name.endswith(".tsv"):
        return _of_tsv
    if name.endswith(NRRD_SUFFIXES):
        return _of_slicer
    if name.endswith((".txt", ".lut", ".ctbl", ".label")):
        return _of_lines
    raise ImageError(f"{shown(path)}: names of labels are read from {FORMATS}")


def _one_each(path: Path, entries: Sequence[Entry]) -> dict[int, str]:
    """Return the names by label; refuse two of one label, or of one name."""
    names: dict[int, str] = {}
    for label, name, _ in entries:
        if names.setdefault(label, name) != name:
            raise ImageError(
                f"{shown(path)}: label {label} is {names[label]!r} and {name!r}: keep one of them"
            )
    labels: dict[str, int] = {}
    for label, name in names.items():
        if labels.setdefault(name, label) != label:
            raise ImageError(
                f"{shown(path)}: {name!r} is label {labels[name]} and label {label}: give each a name of its own"
            )
    return names


def _of_json(path: Path) -> Iterable[Entry]:
    if fault := fault_of(path):
        raise ImageError(f"{fault}: mend it, or give {FORMATS}")
    return [(label, name, "") for label, name in names_in(path).items()]


def _of_tsv(path: Path) -> Iterable[Entry]:
    rows = ([unquoted(cell) for cell in cells_of(line.rstrip("\n"))] for line in io.StringIO(_text(path)))
    head = [title.strip().lower() for title in next(rows, [])]
    if "index" not in head or "name" not in head:
        raise ImageError(
            f"{shown(path)}: its first line must name the columns index and name (and color), with tabs between"
        )
    at = {title: head.index(title) for title in ("index", "name", "color") if title in head}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cells = [*row, *[""] * (len(head) - len(row))]
        colour = cells[at["color"]].strip() if "color" in at else ""
        yield _label(path, cells[at["index"]]), cells[at["name"]], _plain_colour(colour)


def _plain_colour(text: str) -> str:
    """Return a colour of a table as in #ff8000, from #f80 and three numbers up to 255 too; others as they are."""
    found = COLOUR.fullmatch(text.lower())
    if found:
        digits = found[1]
        return f"#{digits}" if len(digits) == len("rrggbb") else "#" + "".join(2 * digit for digit in digits)
    return "" if text.lower() == "n/a" else _hex(text.replace(",", " ").split(), 1) or text


def _of_lines(path: Path) -> Iterable[Entry]:
    """Read what ITK-SNAP writes, a quoted name last, or FreeSurfer, the name second."""
    lines = [line.strip() for line in _text(path).splitlines()]
    if any(SNAP.fullmatch(line) for line in lines):
        return _of_snap(path, lines)
    return _of_freesurfer(path, lines)


def _of_snap(path: Path, lines: Sequence[str]) -> Iterable[Entry]:
    """Read lines of a number, red, green and blue up to 255, alpha, whether it is shown, and a quoted name."""
    for line in lines:
        if not line or line.startswith("#"):
            continue
        found = SNAP.fullmatch(line)
        if not found:
            raise ImageError(
                f"{shown(path)}: the line {shown(line)[:60]!r} is no label, red, green, blue, alpha, 0 or 1, 0 or 1, and name in "
                "quotes, as ITK-SNAP writes the others"
            )
        yield _label(path, found[1]), found[5], _hex(found.groups()[1:4], 1)


def _of_freesurfer(path: Path, lines: Sequence[str]) -> Iterable[Entry]:
    """Read lines of a number, a name, and red, green, blue and alpha up to 255."""
    for line in lines:
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or (len(words) > 2 and len(words) < 5) or len(words) > MOST_WORDS:
            raise ImageError(
                f"{shown(path)}: the line {shown(line)[:60]!r} is no label, name, red, green, blue, alpha"
            )
        yield _label(path, words[0]), words[1], _hex(words[2:5], 1)


def _of_slicer(path: Path) -> Iterable[Entry]:
    found = named_segments(path)
    for one, _ in found:
        if any(other.label == one.label and other.layer != one.layer for other, _ in found):
            raise ImageError(
                f"{shown(path)}: label {one.label} stands for several segments, in layers of their own: save the segments "
                "as one label map"
            )
    return [(one.label, one.name, _hex(colour.split(), 255)) for one, colour in found]


def _hex(words: Sequence[str], scale: float) -> str:
    """Return a colour as text; nothing for what is none."""
    with suppress(ValueError):
        parts = [round(float(word) * scale) for word in words]
        if len(parts) == 3 and all(0 <= part <= 255 for part in parts):
            return "#" + "".join(f"{part:02x}" for part in parts)
    return ""


def _label(path: Path, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ImageError(
            f"{shown(path)}: {shown(text)[:40]!r} stands where a label is expected: an integer"
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{shown(path)}: cannot be read as text ({why_no_text(path, error)})") from error
