"""Standard output and standard error that are closed, full, or read no further: outputs are whole, exits clean."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

from .common import MASKS, load, ran

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell"),
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full"),
]

FULL = "error: cannot print (No space left on device)"
WAYS = {  # redirection, exit code, beginning of standard error
    ">&-": (0, ""),
    "2>&-": (0, ""),
    "<&- >&- 2>&-": (0, ""),
    "2>/dev/full": (0, ""),
    ">/dev/full": (1, FULL),
    ">/dev/full 2>/dev/full": (1, ""),
}
PIPES = ["| head -1", "2>&1 | true"]
RATERS = shlex.join(MASKS[:2])
WORKS = {  # what is typed, and the files that it writes into the folder {out}
    "fuse": (f"fuse {RATERS} --max-iter 1 -o {{out}}/c.nii.gz --save-label {{out}}/l.nii", ["c.nii.gz", "l.nii", "c.json"]),
    "fuse --json": (f"fuse {RATERS} --max-iter 1 --json -o {{out}}/c.nii.gz", ["c.nii.gz", "c.json"]),
    "soften": (f"soften {RATERS} --image flair.nii.gz --out-dir {{out}}", MASKS[:2]),
    "evaluate": (f"evaluate {RATERS} -o {{out}}/e.json", ["e.json"]),
    "version": ("--version", []),
    "help": ("--help", []),
    "fuse -h": ("fuse -h", []),
}  # fmt: skip


def crossed(ways: Iterable[str], of_all: tuple[str, ...]) -> list[Any]:
    """Return every work in every way: for every day, one with files and one without in all, the others in some."""
    return [
        (work, way)
        if work in ("fuse", "version") or way in of_all
        else pytest.param(work, way, marks=pytest.mark.slow)
        for work in WORKS
        for way in ways
    ]


def typed(folder: Path, line: str) -> tuple[int, str]:
    """Type a line in a shell; return the exit code of its first command, and standard error."""
    python = f"{shlex.quote(sys.executable)} -m fastfuse"
    script = f"{{ {python} {line[0]}; echo $? > code; }} {line[1]}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    return int((folder / "code").read_text()), done.stderr


def check_whole(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        if path.suffix == ".json":
            assert json.loads(path.read_text())
        else:
            assert load(path).size == nib.load(path).get_fdata().size > 0
    assert [path.name for path in folder.iterdir() if path.name.startswith(".fastfuse")] == []


@pytest.mark.parametrize(("work", "way"), crossed(WAYS, (">&-", ">/dev/full")))
def test_streams_that_take_nothing(case: Path, tmp_path: Path, work: str, way: str) -> None:
    words, written = WORKS[work]
    code, begins = WAYS[way]
    found, errors = typed(case, (words.format(out=tmp_path), way))
    assert found == code
    check_whole(tmp_path, written)
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    if begins:
        last = errors.splitlines()[-1] if "fuse " in words else errors
        whole = "; the outputs are complete" if written else ""
        assert f"{begins}{whole}\n" in errors, last
    elif way == ">&-":
        assert [line for line in errors.splitlines() if not line.startswith("warning: ")] == []


@pytest.mark.parametrize(("work", "way"), crossed(PIPES, ("| head -1",)))
def test_readers_who_have_seen_enough(case: Path, tmp_path: Path, work: str, way: str) -> None:
    words, written = WORKS[work]
    found, errors = typed(case, (words.format(out=tmp_path), way))
    assert found == 0
    check_whole(tmp_path, written)
    assert [line for line in errors.splitlines() if not line.startswith("warning: ")] == []


def test_errors_that_cannot_be_printed(case: Path, tmp_path: Path) -> None:
    """The exit code still tells."""
    for way in ("2>&-", "2>/dev/full", "2>&1 | true", ">&- 2>&-"):
        assert typed(case, (f"fuse none.nii -o {tmp_path}/c.nii", way))[0] == 2


def test_closed_descriptors_are_not_given_to_files(case: Path, tmp_path: Path) -> None:
    """What is printed would end in the first file that is opened."""
    words = f"fuse {RATERS} --max-iter 1 -o {tmp_path}/"
    typed(case, (f"{words}a.nii", ""))
    typed(case, (f"{words}b.nii", "<&- >&- 2>&-"))
    assert (tmp_path / "a.nii").read_bytes() == (tmp_path / "b.nii").read_bytes()


def test_a_pipe_sees_no_bars(case: Path, tmp_path: Path) -> None:
    words = ("fuse", *MASKS, "-o", tmp_path / "c.nii", "--prior", "estimate")
    done = ran(case, *words, env={"FORCE_COLOR": "1"})
    assert done.stderr == ""
    assert "\x1b[1m" in done.stdout
