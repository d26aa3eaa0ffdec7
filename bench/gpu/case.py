"""Votes of the benches' case, made once and kept in files, which later processes read.

python -m gpu.case

Imported, or given to pytest as a plugin (``-p gpu.case``), it makes ``common`` read the folder that
``FASTFUSE_GPU_CASE`` names, which comes to hold a gigabyte; run, it fills the folder. Making all this takes longer than
fusing it some thousand times.
"""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import common
from fastfuse.demo import phantom

FOLDER = Path(os.environ.get("FASTFUSE_GPU_CASE", ""))
MOST_RATERS = 32  # whose probabilities are made beforehand
compute_probabilities = common.probabilities


class Saved(NamedTuple):
    """What the benches take of a patient."""

    masks: common.Votes
    votes: common.Votes


@cache
def saved_case() -> Saved:
    """Return the patient's masks and votes, from the file or freshly painted."""
    path = FOLDER / f"{'x'.join(map(str, common.WHOLE_BRAIN))}.npy"
    if not path.exists():
        case = phantom.make_case(0, shape=common.WHOLE_BRAIN, spacing_mm=common.SPACING_MM)
        keep(path, np.stack([case.masks, case.votes]).astype(np.float32))
    masks, votes = np.load(path)
    return Saved(tuple(masks.astype(np.uint8)), tuple(votes))


def saved_probabilities(mask: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """Return a rater's probabilities, from the file or freshly computed."""
    path = FOLDER / f"{seed}-{mask.shape[0]}-{zlib.crc32(np.ascontiguousarray(mask).data):08x}.npy"
    if not path.exists():
        keep(path, compute_probabilities(mask, seed))
    found: NDArray[np.float32] = np.load(path)
    return found


def keep(path: Path, values: NDArray[np.float32]) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb") as file:
        np.save(file, values)
    unfinished.replace(path)


def main() -> None:
    """Fill the folder."""
    masks = saved_case().masks
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(saved_probabilities, common.shifted(masks, i), i) for i in range(MOST_RATERS)]
        for job in jobs:
            job.result()


if "FASTFUSE_GPU_CASE" in os.environ:
    common.case = saved_case
    common.probabilities = saved_probabilities

if __name__ == "__main__":
    main()
