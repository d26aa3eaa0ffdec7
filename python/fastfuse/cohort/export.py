"""Tables that sites share in the place of images: sums over cases, rounded, with pseudonyms; and their merging.

A table of one case is patient data. A sum over five cases or more, with every cell rounded to the nearest 10, tells less; but two
sums that differ by one case give that case away, and a cell may be of one case alone. No differential privacy is claimed.
"""

from __future__ import annotations

import csv
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import CohortError, FastfuseError
from ..fusion.labels.table import LabelTable, table_of_codes
from ..fusion.masses.table import MassTable
from ..fusion.methods.pool import pooled
from ..fusion.options import Options
from ..fusion.table_file import CASES, LABELS, VOTES, OtherKindError, read_one_of, table_bytes
from ..fusion.vote_table import VoteTable
from ..images.formats.no_text import why_no_text
from ..images.outputs import check_outputs, write_all
from ..images.paths import shown
from ..images.written.cells import of_cell
from ..images.written.hashes import hash_of
from ..inputs.names import counted, enumerated
from .batches import EXPORTED, check_batches, with_export
from .estimate_file import Saved, read_estimate, saved_of
from .place import Place
from .run import load_tables
from .settings import Settings, by_rater
from .standing import check_maker
from .told.tables import csv_of, csvs, rater_rows

FEWEST_CASES = 5
ROUNDED_TO = 10
PSEUDONYMS = "pseudonyms.csv"
SUM, ESTIMATE, RATERS = "merged.npz", "estimate.json", "raters.csv"  # what a merge writes
Table = VoteTable | LabelTable


@dataclass(frozen=True)
class Export:
    """What is to leave the site.

    Attributes
    ----------
    table : VoteTable or LabelTable
        Summed, rounded, of pseudonyms.
    cases : int
        Summed.
    left_out : dict
        Cases that are not in it, and why.
    pseudonyms : dict
        Of each rater.
    lost : float
        Share of the voxels that somebody marks in cells that were rounded to nothing.
    read : dict
        Number of cases that each pseudonym read.
    rare : dict
        Labels, or other votes, that fewer than five cases hold, whose cells are left out; and the number of these cases.
    summed : dict
        Fingerprint of each case's table that is in the sum.
    """

    table: Table
    cases: int
    left_out: dict[str, str]
    pseudonyms: dict[str, str]
    lost: float
    read: dict[str, int]
    rare: dict[str, int]
    summed: dict[str, str]

    def said(self) -> list[str]:
        """Say what the table tells, for whoever decides on it."""
        what = (
            f"a sum over {counted(self.cases, 'case')}, {counted(len(self.pseudonyms), 'rater')} by pseudonym, "
            f"{counted(len(self.table.counts), 'pattern')} of votes, each with its number of voxels to the nearest {ROUNDED_TO}:"
        )
        batches = (
            "whoever holds another sum that differs by one case learns that case: export in batches of at least "
            f"{FEWEST_CASES} new cases"
        )
        lines = [
            what,
            *repr(self.table).splitlines()[1:],
            f"each rater's number of cases: {', '.join(f'{name} {number}' for name, number in self.read.items())}",
            "no name of a rater, case or file, no path, hash, image or place in an image is in it",
            *(
                ["the names of labels are in it: see that none of them is a patient's or a rater's"]
                if isinstance(self.table, LabelTable) and self.table.label_names
                else []
            ),
            f"{_percent(self.lost)} % of the voxels that somebody marks are in cells that were rounded to 0{', or left out' * bool(self.rare)}",
            batches,
        ]
        of = "label" if isinstance(self.table, LabelTable) else "vote"
        lines += [
            f"{of} {name} is left out: only {counted(number, 'case')} of these {'has' if number == 1 else 'have'} it"
            for name, number in self.rare.items()
        ]
        return lines + [f"{case} is left out: {why}" for case, why in sorted(self.left_out.items())]

    def write(self, path: Path, out: Path) -> None:
        """Write the table, and here, beside the cohort's outputs, who is behind a pseudonym."""
        check_outputs([path], [], (".npz",), overwrite=True)
        rows = sorted(self.pseudonyms.items())
        write_all(
            {
                out / PSEUDONYMS: csv_of(("rater", "pseudonym"), rows),
                out / EXPORTED: with_export(out, self.summed),
                path: _bytes_of(self.table, self.read),
            }
        )


