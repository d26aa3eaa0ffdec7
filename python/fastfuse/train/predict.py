"""Predictions for new cases by all networks of a finished run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ..cohort.layout import MODALITIES
from ..cohort.msseg import Case, find_case
from ..errors import CohortError, FastfuseError
from ..images.outputs import Outputs
from ..images.paths import recorded, shown
from ..images.reading import read
from ..images.sidecar import json_of, sidecar_bytes, sidecar_path
from ..inputs.checks import check_flag
from ..inputs.grids import Grid
from ..inputs.names import counted
from .cohort.common_grid import check_grid, on_grid
from .cohort.content import digests_in
from .cohort.loading import LoadedCase, hash_of, load_images
from .cohort.voxel_sizes import check_size
from .ensemble import Member, check_sources, members_of, model_source
from .finished import open_runs
from .narrator import Narrator
from .network.workers import make_workers
from .place import model_hash
from .provenance import files_of
from .run import Run
from .targets.prepare import Prepared, check_images, prepare_images
from .targets.slices import common_size


@dataclass(frozen=True)
class Predicted:
    """One prediction that was written.

    Attributes
    ----------
    case, method : str
    path : Path
    networks : int
        Number of networks whose mean it is.
    known_as : str or None
        The case's name in the run, if one of its images was there: the same file, or the same voxels.
    seen_by : int
        Number of these networks that have learnt from the case.
    left_out : list of str
        Networks that failed.
    remarks : list of str
        What else to know of it.
    """

    case: str
    method: str
    path: Path
    networks: int
    known_as: str | None
    seen_by: int
    left_out: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def predict_cases(
    folder: Path,
    cases: Sequence[Path],
    out: Path,
    *,
    methods: Sequence[str] = (),
    device: str = "auto",
    overwrite: bool = False,
    force: bool = False,
    narrator: Narrator | None = None,
) -> list[Predicted]:
    """Predict cases by all networks of a method, folds and seeds alike: the mean of their probabilities.

    Parameters
    ----------
    folder : Path
        Of a finished run, or of the runs of several seeds.
    cases : sequence of Path
        A folder for each case, with its five images; no raters are needed.
    out : Path
        Folder to write METHOD/CASE.nii.gz in, with a .json of the networks beside it.
    methods : sequence of str
        Of the run; all if none is given.
    device : str
    overwrite : bool
        Replace predictions that are there.
    force : bool
        Predict although the source of the run's own network has changed.
    narrator : Narrator, optional

    Returns
    -------
    list of Predicted

    Raises
    ------
    FastfuseError
        If a case lacks an image, or the run a network; if the source of its own network has changed.
    """
    force = check_flag(force, "force")
    place = make_workers(device).device
    narrator = narrator or Narrator(silent=True)
    runs = open_runs([folder], narrator, with_cases=False)
    remarks = check_sources(runs, force=force)
    chosen = _methods(runs[0], methods)
    members = {method: members_of(runs, method) for method in chosen}
    found = _unique([find_case(case) for case in cases])
    paths = [out / method / f"{case.name}.nii.gz" for method in chosen for case in found]
    if held := [path for path in paths if path.exists() and not overwrite]:
        raise FastfuseError(f"{shown(held[0])}: exists already; choose another folder or pass --overwrite")
    known = _known(runs[0])
    learnt = _grid_of(runs[0], narrator)
    written = []
    for case in found:
        narrator.say(f"{case.name}: reading")
        loaded = load_images(case)
        prepared = _prepared(loaded, runs[0], learnt)
        hashes = {what: hash_of(path) for what, path in files_of(case).items()}
        digests = digests_in(loaded.images, loaded.like.affine)
        names = _names(known, [*(hashes[what] for what in MODALITIES), *digests.values()])
        for method, (networks, left_out) in members.items():
            narrator.say(f"{case.name}: {counted(len(networks), 'network')} of {method}")
            path = out / method / f"{case.name}.nii.gz"
            seen = [any(map(one.has_seen, names)) for one in networks]
            name = next(iter(names), None)
            written.append(
                Predicted(case.name, method, path, len(networks), name, sum(seen), left_out, remarks)
            )
            facts = _facts(written[-1], networks, seen, hashes, place)
            _write(prepared, _mean(networks, prepared, place), path, facts, overwrite=overwrite)
    return written


def _methods(run: Run, asked: Sequence[str]) -> list[str]:
    for method in asked:
        if method not in run.options.methods:
            raise FastfuseError(
                f"method is {method!r}: the run has {', '.join(run.options.methods)}; take one of them"
            )
    return list(dict.fromkeys(asked)) or list(run.options.methods)


def _unique(cases: list[Case]) -> list[Case]:
    """Return the cases; refuse two of one name, whose predictions would have one name."""
    for name, count in Counter(case.name for case in cases).items():
        if count > 1:
            raise CohortError(
                f"{count} cases are called {shown(name)}: predict them into folders of their own, one by one"
            )
    return cases


def _known(run: Run) -> dict[str, set[str]]:
    """Return the cases of each image of the run, by the hash of its file and the digest of its voxels."""
    record = json_of(run.out / "run.json")
    known: dict[str, set[str]] = {}
    for kind in ("files", "voxels"):
        for name, images in record.get(kind, {}).items():
            for what, digest in images.items():
                if what in MODALITIES:
                    known.setdefault(digest, set()).add(name)
    return known


def _names(known: Mapping[str, set[str]], digests: Iterable[str]) -> list[str]:
    """Return the names that a case has in the run; there are several where the run itself holds it twice."""
    return sorted({name for one in digests for name in known.get(one, ())})


def _grid_of(run: Run, narrator: Narrator) -> Grid | None:
    """Return the grid of a case that the run's networks have learnt from; refuse another grid of all than the run had."""
    check_grid(run.options.grid, json_of(run.out / "run.json")["files"])
    paths = [run.consensus("staple", name) for names in run.folds for name in names]
    kept = next((path for path in paths if path.exists()), None)
    if kept is None:
        narrator.tell(
            f"warning: {shown(run.consensus_folder)} is gone: voxel sizes are not compared with the run's"
        )
        return None
    return read(kept).grid


