"""What the pages say of options, and the commands that they show, are true: each option is described, and each command runs."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .test_links import written as pages

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "fastfuse"
OPTIONS = (ROOT / "python" / "docs" / "options.md").read_text(encoding="utf-8")
REVIEW = (PACKAGE / "files" / "review" / "README.md").read_text(encoding="utf-8")
ARGUMENTS = {"paths", "output", "raters", "help", "progress", "dilation"}


def flags() -> set[str]:
    """Return the options of ``fastfuse fuse`` as they are typed."""
    import typer.main

    from fastfuse.cli import app_of_words

    root: Any = typer.main.get_command(app_of_words([]))
    params = root.commands["fuse"].params
    return {name for one in params for name in one.opts if name.startswith("--")} - {"--output", "--help"}


def test_every_option_of_a_fusion_has_its_effect() -> None:
    """By its flag, or by its name in Python."""
    named = set(re.findall(r"`([\w-]+)", OPTIONS))
    missing = [flag for flag in flags() if flag not in named and flag[2:].replace("-", "_") not in named]
    assert len(flags()) > 60
    assert missing == []


def test_no_option_is_described_that_is_none() -> None:
    functions = [getattr(fastfuse, name) for name in dir(fastfuse) if not name.startswith("_")]
    known = {
        word for one in functions if inspect.isfunction(one) for word in inspect.signature(one).parameters
    }
    rows = re.findall(r"^\| (`[^|]+) \|", OPTIONS, re.MULTILINE)
    assert len(rows) > 40
    for row in rows:
        for word in re.findall(r"`([\w-]+)", row):
            assert word in known or word in flags() or f"--{word}" in flags() or word == "label", word
    assert known >= ARGUMENTS - {"help"}


def test_texts_have_no_doubled_braces() -> None:
    """They are not filled in, so that braces are written once."""
    found = [
        name
        for name in dir(fastfuse)
        if not name.startswith("_") and "{{" in (inspect.getdoc(getattr(fastfuse, name)) or "")
    ]
    assert found == []


def is_there(module: str) -> bool:
    """Return whether a module is there; it is not loaded, for which it may lack a library."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what would hold it is no package
        return False


def leads_to_something(name: str) -> bool:
    """Return whether a dotted name is a module's, or is held by one."""
    parts = name.split(".")
    length = next(
        (count for count in range(len(parts), 0, -1) if is_there(".".join(parts[:count]))), len(parts)
    )
    if length == len(parts):
        return is_there(name)
    held: Any = import_module(".".join(parts[:length]))
    for part in parts[length:]:
        if not hasattr(held, part):
            return False
        held = getattr(held, part)
    return True


def test_names_of_the_package_on_pages_are_names() -> None:
    pytest.importorskip("matplotlib")  # for fastfuse.plots to tell what it holds
    named = {
        (page, name)
        for page in pages()
        for name in re.findall(r"\bfastfuse(?:\.[A-Za-z_]\w*)+", (ROOT / page).read_text(encoding="utf-8"))
    }
    assert len(named) > 100
    assert sorted(one for one in named if not leads_to_something(one[1])) == []


def blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.mark.skipif(
    os.name == "nt" or shutil.which("sh") is None, reason="its commands are for a POSIX shell"
)
@pytest.mark.parametrize("block", blocks(REVIEW), ids=["masks", "label maps", "cohort"])
def test_commands_of_the_page_on_review(block: str, tmp_path: Path) -> None:
    """As they stand there, on small files of these names: no output is one of the inputs."""
    written(tmp_path, labels="--labels" in block)
    command = f"set -e; fastfuse() {{ '{sys.executable}' -m fastfuse \"$@\"; }}; {block}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "review.csv" in done.stdout


def written(folder: Path, *, labels: bool) -> None:
    """Write four raters' maps of labels or masks, a brain, names, and a cohort of two cases."""
    sure = np.zeros((24, 24, 16), np.uint8)
    sure[4:10, 4:10, 4:10] = 1
    brain = np.ones_like(sure)
    (folder / "names.tsv").write_text("index\tname\n0\tbackground\n1\tlesion\n2\toedema\n", encoding="utf-8")
    for k in range(4):
        own = sure.copy()
        own[14:18, 14:18, 4:8] = (1, 1, 2, 0)[k] if labels else int(k < 2)
        save(own, folder / f"rater{k}.nii.gz")
        for case in ("Patient_01", "Patient_02"):
            place = folder / "data" / "Training" / "Center_01" / case
            save(np.uint8(own > 0), place / "Masks" / f"ManualSegmentation_{k + 1}.nii.gz")
            save(brain, place / "Masks" / "Brain_Mask.nii.gz")
            save(np.float32(10 + 90 * (own > 0)), place / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz")
    save(brain, folder / "brain.nii.gz")


def save(values: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, 1.0, 1.0, 1.0])), path)
