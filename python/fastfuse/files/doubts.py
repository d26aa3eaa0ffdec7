"""What is doubtful about the files of a fusion, beside what they hold voxel by voxel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def alike(
    paths: Sequence[Path], names: Sequence[str], votes: Sequence[NDArray[Any]], volumes: Sequence[float]
) -> list[str]:
    """Say which files hold the same votes; only those of one volume are compared, and none that is empty."""
    groups: dict[float, list[list[int]]] = defaultdict(list)
    for i, volume in enumerate(volumes):
        if not volume:
            continue
        for group in groups[volume]:
            if np.array_equal(votes[group[0]], votes[i]):
                group.append(i)
                break
        else:
            groups[volume].append([i])
    copies = [
        group for same in groups.values() for group in same if _several_files([paths[i] for i in group])
    ]
    return [_same_votes([names[i] for i in group]) for group in copies]


def alike_by_key(paths: Sequence[Path], names: Sequence[str], keys: Sequence[Hashable]) -> list[str]:
    """Say which files hold the same votes; ``keys`` are those of their contents."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        groups[key].append(i)
    copies = [group for group in groups.values() if _several_files([paths[i] for i in group])]
    return [_same_votes([names[i] for i in group]) for group in copies]


def _same_votes(names: Sequence[str]) -> str:
    return f"{_listed(names)} hold the same votes: they count as {len(names)} raters; leave copies out"


def _several_files(paths: Sequence[Path]) -> bool:
    """Tell files from one that is named several times, of which :func:`repeated` tells."""
    with suppress(OSError):
        return len({(path.stat().st_dev, path.stat().st_ino) for path in paths}) > 1
    return False


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
