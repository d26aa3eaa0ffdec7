"""The cases of a cohort, and who read each: by the layout of MSSEG or BIDS, a pattern of paths, or a table."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CohortError
from ..images.formats.no_text import why_no_text
from ..images.paths import as_path, needed_path, shown
from ..inputs.names import cells_of, composed, counted, enumerated, quoted, unquoted
from .bids import BidsFile, bids_files
from .msseg import find_cases, has_names_of_msseg, rater_number

FIELDS = re.compile(r"\{(\w*)\}")
COLUMNS = ("case", "rater", "path")
BESIDE = ("mask", "image")
FORMS = ("case", "rater")
IMAGE = re.compile(
    r"(\.nii(\.gz|\.bz2)?|(\.seg)?\.nrrd|\.nhdr|\.mh[ad]|\.mgz|\.dcm|\.np[yz]|\.png|\.tiff?)$", re.IGNORECASE
)
LONGEST = 150  # bytes of a case's name, which names a folder
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names that Windows keeps for itself


@dataclass(frozen=True)
class CohortCase:
    """The files of one case.

    Attributes
    ----------
    name : str
        Unique in the cohort; the name of a folder of the outputs.
    raters : tuple of str
        Who read it, sorted.
    paths : tuple of Path
        The file of each.
    mask, image : Path or None
        The region to fuse, and the image that masks grow on.
    """

    name: str
    raters: tuple[str, ...]
    paths: tuple[Path, ...]
    mask: Path | None = None
    image: Path | None = None


def find_cohort(
    cohort: Path, *, glob: str | None = None, table: Path | None = None, split: str = "Training"
) -> list[CohortCase]:
    """Return the cases, sorted by name.

    Parameters
    ----------
    cohort : path
        Laid out as MSSEG-2016, or as BIDS has derivatives; anything with ``glob`` or ``table``.
    glob : str, optional
        Paths below the folder with {case} and {rater} in the place of their names, as "{case}/masks/{rater}.nii.gz".
    table : path, optional
        A TSV with the columns case, rater, path, and perhaps mask and image; paths are seen from the cohort's folder.
    split : {"Training", "Testing", "all"}
        Of MSSEG's layout.

    Raises
    ------
    CohortError
        If there is no case, or a table or pattern cannot be used; it names the line, or the files.
    """
    root = needed_path(cohort, "cohort")
    if glob is not None and table is not None:
        raise CohortError(
            "a pattern and a table are given (--glob, --table): both say which the cases are; leave one out"
        )
    if not root.is_dir():
        raise CohortError(f"{shown(root)}: no such folder; give the one that holds the cohort")
    if table is not None:
        found = _of_table(root, needed_path(table, "table"))
    elif glob is not None:
        found = _of_pattern(root, glob)
    else:
        found = _of_bids(root) or _of_msseg(root, split)
    for case in found:
        _check_name(case.name)
    return sorted(found, key=lambda case: case.name)


def _of_msseg(root: Path, split: str) -> list[CohortCase]:
    if not has_names_of_msseg(root):
        raise CohortError(f"{shown(root)}: no case found; {_remedy(root)}")
    return [
        _case(
            case.name,
            {f"rater {rater_number(path)}": path for path in case.masks},
            case.brain,
            case.images.get("FLAIR"),
        )
        for case in find_cases(root, split)
    ]


def _remedy(root: Path) -> str:
    """Return what to do about files that are called as in no layout, by the name of one of them."""
    names = (path.relative_to(root).as_posix() for path in files_below(root))
    name, met = next(((name, met) for name in names if (met := IMAGE.search(name))), ("", None))
    if met is None:
        return "it holds no image; give the folder that holds the cases"
    table = "list the files in a table (table=FILE, --table FILE)"
    stem, ending = name[: met.start()], met[0]
    parts = re.fullmatch(r"([^/]+)(/(?:.*/)?)[^/]+", stem) or re.fullmatch(r"([^/]+)([_-])[^/_-]+", stem)
    if parts is None:
        return f"if {shown(name)} and the like are one case's raters, fuse them by fastfuse fuse; or {table}"
    one, other = (f"'{{{first}}}{parts[2]}{{{last}}}{ending}'" for first, last in (FORMS, FORMS[::-1]))
    return (
        "names are neither as in MSSEG-2016 nor as in BIDS; say by a pattern what in a path is the case, and what the rater "
        f"(glob=PATTERN, --glob PATTERN): of {shown(name)}, {one} if {shown(parts[1])} is the case, {other} if it is the rater; or "
        f"{table}"
    )


def _of_bids(root: Path) -> list[CohortCase]:
    """Return the cases of a folder of BIDS; none where there is none such."""
    raters: dict[str, dict[str, Path]] = defaultdict(dict)
    masks: dict[str, Path] = {}
    spaces: dict[str, set[str]] = defaultdict(set)
    images: dict[str, list[BidsFile]] = defaultdict(list)
    for one in bids_files(root):
        if one.is_image:
            images[one.case].append(one)
            continue
        if one.rater is None:
            masks[one.case] = one.path
            continue
        if one.rater in raters[one.case]:
            twice = f"{shown(raters[one.case][one.rater])} and {shown(one.path)}"
            raise CohortError(
                f"{one.case}: two files of rater {one.rater} ({twice}): say which by a pattern (--glob) or a table (--table)"
            )
        raters[one.case][one.rater] = one.path
        spaces[one.case].add(one.space)
    return [
        _case(case, files, masks.get(case), _only_one(images[case], spaces[case]))
        for case, files in raters.items()
        if files
    ]


def _only_one(images: Sequence[BidsFile], spaces: set[str]) -> Path | None:
    """Return the one image in the space of all raters; None where there are several, or none."""
    there = [image.path for image in images if {image.space} == spaces]
    return there[0] if len(there) == 1 else None


def _of_pattern(root: Path, glob: str) -> list[CohortCase]:
    fields = FIELDS.findall(glob)
    if set(fields) != {"case", "rater"} or Path(glob).is_absolute() or ".." in Path(glob).parts:
        raise CohortError(
            f"the pattern is {quoted(glob)}: write paths below the cohort's folder, with {{case}} and {{rater}} in them, as "
            "{case}/masks/{rater}.nii.gz"
        )
    raters: dict[str, dict[str, Path]] = defaultdict(dict)
    as_regex = regex_of(composed(glob))
    for path in files_below(root):
        met = as_regex.fullmatch(composed(path.relative_to(root).as_posix()))
        if met is None:
            continue
        case, rater = met["case"].replace("/", "_"), met["rater"]
        if rater in raters[case]:
            raise CohortError(
                f"{shown(path)}: is another file of rater {rater} in case {case}: make the pattern tell them apart"
            )
        raters[case][rater] = path
    if not raters:
        raise CohortError(f"{shown(root)}: no file fits the pattern {glob}")
    return [_case(case, files, None, None) for case, files in raters.items()]


def regex_of(glob: str, case: str | None = None) -> re.Pattern[str]:
    """Return what paths must be like: * and the fields stand for any letters but /; a field met again, for the same.

    ``case``: the only one that {case} stands for.
    """
    parts, seen = [], set()
    for piece in re.split(r"(\{\w+\}|\*\*/|\*|\?)", glob):
        if piece == "{case}" and case is not None:
            parts.append(re.escape(case))
        elif piece in ("{case}", "{rater}"):
            name = piece[1:-1]
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)")
            seen.add(name)
        else:
            parts.append({"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece)))
    return re.compile("".join(parts))


def files_below(root: Path) -> Iterator[Path]:
    """Yield the files below a folder, without hidden ones; links are followed."""
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if len(Path(folder).relative_to(root).parts) > 12:  # links may lead in a circle
            below.clear()
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _of_table(root: Path, table: Path) -> list[CohortCase]:
    raters: dict[str, dict[str, Path]] = defaultdict(dict)
    beside: dict[str, dict[str, Path]] = defaultdict(dict)
    lines: dict[tuple[str, str], int] = {}
    for number, row in _rows_of(table):
        where = f"{shown(table)}, line {number}"
        case, rater, file = composed(unquoted(row["case"])), composed(unquoted(row["rater"])), row["path"]
        if not (case and rater and unquoted(file)):
            raise CohortError(f"{where}: case, rater or path is empty")
        path, first = _named(root, file), lines.setdefault((case, rater), number)
        if first != number:
            twice = _same_path(raters[case][rater], path)
            raise CohortError(
                f"{where}: rater {shown(rater)} has this file in case {shown(case)} on line {first} already: leave one of both out"
                if twice
                else f"{where}: rater {shown(rater)} has another file in case {shown(case)} already, on line {first}"
            )
        raters[case][rater] = path
        for what in BESIDE:
            given = _named(root, row[what]) if unquoted(row.get(what, "")) else None
            if given and not _same_path(beside[case].setdefault(what, given), given):
                raise CohortError(f"{where}: case {shown(case)} has another {what} already: give it one")
    if not raters:
        raise CohortError(f"{shown(table)}: holds no case")
    return [
        _case(case, files, beside[case].get("mask"), beside[case].get("image"))
        for case, files in raters.items()
    ]


def _same_path(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)  # noqa: PTH100 - links stay as they are named


def _named(root: Path, cell: str) -> Path:
    """Return the file of a cell: the one that is called so, quotes and all, or the one that a spreadsheet means by it."""
    literal, meant = root / cell, root / unquoted(cell)
    return literal if literal != meant and literal.is_file() else meant


def _rows_of(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a TSV, with their lines' numbers; quoted cells with their quotes."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(
            f"{shown(table)}: cannot be read as a table ({why_no_text(table, error)}): give a .tsv with the columns case, rater and path"
        ) from None
    lines = map(cells_of, text.splitlines())
    head = [unquoted(name).strip() for name in next(lines, [])]
    lacking = [name for name in COLUMNS if name not in head]
    unknown = [name for name in head if name not in (*COLUMNS, *BESIDE)]
    if lacking or unknown or len(set(head)) != len(head):
        raise CohortError(
            f"{shown(table)}: has the columns {enumerated(head) or 'none'}: it must have case, rater and path, with tabs "
            "between them, and may have mask and image"
        )
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(head) or len(cells) < len(COLUMNS):
            raise CohortError(
                f"{shown(table)}, line {number}: has {counted(len(cells), 'cell')} for {counted(len(head), 'column')}"
            )
        yield number, {name: cell.strip() for name, cell in zip(head, cells, strict=False)}


def _case(name: str, files: Mapping[str, Path], mask: Path | None, image: Path | None) -> CohortCase:
    raters = tuple(sorted(files, key=_in_order))
    return CohortCase(name, raters, tuple(files[rater] for rater in raters), as_path(mask, "mask"), image)


def _in_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return what sorts names by the numbers in them."""
    parts = re.split(r"(\d+)", name)
    return [(int(part) if part.isdigit() else -1, part) for part in parts], name


def _check_name(name: str) -> None:
    """Refuse a name that is none of a folder."""
    bad = not name.isprintable() or any(letter in '/\\:*?"<>|' for letter in name) or name != name.strip(". ")
    if bad or not name or len(name.encode()) > LONGEST or RESERVED.fullmatch(name):
        raise CohortError(
            f"the case {quoted(name)} cannot be called so: its name is that of a folder of the outputs; take letters, digits, spaces, "
            f"_ and -, {LONGEST} bytes at most"
        )
