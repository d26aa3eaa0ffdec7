"""A message speaks as its caller does: Python's of parameters, the shell's of what is typed."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import fastfuse
from fastfuse.cli.flags import with_typed_values
from fastfuse.errors import in_python

from ..border.draws import SPACING, contours
from ..cli.common import save
from ..command import run_here

SOURCE = Path(fastfuse.__file__).parent
TYPED = re.compile(r"(?<![\w'`-])--[a-z][a-z-]+")
OF_THE_SHELL = ("cli", "demo", "train", "report")  # which speak to the shell alone
COMMANDS = (  # to be typed
    "fastfuse fuse FILE",
    "fastfuse cohort fuse --keep-index",
    "border-staple's: intensities of --image",
)


def contoured() -> list[Any]:
    """Return raters whose masks are nested, whom STAPLE does not fit."""
    return list(contours([-1.5, -1.0, -0.5, 0, 0.5, 1.0, 1.5], shape=(80, 80, 40)).masks)


def test_a_misfit_speaks_as_its_caller_does(tmp_path: Path) -> None:
    masks = contoured()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastfuse.staple(masks, roi=4.0, spacing_mm=SPACING)
    (said,) = [str(one.message) for one in caught if "does not fit" in str(one.message)]
    assert "fuse(method='" in said
    assert not TYPED.search(said)
    for i, mask in enumerate(masks):
        save(tmp_path / f"r{i}.nii.gz", mask)
    done = run_here(
        tmp_path,
        "fuse",
        *(f"r{i}.nii.gz" for i in range(7)),
        "-o",
        "c.nii.gz",
        "--method",
        "staple",
        "--roi",
        "4",
    )
    (told,) = [line for line in " ".join(done.stderr.split()).split("warning: ") if "does not fit" in line]
    assert "--method " in told
    assert "fuse(" not in told
    assert "='" not in told


@pytest.mark.parametrize(
    ("message", "python", "shell"),
    [
        ("take scale=255 (--scale 255)", "take scale=255", "take --scale 255"),
        (
            "grid=FILE, or leave mask (--mask) out",
            "grid=FILE, or leave mask out",
            "--grid FILE, or leave --mask out",
        ),
        (
            "a grid keeps them (grid=FILE, --grid FILE)",
            "a grid keeps them (grid=FILE)",
            "a grid keeps them (--grid FILE)",
        ),
        (
            "fuse(method='staple', classes=3) (--method staple --classes 3)",
            "fuse(method='staple', classes=3)",
            "--method staple --classes 3",
        ),
        ("pass --overwrite (overwrite=True)", "pass overwrite=True", "pass --overwrite"),
        ("ask less (threads=4, --threads 4)", "ask less (threads=4)", "ask less (--threads 4)"),
        ("1 voxel (--5 is no option)", "1 voxel (--5 is no option)", "1 voxel (--5 is no option)"),
    ],
)
def test_each_reads_their_half(message: str, python: str, shell: str) -> None:
    assert in_python(message) == python
    assert with_typed_values(message) == shell


def texts() -> list[tuple[str, str]]:
    """Return the package's texts that name what is typed, each with its file."""
    import ast

    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).parts
        if where[0] in OF_THE_SHELL or "bids" in where:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inside = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            if id(node) in docs or id(node) in inside:
                continue
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if TYPED.search(text):
                found.append(("/".join(where), text))
    return found


def test_what_is_typed_stands_in_brackets() -> None:
    """So that a warning can leave it out; beside it stands what Python takes."""
    found = texts()
    assert len(found) > 60
    left = [
        (where, text)
        for where, text in found
        if TYPED.search(in_python(text)) and not any(one in text for one in COMMANDS) and text[:2] != "--"
    ]
    assert left == []
