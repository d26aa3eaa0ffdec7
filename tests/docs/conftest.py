"""The documentation, built once for all tests of it."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..shared import made_once
from .test_code import DOCS

ROOT = Path(__file__).parents[2]
GENERATED = ("api", "auto_examples", "pages")


# Without its code it takes a quarter of the time. What stands in the pages is run by test_code, in one process.
AS_WRITTEN = (
    "nb_execution_mode=off",
    "plot_gallery=0",
    "plot_formats=",
    "suppress_warnings=config.cache,image.not_readable,myst-nb.lexer",  # of what code would have told or drawn
)


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the documentation, built once of a copy of what it reads, without what its code shows."""
    return made_of(tmp_path_factory, "documentation", *AS_WRITTEN)


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the documentation as it is published, its code run."""
    return made_of(tmp_path_factory, "documentation-run")


def made_of(factory: pytest.TempPathFactory, name: str, *settings: str) -> Path:
    """Return the pages, or skip where what builds them is missing."""
    for needed in (
        "sphinx",
        "pydata_sphinx_theme",
        "numpydoc",
        "myst_nb",
        "sphinx_gallery",
        "latex2mathml",
        "SimpleITK",
    ):
        pytest.importorskip(needed, reason="documentation is built with the extra docs", exc_type=ImportError)
    return made_once(factory, name, functools.partial(build, settings=settings)) / "html"


def build(folder: Path, settings: Sequence[str]) -> None:
    """Build the documentation in a folder."""
    shutil.copytree(DOCS, folder / "python" / "docs", ignore=shutil.ignore_patterns(*GENERATED))
    for name in (
        ".github",
        "README.md",
        "CHANGELOG.md",
        "bench",
        "cpp",
        "pyproject.toml",
        "python/fastfuse",
        "tests",
    ):
        (folder / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            *(word for setting in settings for word in ("-D", setting)),
            folder / "python" / "docs",
            folder / "html",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    said = [line for line in done.stderr.splitlines() if "IPKernelApp" not in line]
    assert done.returncode == 0, "\n".join(said)[-4000:]
