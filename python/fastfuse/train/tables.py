"""The tables and figures of finished runs, also by another cut than theirs: nothing is trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import FastfuseError
from ..images.outputs import made_folder
from ..images.paths import shown
from ..images.sidecar import json_of
from .conclude import tabulate
from .finished import open_runs
from .narrator import Narrator
from .options.checking import flat
from .peers import entries_of_peers
from .results.table import Row
from .run import Run
from .table_files import ELSEWHERE, check_tables

REFERENCES = (
    "consensus.prior",
    "consensus.brain",
    "fix_flips",
)  # options that STAPLE's mask and the experts' depend on


def make_tables(
    folders: Sequence[Path],
    out: Path | None = None,
    *,
    cohort: Path | None = None,
    evaluation: Mapping[str, Any] | None = None,
    peers: Mapping[str, Sequence[Path]] | None = None,
    narrator: Narrator | None = None,
    overwrite: bool = False,
) -> tuple[list[Row], Path]:
    """Make one table of one run or several, and its figures.

    Parameters
    ----------
    folders : sequence of Path
        Of runs, or of several seeds' runs (seed_0, seed_1, … in it).
    out : Path, optional
        Folder of the tables. Without it the folder of the runs, if it is one alone; tables by other options of the
        evaluation than the run's own lie in rescored/cut=0.3 and the like there.
    cohort : Path, optional
        Folder of the cohort, where it is no longer where it was.
    evaluation : mapping, optional
        Options of the evaluation to replace.
    peers : mapping of str to sequence of Path, optional
        Rows of networks that were trained elsewhere on the same folds: by title, a folder of predictions for each seed.
    narrator : Narrator, optional
    overwrite : bool
        Replace files of the tables' names that fastfuse did not write, too.

    Returns
    -------
    rows : list of Row
    out : Path

    Raises
    ------
    FastfuseError
        If a run is not finished, or runs do not compare, or files of other origin would be replaced.
    """
    runs = open_runs(folders, narrator or Narrator(silent=True), cohort=cohort)
    check_comparable(runs)
    own = runs[0].options.evaluation
    changed = {name: value for name, value in (evaluation or {}).items() if value != getattr(own, name)}
    asked = replace(own, **changed)
    replace(runs[0].options, evaluation=asked)  # refuses values out of range
    if out is None and len(folders) > 1:
        raise FastfuseError("several runs: say by --out where their table is to go")
    if out is None:
        out = _place(folders[0], changed)
    if not overwrite:
        check_tables(out, f"{ELSEWHERE}, or pass --overwrite")
    with made_folder(out):
        entries = entries_of_peers(runs, peers or {}, asked)
        return tabulate(runs, out, asked, entries, replaces=overwrite), out


def _place(folder: Path, changed: Mapping[str, Any]) -> Path:
    told = ",".join(f"{name}={value:g}" for name, value in changed.items())
    return folder / "rescored" / told if told else folder


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs of other cases, files, folds or references than the first.

    Raises
    ------
    FastfuseError
        It names both runs and what differs.
    """
    first, *others = runs
    files, options = _files(first), flat(asdict(first.options))
    for run in others:
        pair = f"{shown(first.out)} and {shown(run.out)} do not compare"
        theirs = _files(run)
        if changed := sorted(name for name in {*files, *theirs} if files.get(name) != theirs.get(name)):
            raise FastfuseError(f"{pair}: files of {', '.join(changed)} differ; give runs of one cohort")
        if run.folds != first.folds:
            raise FastfuseError(f"{pair}: their folds differ; give runs of the same folds")
        now = flat(asdict(run.options))
        for name in options:
            if (name in REFERENCES or name.startswith("grid.")) and now[name] != options[name]:
                raise FastfuseError(
                    f"{pair}: {name} is {options[name]!r} and {now[name]!r}, and STAPLE's mask depends on it"
                )


def _files(run: Run) -> dict[str, Any]:
    """Return the hashes of a run's files by case."""
    record = json_of(run.out / "run.json")
    return dict(record["files"])
