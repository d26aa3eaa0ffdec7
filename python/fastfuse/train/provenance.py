"""run.json: options, versions and file hashes of a run; a resumed run must match them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import OutputError, reason_of
from ..images.outputs import Outputs, make_folder
from ..images.paths import recorded, shown
from ..images.sidecar import sidecar_bytes
from .cohort.loading import hash_of
from .cohort.msseg import Case
from .options import ExperimentOptions, differences, options_from

HELD = (
    "consensus", "models", "predictions", "metrics.csv", "table1.md", "table1.csv", "table1.tex", "figures",
)  # fmt: skip # what a run replaces in its folder
PACKAGES = ("fastfuse", "numpy", "scipy", "nibabel", "torch", "matplotlib")


def files_of(case: Case) -> dict[str, Path]:
    """Return the files of a case that the experiment reads, by role: modality, expert number or brain."""
    masks = {f"expert {number}": path for number, path in enumerate(case.masks, start=1)}
    return {**case.images, **masks, **({} if case.brain is None else {"brain": case.brain})}


def hashes_of(cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of every file, by case and role."""
    return {case.name: {what: hash_of(path) for what, path in files_of(case).items()} for case in cases}


def key_of(hashes: Mapping[str, str]) -> str:
    """Return one hash of a case's files."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def open_run(
    folder: Path,
    cohort: Path,
    options: ExperimentOptions,
    hashes: Mapping[str, Mapping[str, str]],
    place: Mapping[str, Any],
    *,
    resume: bool,
) -> None:
    """Write run.json in a new folder; in the folder of a run, check that it is the same run.

    Raises
    ------
    OutputError
        If there is a run and ``resume`` is not set, or its options, files or version differ.
    """
    path = folder / "run.json"
    if path.exists():
        if not resume:
            raise OutputError(
                f"{shown(path)}: a run is there; pass --resume to go on, or choose another folder"
            )
        _check_same(path, options, hashes)
        return
    if held := [name for name in HELD if (folder / name).exists()]:
        raise OutputError(
            f"{shown(folder)}: holds {', '.join(held)}, as a run writes them, but no run.json; choose another folder"
        )
    make_folder(folder)
    record = {
        "options": asdict(options),
        "cohort": recorded(cohort),
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        **place,
        "files": hashes,
    }
    with Outputs(overwrite=False) as outputs:  # another process may have begun a run meanwhile
        outputs.add(path, sidecar_bytes(record))
        outputs.commit()


def _check_same(path: Path, options: ExperimentOptions, hashes: Mapping[str, Mapping[str, str]]) -> None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        before, files = options_from(record["options"]), dict(record["files"])
        versions = dict(record["versions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{shown(path)}: cannot be read ({reason_of(error)}); choose another folder"
        ) from error
    if changed := differences(before, options):
        raise OutputError(
            f"{shown(path)}: the run began with other options ({', '.join(changed)}); "
            "give the same ones, or choose another folder"
        )
    if versions.get("fastfuse") != (now := version("fastfuse")):
        raise OutputError(
            f"{shown(path)}: the run began with fastfuse {versions.get('fastfuse')}, this is {now}; "
            "choose another folder"
        )
    if files != hashes:
        names = sorted(name for name in {*files, *hashes} if files.get(name) != hashes.get(name))
        raise OutputError(
            f"{shown(path)}: files of {', '.join(names)} have changed since the run began; choose another folder"
        )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
