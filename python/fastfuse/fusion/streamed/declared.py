"""The options of reading block by block. Loads neither NumPy nor the core."""

from __future__ import annotations

from typing import Any, TypeAlias

from ...streaming.executors import check_executor
from ...streaming.memory import check_memory
from ..declared import Flag, option
from ..registry import Method

Memory: TypeAlias = str | int | None


def on_votes_alone(method: Method) -> bool:
    """Say that methods which need no image take an option."""
    return not method.grows


MAX_MEMORY: Any = option(
    None,
    check_memory,
    "str or int",
    """Memory that the call may take, as in "2G" or a number of bytes: votes are read twice, block by block, to count and to look
    up, and are never held together. It takes what slices: memory-mapped arrays, images of nibabel, zarr, h5py, dask and xarray;
    give ``out`` for a consensus that does not fit. The rates have the same bits as without it where votes repeat (masks, votes
    of a few values). soft-STAPLE takes probabilities, which do not repeat, by one more read; other methods refuse them. Not with a
    map as prior, ``mrf``, ``roi="disputed"``, ``intervals="lesions"`` or an image. Of an executor, memory of each task. Files are .nii or .nii.gz on one grid.""",
    flag=Flag(
        "Memory to take: votes in .nii or .nii.gz are read twice, slab by slab.", str, metavar="2G|500M"
    ),
    on_device=False,
    of_table=False,
    recorded=False,
    methods=on_votes_alone,
)
EXECUTOR: Any = option(
    None,
    check_executor,
    "executor of concurrent.futures",
    """Who counts blocks and writes them: a process pool (start method "spawn"), ``client.get_executor()`` of dask, or another with
    ``submit``. A task is a block of whole chunks, named by file and slices, so that it takes files that are mapped, zarr and h5py;
    at most 2 x workers + 2 are under way. ``threads`` are those of a task, one if it is 0.""",
    on_device=False,
    of_table=False,
    recorded=False,
    methods=on_votes_alone,
)
