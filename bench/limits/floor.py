"""The floor under ``fastfuse fuse``: the same third-party imports, the files inflated at once, one image written.

python bench/limits/floor.py LIKE OUTPUT MASK...

LIKE holds the voxels to write, uncompressed: nothing is computed. Masks are taken for the same size, and nothing
is checked but gzip's own CRC.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import nibabel  # noqa: F401
import numpy as np
import rich.console
import rich.table  # noqa: F401
import typer  # noqa: F401
from numpy.typing import NDArray

with suppress(ImportError):  # newer typers parse the words with it
    from pydantic import TypeAdapter, ValidationInfo  # noqa: F401

try:
    from isal import igzip as best

    LEVEL = 2
except ImportError:
    import gzip as best  # type: ignore[no-redef]

    LEVEL = 4

HEADER = 352  # bytes of NIfTI before the voxels
PIECE = 1 << 20  # the fastest of 64 KiB to all at once


def inflated(path: str, voxels: int) -> NDArray[np.uint8]:
    volume = np.empty(voxels, np.uint8)
    with best.GzipFile(path) as file:
        file.read(HEADER)
        filled = 0
        while count := file.readinto(volume.data[filled : filled + PIECE]):
            filled += count
    assert filled == voxels
    return volume


def main(like: str, output: str, *masks: str) -> None:
    content = Path(like).read_bytes()
    voxels = (len(content) - HEADER) // 4  # float32 to write, uint8 to read
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        volumes = list(pool.map(inflated, masks, [voxels] * len(masks)))
    assert len(volumes) == len(masks)
    Path(output).write_bytes(best.compress(content, LEVEL))


if __name__ == "__main__":
    main(*sys.argv[1:])
