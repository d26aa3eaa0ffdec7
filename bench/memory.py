"""Peak memory of one contestant beyond inputs and output, in bytes: python bench/memory.py RACE CONTESTANT FOLDER.

FOLDER holds the raters' votes as .npy files. All is warmed up on a block, which is checked, before the high-water
mark begins anew. Needs Linux.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from common import middle_of
from contestants import RACES, check

CLEAR = Path("/proc/self/clear_refs")


def resident(name: str) -> int:
    """Return one of the sizes that the kernel keeps, in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def main(race: str, name: str, folder: Path) -> None:
    """Fuse and print."""
    contestant = RACES[race].contestants[name]
    votes = tuple(np.load(path) for path in sorted(folder.glob("*.npy")))
    block = middle_of(votes)
    warm = contestant.fuse(block, np.empty(block[0].shape, np.float32))
    check(warm, RACES[race].answer(block), contestant.tolerance, block)
    out = np.ones(votes[0].shape, np.float32)
    CLEAR.write_text("5")
    before = resident("VmRSS")
    found = contestant.fuse(votes, out)
    output = 0 if np.shares_memory(found.probability, out) else found.probability.nbytes
    print(resident("VmHWM") - before - output)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
