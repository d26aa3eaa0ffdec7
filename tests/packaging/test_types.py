"""A user's project, checked strictly by mypy and by pyright, sees the type of everything public."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastfuse

from .common import ROOT, tool

SOURCE = ROOT / "python"
PROJECT = '''
"""Fuse what three raters marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fastfuse


def consensus(masks: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the mask at one half."""
    fusion = fastfuse.staple(masks, prior="estimate", roi=4, spacing_mm=(1, 1, 1))
    if not fusion.converged:
        raise fastfuse.FastfuseError("no end")
    return fusion.label(0.5, ties="background")


def scores(folder: Path) -> dict[str, float]:
    """Fuse files, and hold the consensus against a truth."""
    fused = fastfuse.fuse_files(sorted(folder.glob("*.nii.gz")), folder / "consensus.nii.gz", preset="recommended")
    found = fastfuse.evaluate_files(folder / "consensus.nii.gz", folder / "truth.nii.gz")
    return {"dice": found.dice, "raters": float(len(fused.sensitivity))}
'''
ATTRIBUTES = {  # of a fusion, and what a checker may say that they are
    "probability": "ndarray",
    "sensitivity": "ndarray",
    "specificity": "ndarray",
    "ppv": "ndarray",
    "log_likelihood": "ndarray",
    "n_iter": "int",
    "converged": "bool",
    "label()": "ndarray",
}
PRIVATE = (
    "adapters",
    "cli",
    "images",
    "report",
    "train",
)  # folders whose names are for the package alone, or another's


def revealing() -> str:
    """Return code that asks for the type of each public name, and of what a fusion holds."""
    names = [f"reveal_type(fastfuse.{name})" for name in sorted(set(fastfuse.__all__) - {"cuda"})]
    held = [f"reveal_type(fastfuse.staple([]).{name})" for name in ATTRIBUTES]
    return "import fastfuse\n\n" + "\n".join([*names, *held]) + "\n"


def assert_known(types: list[str]) -> None:
    """Hold what a checker said, in the order of :func:`revealing`, against what it may say."""
    public = len(fastfuse.__all__) - 1
    assert len(types) == public + len(ATTRIBUTES)
    assert [told for told in types if told in ("Any", "Unknown", "object")] == []
    for told, (name, expected) in zip(types[public:], ATTRIBUTES.items(), strict=True):
        assert expected in told, (name, told)


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """Write the project."""
    (tmp_path / "user.py").write_text(PROJECT.lstrip(), encoding="utf-8")
    (tmp_path / "asked.py").write_text(revealing(), encoding="utf-8")
    return tmp_path


def test_mypy(user: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy: pip install . --group dev")
    words = [
        "--strict",
        "--follow-imports=silent",
        "--no-pretty",
        f"--cache-dir={user}",
        "user.py",
        "asked.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=user,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_known(re.findall(r'Revealed type is "(.*)"$', done.stdout, re.MULTILINE))


def pyright(folder: Path, *words: str) -> dict[str, Any]:
    """Run pyright, which is there or not; return what it says."""
    done = subprocess.run(
        [tool("pyright"), "--outputjson", "--pythonpath", sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        timeout=600,
    )
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright cannot run here: {done.stderr[-200:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_pyright(user: Path) -> None:
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(SOURCE)]}
    (user / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    said = pyright(user)["generalDiagnostics"]
    assert [one for one in said if one["severity"] != "information"] == []
    asked = [one for one in said if Path(one["file"]).name == "asked.py"]
    asked.sort(key=lambda one: one["range"]["start"]["line"])
    assert_known(
        [re.sub(r'^Type of ".*?" is "(.*)"$', r"\1", one["message"], flags=re.DOTALL) for one in asked]
    )


def test_pyright_finds_every_type_declared(tmp_path: Path) -> None:
    """But in folders that are for the package alone, and of what adapters inherit from MONAI and TorchIO, which declare less."""
    found = pyright(tmp_path, "--verifytypes", "fastfuse", "--ignoreexternal")["typeCompleteness"]
    assert Path(found["packageRootDirectory"]).resolve() == SOURCE.resolve() / "fastfuse"
    assert found["completenessScore"] > 0.99
    unknown = [
        symbol["name"] for symbol in found["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]
    ]
    assert [name for name in unknown if name.split(".")[1] not in PRIVATE] == []