def _prepared(loaded: LoadedCase, run: Run, learnt: Grid | None) -> Prepared:
    """Return a case's slices, on the grid of the run, in a size that its networks take."""
    check_images(loaded)
    placed = on_grid(loaded, run.options.grid)
    if learnt is not None:
        check_size(loaded.case.name, placed.loaded.like.grid, learnt)
    prepared = prepare_images(placed)
    return prepared.widened(common_size([prepared.frame], 2**run.options.network.depth))


def _mean(members: Sequence[Member], prepared: Prepared, device: torch.device) -> torch.Tensor:
    """Return the mean of the networks' probabilities."""
    total = torch.zeros(prepared.brain.shape, dtype=torch.float64)
    for member in members:
        total += member.probabilities(prepared, device)
    return (total / len(members)).float()


def _facts(
    predicted: Predicted, members: Sequence[Member], seen: Sequence[bool], hashes: dict[str, str], device: Any
) -> dict[str, Any]:
    options = members[0].run.options.network
    networks = [
        {
            "file": recorded(one.path.resolve()),
            "sha256": one.sha256,
            "seed": one.run.options.seed,
            "fold": one.fold,
            "has_learnt_from_this_case": saw,
            "source_in_the_run": model_source(one.run),
        }
        for one, saw in zip(members, seen, strict=True)
    ]
    return {
        "case": predicted.case,
        "case_in_the_run": predicted.known_as,
        "method": predicted.method,
        "probability": f"mean over {counted(len(members), 'network')}",
        "networks": networks,
        "left_out": predicted.left_out,
        "model": options.model or None,
        "source": model_hash(options.model),
        "remarks": predicted.remarks,
        "files": hashes,
        "fastfuse": version("fastfuse"),
        "device": str(device),
    }


def _write(
    prepared: Prepared, slices: torch.Tensor, path: Path, facts: dict[str, Any], *, overwrite: bool
) -> None:
    """Write a prediction on the case's own grid, and its sidecar."""
    on_grid = path if prepared.own is None else path.with_name("on_grid.nii.gz")
    files = prepared.files(slices, on_grid, path, f"fastfuse {facts['method']}")
    with Outputs(overwrite=overwrite) as outputs:
        outputs.make_folder(path.parent)
        outputs.add(sidecar_path(path), sidecar_bytes(facts))
        outputs.add(path, files[path])
        outputs.commit()
