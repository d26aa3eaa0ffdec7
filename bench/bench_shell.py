"""The shell's command, process start to end: against the floor of ``limits/floor.py``; and how long start-up takes.

pytest bench/bench_shell.py --benchmark-columns=median,rounds

Before each timed run of a contestant the other one runs too, so that both meet the same machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from common import SMALL, binary_votes

FASTFUSE = [sys.executable, "-m", "fastfuse"]
FLOOR = [sys.executable, str(Path(__file__).parent / "limits" / "floor.py")]
CONTESTANTS = ("fastfuse", "floor")
START_UP = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import fastfuse": [sys.executable, "-c", "import fastfuse"],
    "from fastfuse import staple": [sys.executable, "-c", "from fastfuse import staple"],
    "fastfuse --help": [*FASTFUSE, "--help"],
}


@pytest.fixture(scope="module")
def answer() -> NDArray[np.float32]:
    return fastfuse.staple(binary_votes()).probability


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, answer: NDArray[np.float32]) -> Path:
    """Write the raters' masks, what the floor is to write, and a module that hides ISA-L."""
    folder = tmp_path_factory.mktemp("shell")
    for i, mask in enumerate(binary_votes()):
        nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / f"rater{i}.nii.gz")
    nib.save(nib.Nifti1Image(answer, np.eye(4)), folder / "like.nii")
    (folder / "hidden").mkdir()
    (folder / "hidden" / "isal.py").write_text("raise ImportError('as if it were not installed')\n")
    return folder


def run(words: list[str], folder: Path, engine: str = "isal") -> str:
    paths = [str(folder / "hidden")] if engine == "zlib" else []
    if "PYTHONPATH" in os.environ:  # of the package that is imported here
        paths.append(os.environ["PYTHONPATH"])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout


@pytest.mark.parametrize("contestant", CONTESTANTS[:1] if SMALL else CONTESTANTS)  # one run has both
@pytest.mark.parametrize("engine", ["isal", "zlib"])
def test_fuse(benchmark: Any, folder: Path, answer: NDArray[Any], engine: str, contestant: str) -> None:
    benchmark.group = f"fastfuse fuse, {engine}"
    raters = [path.name for path in sorted(folder.glob("rater*"))]
    ours = [*FASTFUSE, "fuse", *raters, "-o", "fastfuse.nii.gz", "--method", "staple", "--overwrite"]
    commands = {"fastfuse": ours, "floor": [*FLOOR, "like.nii", "floor.nii.gz", *raters]}
    other = next(name for name in CONTESTANTS if name != contestant)
    benchmark.pedantic(
        run, (commands[contestant], folder, engine), setup=lambda: run(commands[other], folder, engine) and None,
        rounds=15,
    )  # fmt: skip
    for name in CONTESTANTS:
        written = np.asanyarray(nib.load(folder / f"{name}.nii.gz").dataobj)
        np.testing.assert_array_equal(written, answer, strict=True)


def cpu_seconds(words: list[str], folder: Path) -> float:
    """Return the processor time of a process."""
    before = os.times()
    run(words, folder)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.benchmark(group="fuse of three tiny files, processor time")
def test_tiny(benchmark: Any, tmp_path: Path) -> None:
    """Beside ``import numpy``, by turns: the aim is 2.2 times."""
    disc = np.hypot(*np.indices((20, 20)) - 10) < 6
    for i in range(3):
        nib.save(
            nib.Nifti1Image(np.roll(disc, i, 0).astype(np.uint8)[..., None], np.eye(4)),
            tmp_path / f"{i}.nii.gz",
        )
    commands = {
        "import numpy": START_UP["import numpy"],
        "fuse": [*FASTFUSE, "fuse", "0.nii.gz", "1.nii.gz", "2.nii.gz", "-o", "out.nii.gz", "--overwrite"],
    }
    turns = [
        {name: cpu_seconds(words, tmp_path) for name, words in commands.items()}
        for _ in range(1 if SMALL else 9)
    ]
    found = {name: statistics.median(turn[name] for turn in turns) for name in commands}
    benchmark.pedantic(run, (commands["fuse"], tmp_path), rounds=1)
    benchmark.extra_info |= found | {"aim": 2.2, "ratio": found["fuse"] / found["import numpy"]}
    if not benchmark.disabled:
        assert SMALL or found["fuse"] <= 2.2 * found["import numpy"]


@pytest.mark.benchmark(group="fastfuse cohort fuse, tiny cases, processor time")
def test_cohort(benchmark: Any, tmp_path: Path) -> None:
    """Fifteen cases in one process, by turns with one, each time into a new folder: the aim is 3.5 times."""
    disc = np.hypot(*np.indices((20, 20)) - 10) < 6
    numbers = (1, 2 if SMALL else 15)
    for cases in numbers:
        for case in range(cases):
            folder = tmp_path / str(cases) / f"case{case}"
            folder.mkdir(parents=True)
            for i in range(3):
                mask = np.roll(disc, i + case % 3, 0).astype(np.uint8)[..., None]
                nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / f"rater{i}.nii.gz")

    def command(cases: int, out: str) -> list[str]:
        options = ["--glob", "{case}/{rater}.nii.gz", "--method", "staple"]
        return [*FASTFUSE, "cohort", "fuse", str(cases), "--out", out, *options]

    turns = [
        [cpu_seconds(command(cases, f"out{turn}-{cases}"), tmp_path) for cases in numbers]
        for turn in range(1 if SMALL else 5)
    ]
    one, fifteen = (statistics.median(column) for column in zip(*turns, strict=True))
    benchmark.pedantic(run, (command(numbers[-1], "out"), tmp_path), rounds=1)
    benchmark.extra_info |= {"one": one, "fifteen": fifteen, "aim": 3.5, "ratio": fifteen / one}
    if not benchmark.disabled:
        assert SMALL or fifteen <= 3.5 * one


@pytest.mark.parametrize("what", START_UP)
@pytest.mark.benchmark(group="start-up")
def test_start_up(benchmark: Any, tmp_path: Path, what: str) -> None:
    printed = benchmark.pedantic(run, (START_UP[what], tmp_path), rounds=15, warmup_rounds=0 if SMALL else 1)
    assert ("Usage" in printed) == ("--help" in what)
