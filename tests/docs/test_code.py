"""The code of the pages and of the gallery runs, and prints what the text beside it says."""

from __future__ import annotations

import re
import runpy
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "python" / "docs"
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if CELL.search(path.read_text("utf-8"))
)
EXAMPLES = sorted(path.name for path in (DOCS / "gallery").glob("plot_*.py"))
SLOW = (  # tests/native and tests/cohort run the same calls
    "native.md",
    "plot_07_intervals.py",
    "plot_10_cohort.py",
)
PRINTED = {
    "from/nnunet.md": r"voxels that differ: 0 of 7680",
    "from/r_stapler.md": r"items wrong: +\{",
    "from/simpleitk.md": r"labels that differ, of 128000 voxels",
    "start.md": r"consensus +Dice 0\.\d{3}",
}


def some(names: list[str]) -> list[object]:
    """Return names, those that take long marked."""
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let code write where it may, and draw without a window; figures are its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    yield
    plt.close("all")


def test_there_is_code() -> None:
    assert len(PAGES) == 7
    assert len(EXAMPLES) == 10
    assert {*PRINTED} < {*PAGES}


@pytest.mark.parametrize("page", some(PAGES))
def test_pages(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    if page == "from/simpleitk.md":
        pytest.importorskip("SimpleITK")
    cells = CELL.findall((DOCS / page).read_text("utf-8"))
    lines = [line for line in "\n".join(cells).splitlines() if not line.startswith(":")]  # but cells' options
    assert "fastfuse" in execute("\n".join(lines))
    assert re.search(PRINTED.get(page, ""), capsys.readouterr().out)


@pytest.mark.parametrize("example", some(EXAMPLES))
def test_gallery(example: str) -> None:
    import matplotlib.pyplot as plt

    execute((DOCS / "gallery" / example).read_text("utf-8"))
    assert plt.get_fignums()


def execute(code: str) -> dict[str, object]:
    """Run code from a file, as its readers do, and return its names."""
    path = Path("code.py")  # in the test's own folder
    path.write_text(code, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        return runpy.run_path(str(path))
