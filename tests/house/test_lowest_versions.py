"""The lowest versions that pyproject.toml declares serve: the package and its tests run with them.

PyTorch is left out, which weighs gigabytes; the tests that need it are skipped there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = ("evaluate", "demo", "fast", "images", "dicom", "report")
# What measures time, or reads the source, says nothing of versions.
ELSEWHERE = ("house", "golden", "test_threads.py")
UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    return done.stdout


def lowest_python() -> str:
    """Return the lowest Python there that the package supports and that the lowest NumPy has wheels for."""
    for version in ("3.10", "3.11"):
        words = [str(UV), "python", "find", "--no-python-downloads", version]
        found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        if found.returncode == 0:
            return found.stdout.strip()
    pytest.skip("the lowest NumPy has wheels for Python 3.10 and 3.11, of which neither is here")


def assert_lowest(python: str) -> None:
    """Compare what is installed with the bounds of the package's own dependencies."""
    line = re.search(r"^dependencies = (.*)$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert line
    bounds = re.findall(r'"(\w+)>=([\d.]+)"', line[1])
    assert len(bounds) >= 3
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = run(python, "-c", code, *(name for name, _ in bounds)).split()
    for (name, bound), version in zip(bounds, found, strict=True):
        assert version.startswith(bound), name


@pytest.mark.slow
@pytest.mark.skipif(UV is None, reason="needs uv: pip install . --group dev")
def test_lowest_versions(tmp_path: Path) -> None:
    python = str(tmp_path / "venv" / "bin" / "python")
    install = (str(UV), "pip", "install", "--quiet", "--python", python)
    lowest = ("--resolution", "lowest-direct")
    run(str(UV), "venv", "--quiet", "--python", lowest_python(), str(tmp_path / "venv"))
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    run(*install, *lowest, "-r", "pyproject.toml", *extras, "pytest>=8.2")
    debug = ("-C", "cmake.build-type=Debug", "-C", "cmake.define.CMAKE_CXX_FLAGS_DEBUG=-O1")
    run(*install, "--no-deps", "-C", f"build-dir={tmp_path / 'build'}", *debug, ".")
    assert_lowest(python)
    ignored = [f"--ignore-glob=*/{name}" for name in ELSEWHERE]
    # Old packages warn of newer ones that they do not know.
    quiet = ("-p", "no:cacheprovider", "-W", "default::DeprecationWarning")
    run(python, "-m", "pytest", "-q", *quiet, *ignored, "tests", PYTHONPATH="")
