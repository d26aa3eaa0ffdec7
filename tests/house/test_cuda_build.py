"""The CUDA backend's builds: with nvcc, where it is, and with its kernels run by the CPU."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..builds import ROOT, installed


def run_backend_tests(environment: dict[str, str]) -> str:
    """Run the backend's tests with that package, and return their summary."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *map(str, sorted((ROOT / "tests" / "fusion" / "cuda").glob("test_cuda*.py"))),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="its threads are fibers of glibc")
def test_kernels_run_on_the_cpu(tmp_path: Path) -> None:
    summary = run_backend_tests(installed(tmp_path, "-O1", "FASTFUSE_CUDA_ON_CPU=ON"))
    assert "1 skipped" in summary.splitlines()[-1]  # what is tested without CUDA alone


def test_architectures_come_before_the_targets() -> None:
    """A target takes them as it is made."""
    text = (ROOT / "CMakeLists.txt").read_text()
    assert text.index("enable_language(CUDA)") < text.index("add_library(")
    assert text.index("set(CMAKE_CUDA_ARCHITECTURES") < text.index("enable_language(CUDA)")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no nvcc")
def test_nvcc_build(tmp_path: Path) -> None:
    """It needs neither a device nor a driver to be imported, and brings CUDA's runtime along."""
    environment = installed(tmp_path, "-O0", "FASTFUSE_CUDA=ON", "CMAKE_CUDA_ARCHITECTURES=75")
    words = "import fastfuse; print(fastfuse.cuda.is_available(), fastfuse.cuda.why_not())"
    said = subprocess.run(
        [sys.executable, "-c", words],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=1800,
    )
    assert "without CUDA" not in said.stdout
    core = next((tmp_path / "site" / "fastfuse").glob("_core*.so"))
    needed = subprocess.run(
        ["ldd", str(core)], capture_output=True, text=True, check=True, timeout=1800
    ).stdout
    assert "libcud" not in needed
    summary = run_backend_tests(environment)
    if said.stdout.startswith("False"):
        assert "CUDA finds no device here" in summary
