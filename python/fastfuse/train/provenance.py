"""run.json: what a run is made of and by; a run that goes on must be the same, and tells what made it meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..cohort.msseg import Case
from ..errors import OutputError, reason_of
from ..images.outputs import Outputs
from ..images.paths import recorded, shown
from ..images.sidecar import json_of, sidecar_bytes
from ..report.numbers import plural
from .cohort.common_grid import GRID
from .cohort.loading import hash_of
from .cohort.problem import Problem, named
from .files import change_json
from .options import ExperimentOptions, differences, options_from
from .table_files import RECORD, TABLES
from .targets.kept_volumes import Ratios, in_words

HELD = ("consensus", "models", "predictions", *TABLES, "figures", RECORD)  # what a run replaces in its folder
PLACE = {
    "device": "device",
    "device_name": "processor",
    "precision": "precision",
    "threads": "threads a training",
    "jobs": "trainings at once",
    "platform": "platform",
    "python": "Python",
    "code": "code of fastfuse",
}
"""What may change when a run goes on, and is noted; with the versions of other packages."""


VOLUMES = "volumes_on_one_grid"


@dataclass(frozen=True)
class Identity:
    """What a run is made of: a run that goes on must have the same.

    Attributes
    ----------
    options : ExperimentOptions
        All but ``evaluation``, by which predictions can be scored again.
    files : mapping
        SHA-256 of each file, by case and role.
    folds : list of list of str
    model : str or None
        Hash of another network's source.
    processes, batch : int
        Processes that train one network together, and the slices that each draws in a step.
    """

    options: ExperimentOptions
    files: Mapping[str, Mapping[str, str]]
    folds: list[list[str]]
    model: str | None = None
    processes: int = 1
    batch: int = 0
    problems: Sequence[Problem] = field(default=(), compare=False)  #: that --force went on with
    voxels: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)
    """Digests of the images' voxels, by case and modality: what predict knows a case by."""


def files_of(case: Case) -> dict[str, Path]:
    """Return the files of a case that the experiment reads, by role: modality, expert number or brain."""
    masks = {f"expert {number}": path for number, path in zip(case.raters, case.masks, strict=True)}
    return {**case.images, **masks, **({} if case.brain is None else {"brain": case.brain})}


