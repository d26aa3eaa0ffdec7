"""The folder of a cohort's outputs: where things lie, what is done already, and who is at work there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import ImageError, OutputError, reason_of
from ..images.folder_lock import locked_at_once
from ..images.outputs import UNCHANGED, made_folder
from ..images.paths import recorded, shown
from ..images.sidecar import json_of, sidecar_bytes
from ..images.written.hashes import hash_of

LOCK = ".fastfuse-cohort.lock"
SHARDS = ".fastfuse-cohort-*-of-*.lock"
CASES, TABLES, INDICES = "cases", "tables", "index"
CONSENSUS, MADE = "consensus.nii.gz", "made.json"


@dataclass(frozen=True)
class Place:
    """The folder of the outputs.

    Attributes
    ----------
    out : Path
    """

    out: Path

    @property
    def estimate(self) -> Path:
        """File of the raters' rates."""
        return self.out / "estimate.json"

    @property
    def facts(self) -> Path:
        """File of what was asked, and what came of each case."""
        return self.out / "cohort.json"

    def table(self, case: str) -> Path:
        """File of a case's vote table."""
        return self.out / TABLES / f"{case}.npz"

    def index(self, case: str) -> Path:
        """File of which pattern each voxel of a case has."""
        return self.out / INDICES / f"{case}.npz"

    def record(self, case: str) -> Path:
        """File of what a case's table was made of."""
        return self.out / TABLES / f"{case}.json"

    def made_cases(self) -> AbstractContextManager[None]:
        """Make the folder of all consensuses, so that a worker who does not see it is found out."""
        return made_folder(self.out / CASES)

    def consensus(self, case: str) -> Path:
        """File of a case's consensus; its sidecar lies beside it."""
        return self.out / CASES / case / CONSENSUS

    def made(self, case: str) -> Path:
        """File of what a case's consensus was made of."""
        return self.out / CASES / case / MADE

    def named(self) -> dict[str, set[str]]:
        """Return the names of the cases that have files in each folder."""
        return {
            CASES: {path.parent.name for path in (self.out / CASES).glob(f"*/{CONSENSUS}")},
            TABLES: {
                path.stem for path in (self.out / TABLES).glob("[!.]*") if path.suffix in (".npz", ".json")
            },
            INDICES: {path.stem for path in (self.out / INDICES).glob("[!.]*.npz")},
        }

    def kept_record(self, case: str, *, with_table: bool) -> Record | None:
        """Return what a case's table was made of; None if there is none, or no table that is to be there."""
        if with_table and not self.table(case).is_file():
            return None
        return Record.at(self.record(case))

    @contextmanager
    def alone(self, shard: tuple[int, int] | None) -> Iterator[None]:
        """Hold the folder; shards hold their part of it, and are many.

        Raises
        ------
        OutputError
            If another run is at work there.
        """
        with made_folder(self.out), ExitStack() as held:
            if shard is None:
                held.enter_context(_held(self.out / LOCK))
                others = list(self.out.glob(SHARDS))
            else:
                held.enter_context(_held(self.out / LOCK.replace(".lock", f"-{shard[0]}-of-{shard[1]}.lock")))
                others = [self.out / LOCK]
            for path in others:
                if path.exists():
                    with _held(path):
                        pass
            with _keeping():
                yield


@contextmanager
def _keeping() -> Iterator[None]:
    """Say, where an output cannot be written, what is true of the run, and not of that output alone."""
    try:
        yield
    except OutputError as error:
        reason = str(error).removesuffix(UNCHANGED)
        if reason == str(error):
            raise
        raise OutputError(f"{reason}; what is done is kept: the same command goes on from there") from error


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which stays, unless nothing else is in the folder."""
    descriptor = locked_at_once(path, "another run writes there; wait for its end, or choose another folder")
    try:
        yield
    finally:
        with suppress(OSError):
            if [*path.parent.iterdir()] == [path]:
                path.unlink()
        os.close(descriptor)


@dataclass(frozen=True)
class Print:
    """A file as it was: its size and time tell whether to read it again, its hash whether it changed."""

    path: str
    size: int
    mtime_ns: int
    sha256: str

    def is_still(self, path: Path) -> bool:
        """Tell whether the file has neither been moved nor written since; its path may be written in another way."""
        try:
            now = path.stat()
        except OSError:
            return False
        there = os.path.abspath(recorded(path)) == os.path.abspath(self.path)  # noqa: PTH100 - links stay as they are named
        return there and (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns)


def print_of(path: Path) -> Print:
    """Read a file, and return what it is."""
    try:
        before = path.stat()
    except FileNotFoundError:
        raise ImageError(f"{shown(path)}: there is no such file") from None
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be read ({reason_of(error)})") from None
    return Print(recorded(path), before.st_size, before.st_mtime_ns, hash_of(path))


@dataclass(frozen=True)
class Output:
    """An output as it was written."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Output:
        """Read an output that was just written."""
        now = print_of(path)
        return cls(now.size, now.sha256)


def changed_outputs(made: Path, kept: object) -> list[str]:
    """Return the outputs in a case's folder that are not as they were written, by what was kept of them.

    One that is older than the file that keeps it, and has its size, is not read. Of folders of earlier versions nothing was kept.
    """
    changed = []
    for name, known in kept.items() if isinstance(kept, dict) else ():
        path = made.with_name(name)
        try:
            now, since = path.stat(), made.stat().st_mtime_ns
            same = now.st_size == known["size"]
            if not same or (now.st_mtime_ns > since and print_of(path).sha256 != known["sha256"]):
                changed.append(name)
        except (OSError, ImageError, TypeError, KeyError):
            changed.append(name)
    return changed


@dataclass(frozen=True)
class Record:
    """What a case's table was made of.

    Attributes
    ----------
    key : str
        Hash of the options and of all files.
    files : dict
        The files, by what they are.
    remarks : tuple of str
        What was doubtful.
    """

    key: str
    files: dict[str, Print]
    remarks: tuple[str, ...] = ()

    def as_bytes(self) -> bytes:
        """Return it as JSON."""
        files = {what: asdict(one) for what, one in self.files.items()}
        return sidecar_bytes({"key": self.key, "files": files, "remarks": list(self.remarks)})

    @classmethod
    def at(cls, path: Path) -> Record | None:
        """Read it; None where there is none, or it is damaged."""
        kept = json_of(path)
        try:
            files = {what: Print(**one) for what, one in kept["files"].items()}
            return cls(str(kept["key"]), files, tuple(kept["remarks"]))
        except (TypeError, KeyError, AttributeError):
            return None

    def is_of(self, files: Mapping[str, Path]) -> bool:
        """Tell whether these are the files, and none has changed as far as size and time tell."""
        same = set(files) == set(self.files)
        return same and all(self.files[what].is_still(path) for what, path in files.items())
