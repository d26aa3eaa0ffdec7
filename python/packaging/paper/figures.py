"""Draw the paper's figures again: python python/packaging/paper/figures.py, with pip install ".[bench]"; minutes.

Writes them where paper.md has them; with a folder as argument, there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
STUDIES = {  # what draws each figure, in bench/studies
    "python/docs/_static/consensus.png": "picture.py",
    ".github/characteristic.png": "many_raters.py",
    ".github/likelihood.png": "likelihood.py",
}


def main(folder: Path | None = None) -> None:
    """Draw them all."""
    for figure, study in STUDIES.items():
        path = ROOT / figure if folder is None else folder / Path(figure).name
        subprocess.run([sys.executable, str(ROOT / "bench" / "studies" / study), str(path)], check=True)
        print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
