"""Tables and figures in a folder: written together, with their hashes, so that only files that are ours are replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ..errors import OutputError
from ..images.outputs import write_all
from ..images.paths import shown
from ..images.sidecar import json_of, sidecar_bytes
from ..inputs.names import enumerated
from .cohort.loading import hash_of

RECORD = "tables.json"  # SHA-256 of the tables and figures that stand beside it, by name
TABLES = (
    "metrics.csv", "calibration.csv", "differences.csv", "table1.md", "table1.csv", "table1.tex",
)  # fmt: skip
FIGURES = ("training", "cases", "reliability", "differences", "experts", "consensus")
NAMES = (*TABLES, *(f"figures/{name}.png" for name in FIGURES))
ELSEWHERE = "move it away, or choose another folder"


def check_tables(folder: Path, remedy: str = ELSEWHERE) -> None:
    """Refuse a folder in which tables would replace files that are not as fastfuse wrote them.

    Raises
    ------
    OutputError
        It names them.
    """
    known = _hashes(folder)
    theirs = [name for name in NAMES if _is_theirs(folder / name, known.get(name, []))]
    if theirs:
        verb = "exists and is" if len(theirs) == 1 else "exist and are"
        pronoun = remedy if len(theirs) == 1 else remedy.replace("move it", "move them")
        named = enumerated([shown(folder / name) for name in theirs])
        raise OutputError(f"{named}: {verb} not as fastfuse wrote tables there; {pronoun}")
    if (folder / RECORD).exists() and not known:
        raise OutputError(f"{shown(folder / RECORD)}: exists and is no record of tables; {remedy}")


def write_tables(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write tables and figures, by name, together with the record of their hashes."""
    before = _hashes(folder)
    now = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    both = {name: [*dict.fromkeys([*before.get(name, [])[-1:], digest])] for name, digest in now.items()}
    record = {**before, **both}  # the old ones, too: a process that is killed leaves some of each
    write_all({folder / RECORD: sidecar_bytes(record), **{folder / name: files[name] for name in files}})


def _is_theirs(path: Path, known: list[str]) -> bool:
    """Tell a file whose hash is not recorded."""
    if not (path.exists() or path.is_symlink()):
        return False
    return not path.is_file() or hash_of(path) not in known


def _hashes(folder: Path) -> dict[str, list[str]]:
    kept = json_of(folder / RECORD)
    named = kept.items() if isinstance(kept, dict) else ()
    return {name: list(map(str, found)) for name, found in named if isinstance(found, list)}
