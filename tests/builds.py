"""Builds of the package with other options, in folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")  # as tests/sanitizers/run.sh address preloads it
not_sanitized = pytest.mark.skipif(SANITIZED, reason="AddressSanitizer takes memory and time of its own")


def installed(folder: Path, flags: str, *definitions: str) -> dict[str, str]:
    """Build the package into a folder of its own; return an environment that finds it first."""
    words = ["--no-deps", "--quiet", "--target", str(folder / "site"), "-C", f"build-dir={folder / 'build'}"]
    words += ["-C", "cmake.build-type=Debug"]  # no optimising at link time; the flags are ours
    definitions += (f"CMAKE_CXX_FLAGS_DEBUG={flags}", "CMAKE_CUDA_FLAGS_DEBUG=", "FASTFUSE_WERROR=ON")
    for definition in definitions:
        words += ["-C", f"cmake.define.{definition}"]
    command = [sys.executable, "-m", "pip", "install", *words, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return {**os.environ, "PYTHONPATH": str(folder / "site")}