def export_of(out: Path, pseudonyms: Path | None = None) -> Export:
    """Return what a cohort's tables tell in sum.

    Raises
    ------
    CohortError
        For fewer than five cases that the same raters read, or that earlier exports would tell from the others.
    """
    place = Place(out)
    saved = read_estimate(place.estimate)
    tables = load_tables(saved.of, saved.settings, place)
    dense = [case for case, table in tables.items() if isinstance(table, MassTable)]
    if dense:
        raise CohortError(
            f"{shown(out)}: {enumerated(dense)}: the votes are probabilities, whose masses no export rounds so that they tell "
            "no voxel: make masks of them by threshold=0.5 (--threshold 0.5), or round them first"
        )
    kept, left_out = _in_groups(tables)
    if len(kept) < FEWEST_CASES:
        few = len(tables) < FEWEST_CASES
        found = counted(len(tables), "case") if few else f"no {FEWEST_CASES} cases that the same raters read"
        raise CohortError(
            f"{shown(out)}: holds {found}, and an export sums at least {FEWEST_CASES}: a table of fewer is patient data"
        )
    summed = {case: hash_of(place.table(case)) for case in sorted(kept)}
    check_batches(out, summed, FEWEST_CASES)
    whole: Any = sum(kept[case] for case in sorted(kept))
    names = _pseudonyms(whole.names, pseudonyms or out / PSEUDONYMS, given=pseudonyms is not None)
    order = sorted(whole.names, key=lambda name: names[name])  # that of the names would tell who is who
    rare = _rare(kept.values())
    told = _without(whole.of_raters(order), [*rare])
    table = _rounded(told, [names[name] for name in order])
    read = Counter(names[name] for one in kept.values() for name in _readers(one))
    return Export(
        table, len(kept), left_out, names, _lost(whole, [*rare]), {name: read[name] for name in table.names},
        {_called(whole, value): number for value, number in rare.items()}, summed,
    )  # fmt: skip


def _percent(share: float) -> str:
    return "100" if share >= 0.995 else f"{100 * share:.2g}"


def _rare(tables: Iterable[Any]) -> dict[float, int]:
    """Return the votes that fewer than five cases hold, and how many do: their cells would be of these alone."""
    given = (one.patterns[one.counts > 0] for one in tables)
    held = Counter(float(vote) for votes in given for vote in np.unique(votes[~np.isnan(votes)]))
    return {vote: number for vote, number in sorted(held.items()) if number < FEWEST_CASES}


def _without(table: Any, votes: Sequence[float]) -> Any:
    """Return a table without the cells in which anybody gives one of these votes."""
    held = ~np.isin(table.patterns, votes).any(axis=1)
    return _of_rows(table, held, table.counts[held], table.names) if votes else table


def _called(table: Any, vote: float) -> str:
    """Return the name of a label, or a vote as a number."""
    names = zip(table.labels, table.label_names, strict=False) if isinstance(table, LabelTable) else ()
    return {float(label): name for label, name in names}.get(vote, f"{vote:.6g}")


def _readers(table: Any) -> tuple[str, ...]:
    """Return the raters who have a vote in a table."""
    votes = ~np.isnan(table.patterns[table.counts > 0])
    return tuple(name for name, reads in zip(table.names, votes.any(axis=0), strict=True) if reads)


