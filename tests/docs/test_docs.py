"""The documentation is built without a warning: its links lead somewhere, and all code in it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastfuse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "python" / "docs"
GENERATED = ("api", "auto_examples", "pages")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation from a copy of what it reads."""
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
    folder = tmp_path_factory.mktemp("docs")
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
    return folder / "html"


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))


def test_every_public_name_has_a_page(built: Path) -> None:
    modules = {"cuda", "phantom", "plots", "reference"}
    missing = [
        name
        for name in dir(fastfuse)
        if not name.startswith("_")
        and name not in modules
        and not (built / "api" / f"fastfuse.{name}.html").exists()
    ]
    assert not missing


def test_pages_show_what_their_code_printed(built: Path) -> None:
    assert "labels that differ, of 128000 voxels" in text_of(built / "from" / "simpleitk.html")
    assert "voxels that differ: 0 of 7680" in text_of(built / "from" / "nnunet.html")
    assert re.search(r"items wrong: +\{", text_of(built / "from" / "r_stapler.html"))
    assert re.search(r"consensus +Dice 0\.\d{3}", text_of(built / "start.html"))


def test_the_gallery_has_ten_pictures(built: Path) -> None:
    examples = sorted((DOCS / "gallery").glob("plot_*.py"))
    assert len(examples) == 10
    for example in examples:
        page = (built / "auto_examples" / f"{example.stem}.html").read_text(encoding="utf-8")
        assert re.search(rf"sphx_glr_{example.stem}_\d+\.png", page), example.stem


def test_formulas_need_no_script(built: Path) -> None:
    page = (built / "methods.html").read_text(encoding="utf-8")
    assert page.count("<math") > 30
    assert not re.search(r"<script[^>]+src=[\"']?http", page)
