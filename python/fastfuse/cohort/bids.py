"""Raters' masks in a folder of BIDS: derivatives with sub- and perhaps ses- in their names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..inputs.names import composed

FILE = re.compile(r"sub-[a-zA-Z0-9]+_(?:[a-z]+-[^_]+_)*(?P<suffix>mask|dseg|probseg|FLAIR)\.nii(?:\.gz)?")
ENTITY = re.compile(r"(?:^|_)([a-z]+)-([^_]+)")
BRAIN = "brain"
DERIVATIVES = "derivatives"
DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True)
class BidsFile:
    """A mask, or FLAIR: of which case and space, and whose it is; without a rater, the brain's."""

    case: str
    rater: str | None
    path: Path
    space: str = ""
    is_image: bool = False


def bids_files(root: Path) -> Iterator[BidsFile]:
    """Yield the masks of a folder, and FLAIR.

    The rater is the entity ``rater-``, else ``desc-``, else the pipeline's folder in derivatives. ``desc-brain_mask`` and
    ``label-brain_mask`` are masks of the brain.
    """
    for folder, below, names in os.walk(root, followlinks=True):
        if Path(folder) != root and _is_own(Path(folder)):
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith("."))
        if len(Path(folder).relative_to(root).parts) > 8:  # links may lead in a circle
            below.clear()
        for name in sorted(names):
            met = FILE.fullmatch(name)
            if met is not None:
                yield _read(root, Path(folder, name), is_image=met["suffix"] == "FLAIR")


def _is_own(folder: Path) -> bool:
    """Tell whether a folder holds consensuses that fastfuse wrote: they are no rater's."""
    path = folder / DESCRIPTION
    try:
        made_by = json.loads(path.read_bytes()).get("GeneratedBy")
        return any(one.get("Name") == "fastfuse" for one in made_by or ())
    except (OSError, ValueError, AttributeError, TypeError):
        return False  # there is none, or what another tool wrote


def _read(root: Path, path: Path, *, is_image: bool) -> BidsFile:
    entities = dict(ENTITY.findall(path.name.rpartition("_")[0]))
    case = "_".join(f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities)
    space = entities.get("space", "")
    if is_image:
        return BidsFile(composed(case), None, path, space, is_image=True)
    if BRAIN in (entities.get("desc", "").lower(), entities.get("label", "").lower()):
        return BidsFile(composed(case), None, path, space)
    rater = entities.get("rater") or entities.get("desc") or _pipeline(root, path)
    return BidsFile(composed(case), composed(rater), path, space)


def _pipeline(root: Path, path: Path) -> str:
    """Return the folder of derivatives that holds a file; that of its subject without one."""
    parts = path.relative_to(root).parts[:-1]
    if DERIVATIVES in parts and parts.index(DERIVATIVES) + 1 < len(parts):
        return parts[parts.index(DERIVATIVES) + 1]
    above = [part for part in parts if not part.startswith(("sub-", "ses-")) and part != "anat"]
    return above[-1] if above else path.name.rpartition("_")[2].partition(".")[0]