def _in_groups(tables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the cases of which five or more have the same raters; who is absent from four is told by the cells else."""
    groups = defaultdict(list)
    for case, table in tables.items():
        groups[_readers(table)].append(case)
    kept, left_out = {}, {}
    for raters, cases in groups.items():
        for case in cases:
            if len(cases) >= FEWEST_CASES:
                kept[case] = tables[case]
            else:
                left_out[case] = (
                    f"only {counted(len(cases), 'case')} of {enumerated(raters) if raters else 'nobody'}"
                )
    return kept, left_out


def _rounded(table: Any, names: Sequence[str]) -> Table:
    counts = ROUNDED_TO * np.rint(table.counts / ROUNDED_TO)
    held = counts > 0
    return _of_rows(table, held, counts[held], names)


def _of_rows(table: Any, held: Any, counts: NDArray[np.float64], names: Sequence[str]) -> Table:
    """Return some rows of a table, with other counts and names; of labels those alone that are in them."""
    if not isinstance(table, LabelTable):
        return VoteTable(table.patterns[held], counts, names)
    from ..fusion.labels.chosen import Labels

    codes = table.codes[held]
    left = np.unique(codes[codes >= 0])
    labels = Labels(
        tuple(table.labels[code] for code in left),
        tuple(table.label_names[code] for code in left) if table.label_names else (),
    )
    return table_of_codes(labels, np.where(codes < 0, codes, np.searchsorted(left, codes)), counts, names)


def _lost(whole: Any, rare: Sequence[float]) -> float:
    """Return the share of the marked voxels whose cells became 0, or hold rare votes."""
    marked = (np.nan_to_num(whole.patterns) > 0).any(axis=1)
    gone = (np.rint(whole.counts / ROUNDED_TO) == 0) | np.isin(whole.patterns, rare).any(axis=1)
    total = float(whole.counts[marked].sum())
    return float(whole.counts[gone & marked].sum()) / total if total else 0.0


def _pseudonyms(names: Iterable[str], path: Path, *, given: bool) -> dict[str, str]:
    """Return a pseudonym of each rater: as before, or a new one that nothing can be told from."""
    known = read_pseudonyms(path) if given or path.is_file() else {}
    for name in names:
        while name not in known:
            new = f"rater-{secrets.token_hex(4)}"
            if new not in known.values():
                known[name] = new
    return {name: known[name] for name in names}


def read_pseudonyms(path: Path) -> dict[str, str]:
    """Return the pseudonym of each rater.

    Raises
    ------
    CohortError
        If the file is none of these, or gives two raters one pseudonym.
    """
    try:
        lines = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
        rows = [[of_cell(cell) for cell in row] for row in lines]
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(
            f"{shown(path)}: cannot be read as a table ({why_no_text(path, error)}): give a .csv with the columns rater and pseudonym"
        ) from None
    if (
        not rows
        or rows[0] != ["rater", "pseudonym"]
        or any(len(row) != 2 or not all(row) for row in rows[1:])
    ):
        raise CohortError(
            f"{shown(path)}: must have the columns rater and pseudonym, with commas between them"
        )
    found = dict(rows[1:])
    if len(found) != len(rows) - 1 or len(set(found.values())) != len(found):
        raise CohortError(f"{shown(path)}: names a rater or a pseudonym twice")
    return found


def merged(paths: Sequence[Path], settings: Settings) -> tuple[Table, Saved, list[str]]:
    """Return the sum of tables that sites exported, the estimate from it, and what is doubtful.

    Raters with one pseudonym are one person.
    """
    if not paths:
        raise CohortError("there is no table: give those that fastfuse cohort export wrote")
    loaded = [_loaded(path) for path in paths]
    if len({type(table) for table in loaded}) > 1:
        raise CohortError("some tables are of masks, and others of label maps: merge one kind")
    _check_once(paths, loaded)
    of_labels = isinstance(loaded[0], LabelTable)
    if settings.knows and not of_labels:
        raise CohortError("knows is given, and the tables are of masks: it is for label maps; leave it out")
    settings = replace(settings, labels="all" if of_labels else None, priors="shared").checked()
    whole: Any = sum(cast("list[Any]", loaded))
    options = replace(settings.options, intervals="none")
    made, remarks = pooled(
        {"all sites": whole}, settings.table_method.name, options, "shared" if not of_labels else "auto",
        asked=settings.asked_labels if of_labels else None,
    )  # fmt: skip
    return whole, saved_of(made, settings, {}, remarks), [*_on_pseudonyms(paths, loaded), *remarks]


def _check_once(paths: Sequence[Path], tables: Sequence[Table]) -> None:
    """Refuse a table that is given twice: its cases would count twice."""
    for at, table in enumerate(tables):
        for before, other in enumerate(tables[:at]):
            if table == other:
                raise CohortError(
                    f"{shown(paths[before])} and {shown(paths[at])} hold the same table: give it once"
                )


def _on_pseudonyms(paths: Sequence[Path], tables: Sequence[Table]) -> list[str]:
    """Say which tables share no rater with any other."""
    alone = [
        shown(path)
        for at, (path, table) in enumerate(zip(paths, tables, strict=True))
        if len(tables) > 1
        and not any(set(table.names) & set(other.names) for place, other in enumerate(tables) if place != at)
    ]
    if not alone:
        return []
    shares, them = ("shares", "its raters") if len(alone) == 1 else ("share", "their raters")
    found = f"{enumerated(alone)} {shares} no pseudonym with another table: {them} count as other people"
    return [f"{found}; for one person take one pseudonym by pseudonyms (--pseudonyms)"]


def cases_read(paths: Sequence[Path]) -> dict[str, int | None]:
    """Return how many cases each rater read in the tables of sites; None where one of them does not say it.

    Raises
    ------
    FastfuseError
        If a file cannot be read, or its numbers are none.
    """
    read: dict[str, int | None] = {}
    for path in paths:
        kept = read_one_of(path, VOTES, LABELS)[1]
        names, cases = kept["names"].tolist(), kept.get(CASES)
        if cases is None:
            read |= dict.fromkeys(names)
            continue
        if cases.shape != (len(names),) or cases.dtype.kind not in "ui" or (cases < 0).any():
            raise FastfuseError(
                f"{shown(path)}: is damaged (its cases are not a number for each of {counted(len(names), 'rater')}): export it again"
            )
        for name, number in zip(names, cases.tolist(), strict=True):
            before = read.get(name, 0)
            read[name] = None if before is None else before + number
    return read


def _bytes_of(table: Table, read: Mapping[str, int | None]) -> bytes:
    """Return the file of a sum over cases, with how many of them each rater read, if that is known."""
    kind, arrays = table.as_arrays()
    numbers = [read[name] for name in table.names]
    known = {} if None in numbers else {CASES: np.array(numbers, dtype=np.int64)}
    return table_bytes(kind, **arrays, **known)


def check_merged(out: Path, tables: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse a folder for a merge in which something would be lost; ``tables``: what is merged.

    Raises
    ------
    OutputError
        Naming the file, or the folder.
    """
    check_maker(out, "merge")
    if out.is_dir():
        for name in (SUM, ESTIMATE, RATERS):
            check_outputs([out / name], [*tables], (Path(name).suffix,), overwrite=overwrite)


def write_merged(
    out: Path, table: Table, saved: Saved, read: Mapping[str, int | None], *, overwrite: bool = False
) -> list[Path]:
    """Write the sum, the estimate, and the table of raters; ``read``: of how many cases each one's votes are."""
    check_merged(out, (), overwrite=overwrite)
    rows = rater_rows(saved.estimate, read, {"": table})  # type: ignore[dict-item, arg-type, unused-ignore]
    files = {out / SUM: _bytes_of(table, read), out / ESTIMATE: saved.as_bytes()}
    files |= {out / RATERS: csvs(rows, {}, {}, {}, {})[RATERS]}
    write_all(files)
    return list(files)


def _loaded(path: Path) -> Table:
    try:
        return VoteTable.load(path)
    except OtherKindError as error:
        if error.kind is not LABELS:
            raise
        return LabelTable.load(path)


def options_of_merge(**given: Any) -> Settings:
    """Return the settings of a merge: a method and its options, what raters know, and nothing of reading."""
    method, knows = given.pop("method", None), by_rater(given.pop("knows", None))
    return Settings(method=method, knows=knows, options=Options(**given))
