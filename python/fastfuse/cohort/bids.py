"""Raters' masks in a folder of BIDS: derivatives with sub- and perhaps ses- in their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..inputs.names import composed

FILE = re.compile(r"sub-[a-zA-Z0-9]+_(?:[a-z]+-[^_]+_)*(?P<suffix>mask|dseg|probseg)\.nii(?:\.gz)?")
ENTITY = re.compile(r"(?:^|_)([a-z]+)-([^_]+)")
BRAIN = "brain"
DERIVATIVES = "derivatives"


@dataclass(frozen=True)
class BidsFile:
    """A mask: whose it is, and of which case; without a rater, the brain's."""

    case: str
    rater: str | None
    path: Path


def bids_files(root: Path) -> Iterator[BidsFile]:
    """Yield the masks of a folder.

    The rater is the entity ``rater-``, else ``desc-``, else the pipeline's folder in derivatives. ``desc-brain_mask`` and
    ``label-brain_mask`` are masks of the brain.
    """
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if len(Path(folder).relative_to(root).parts) > 8:  # links may lead in a circle
            below.clear()
        for name in sorted(names):
            met = FILE.fullmatch(name)
            if met is not None:
                yield _read(root, Path(folder, name))


def _read(root: Path, path: Path) -> BidsFile:
    entities = dict(ENTITY.findall(path.name.rpartition("_")[0]))
    case = "_".join(f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities)
    if BRAIN in (entities.get("desc", "").lower(), entities.get("label", "").lower()):
        return BidsFile(composed(case), None, path)
    rater = entities.get("rater") or entities.get("desc") or _pipeline(root, path)
    return BidsFile(composed(case), composed(rater), path)


def _pipeline(root: Path, path: Path) -> str:
    """Return the folder of derivatives that holds a file; that of its subject without one."""
    parts = path.relative_to(root).parts[:-1]
    if DERIVATIVES in parts and parts.index(DERIVATIVES) + 1 < len(parts):
        return parts[parts.index(DERIVATIVES) + 1]
    above = [part for part in parts if not part.startswith(("sub-", "ses-")) and part != "anat"]
    return above[-1] if above else path.name.rpartition("_")[2].partition(".")[0]