def hashes_of(cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of every file, by case and role."""
    return {case.name: {what: hash_of(path) for what, path in files_of(case).items()} for case in cases}


def key_of(hashes: Mapping[str, str]) -> str:
    """Return one hash of a case's files."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def check_run(folder: Path, identity: Identity, version: str, *, resume: bool) -> bool:
    """Tell whether a run is in the folder; refuse one that is another, or that must not go on.

    Raises
    ------
    OutputError
        If there is a run and ``resume`` is not set, or it is of something else, or the folder holds half a run.
    """
    path = folder / "run.json"
    if path.exists():
        if not resume:
            raise OutputError(
                f"{shown(path)}: a run is there; pass --resume to go on, or choose another folder"
            )
        _check_same(path, identity, version)
        return True
    _check_free(folder, "run.json")
    return False


def check_top(folder: Path) -> None:
    """Refuse a folder for the runs of several seeds in which files of other origin would be replaced.

    Raises
    ------
    OutputError
        It names them.
    """
    if next(folder.glob("seed_*/run.json"), None) is None:
        _check_free(folder, "run of a seed")


def _check_free(folder: Path, lacks: str) -> None:
    if held := [name for name in HELD if (folder / name).exists() or (folder / name).is_symlink()]:
        raise OutputError(
            f"{shown(folder)}: holds {', '.join(held)}, as a run writes them, but no {lacks}; choose another folder"
        )


def begin_run(folder: Path, cohort: Path, identity: Identity, place: Mapping[str, Any]) -> None:
    """Write run.json in a new folder."""
    python = {"python": place["python"]}
    record = {
        "options": asdict(identity.options),
        "cohort": recorded(cohort),
        **{key: value for key, value in place.items() if key != "python"},
        "versions": {**python, **place["versions"]},
        "processes": identity.processes,
        "batch_of_a_process": identity.batch,
        "model": identity.model,
        "problems": [problem._asdict() for problem in identity.problems],
        "folds": identity.folds,
        "files": identity.files,
        "voxels": identity.voxels,
    }
    with Outputs(overwrite=False) as outputs:  # another process may have begun a run meanwhile
        outputs.make_folder(folder)
        outputs.add(folder / "run.json", sidecar_bytes(record))
        outputs.commit()


def resume_run(folder: Path, identity: Identity, place: Mapping[str, Any]) -> None:
    """Note in run.json what has changed without making it another run: the place, and how it is scored."""

    def noted(record: dict[str, Any]) -> dict[str, Any]:
        evaluation = asdict(identity.options.evaluation)
        changed = _changed(record, place)
        before = _entries(record)
        known = [{key: value for key, value in entry.items() if key != "at"} for entry in before]
        if changed and changed not in known:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            before = [*before, {"at": now, **changed}]
        return {
            **record,
            "options": {**record["options"], "evaluation": evaluation},
            **({"resumed": before} if before else {}),
        }

    change_json(folder / "run.json", noted)


def note_volumes(folder: Path, ratios: Ratios) -> None:
    """Note in run.json how the volumes of the raters' masks change on the one grid."""
    change_json(folder / "run.json", lambda record: {**record, VOLUMES: ratios})


def notes_of(folder: Path) -> list[str]:
    """Return what a reader of a run's results should know of how they came about, a sentence each."""
    record = json_of(folder / "run.json")
    if not isinstance(record, dict):
        return []
    notes = []
    if problems := _problems(record):
        count = plural(len(problems), "problem")
        notes.append(f"Begun with --force, despite {count} of the cohort: {named(problems)}.")
    if ratios := _ratios(record):
        notes.append(f"{_capital(in_words(ratios, len(_cases(record))))}.")
    for entry in _entries(record):
        parts = [_in_words(key, value, record) for key, value in entry.items() if key != "at"]
        notes.append(f"A part was made by other means: {'; '.join(parts)}.")
    return notes


def _problems(record: Mapping[str, Any]) -> list[Problem]:
    """Return the problems that a run was begun with, as far as they can be read."""
    kept: Any = record.get("problems")
    texts = (
        [tuple(one.get(key) for key in Problem._fields) for one in kept] if _is_list_of(kept, dict) else []
    )
    return [Problem(*map(str, one)) for one in texts if all(isinstance(part, str) for part in one)]


def _ratios(record: Mapping[str, Any]) -> Ratios:
    """Return how masks change on the one grid, as far as that can be read."""
    kept = record.get(VOLUMES)
    found = kept if isinstance(kept, dict) else {}
    return {
        case: of_experts
        for case, of_experts in found.items()
        if isinstance(of_experts, dict) and of_experts and _is_list_of([*of_experts.values()], (int, float))
    }


def _cases(record: Mapping[str, Any]) -> list[str]:
    return [name for name in record.get("files", {}) if name != GRID]


def _is_list_of(thing: Any, kind: Any) -> bool:
    return isinstance(thing, list) and all(isinstance(one, kind) for one in thing)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in_words(key: str, value: Any, record: Mapping[str, Any]) -> str:
    if key == "code":
        return "other code of fastfuse, of the same version"
    if key == "versions" and isinstance(value, dict):
        before = record.get("versions", {})
        return ", ".join(f"{name} {now} in place of {before.get(name)}" for name, now in value.items())
    before = record["versions"].get("python") if key == "python" else record.get(key)
    return f"{PLACE.get(key, key)} {value} in place of {before}"


def _entries(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what run.json notes of resumed parts."""
    kept = record.get("resumed")
    return [entry for entry in kept if isinstance(entry, dict)] if isinstance(kept, list) else []


def _changed(record: Mapping[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the place is not as when the run began; cards of one kind are the same."""
    versions = dict(record["versions"])
    before = {**record, "python": versions.pop("python", None)}
    changed = {key: place[key] for key in PLACE if _kind(key, before.get(key)) != _kind(key, place[key])}
    other = {name: now for name, now in place["versions"].items() if versions.get(name) != now}
    return {**changed, **({"versions": other} if other else {})}


def _kind(key: str, value: Any) -> Any:
    return str(value).partition(":")[0] if key == "device" else value


def _check_same(path: Path, identity: Identity, version: str) -> None:
    before, versions = _identity_of(path)
    where, other = shown(path), "choose another folder"
    evaluated = replace(before.options, evaluation=identity.options.evaluation)
    if changed := differences(evaluated, identity.options):
        raise OutputError(
            f"{where}: the run began with other options ({', '.join(changed)}); give the same ones, or {other}"
        )
    if (was := versions.get("fastfuse")) != version:
        raise OutputError(f"{where}: the run began with fastfuse {was}, this is {version}; {other}")
    if before.files != identity.files:
        names = {*before.files, *identity.files}
        odd = sorted(name for name in names if before.files.get(name) != identity.files.get(name))
        raise OutputError(f"{where}: files of {', '.join(odd)} have changed since the run began; {other}")
    if before.folds != identity.folds:
        raise OutputError(f"{where}: the run began with other folds; give the same ones, or {other}")
    if before.model != identity.model:
        raise OutputError(
            f"{where}: the source of {identity.options.network.model} has changed since the run began; "
            f"put it back, or {other}"
        )
    for key, what in (("processes", "processes"), ("batch", "slices in the batch of a process")):
        was, now = getattr(before, key), getattr(identity, key)
        if was != now:
            raise OutputError(
                f"{where}: the run began with {was} {what}, now there are {now}; start as many again, or {other}"
            )


def _identity_of(path: Path) -> tuple[Identity, dict[str, Any]]:
    """Return what a run was made of, and the versions of packages."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        identity = Identity(
            options_from(record["options"]),
            dict(record["files"]),
            list(record["folds"]),
            record["model"],
            record["processes"],
            record["batch_of_a_process"],
        )
        return identity, dict(record["versions"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OutputError(
            f"{shown(path)}: cannot be read as the record of a run ({_said(error)}); choose another folder"
        ) from error


def _said(error: BaseException) -> str:
    return f"it has no {error.args[0]}" if isinstance(error, KeyError) else reason_of(error)
