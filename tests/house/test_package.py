"""The package as a whole: what it loads, who knows whom, and whether its texts hold true."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.dilation import conditional as dilation
from fastfuse.fusion import estimate, tabulate, vote_table
from fastfuse.fusion.methods import border, dilated, majority, simplified, soft_staple, staple

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "python" / "fastfuse"


HEAVY = {
    "numpy", "nibabel", "torch", "matplotlib", "scipy", "typer", "rich", "SimpleITK", "PIL", "pydicom", "isal", "fastfuse._core",
    "fastfuse.files.fuse", "fastfuse.fusion.pipeline", "fastfuse.images.nifti",
}  # fmt: skip


def loaded(code: str, *words: str, folder: Path = ROOT) -> set[str]:
    """Return the names of all modules that are loaded when a script ends."""
    ending = "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules)); "
    run = [sys.executable, "-c", ending + code, *words]
    output = subprocess.run(run, capture_output=True, text=True, check=True, cwd=folder, timeout=300).stdout
    return set(output.splitlines()[-1].removeprefix("LOADED ").split())


COMMAND = "from fastfuse.cli import main; main()"


def test_import_is_light() -> None:
    assert loaded("import fastfuse") & HEAVY == set()
    assert loaded("from fastfuse import staple") & HEAVY == {
        "numpy",
        "fastfuse._core",
        "fastfuse.fusion.pipeline",
    }


@pytest.mark.parametrize("words", [["--help"], ["fuse", "--help"], ["soften", "--help"], ["--version"]])
def test_help_loads_only_what_draws_it(words: list[str]) -> None:
    assert loaded(COMMAND, *words) & HEAVY == {"typer", "rich"}


def test_fusing_loads_only_what_it_needs(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.eye(9, dtype=np.uint8)[..., None], np.eye(4)), tmp_path / "r.nii.gz")
    for copy in "ab":
        shutil.copy(tmp_path / "r.nii.gz", tmp_path / f"{copy}.nii.gz")
    words = ["fuse", "a.nii.gz", "b.nii.gz", "-o", "c.nii.gz", "--method", "staple"]
    found = loaded(
        f"from fastfuse.cli.process.lean import start_lean; start_lean(); {COMMAND}", *words, folder=tmp_path
    )
    assert found >= {"numpy", "nibabel", "isal", "fastfuse._core"}
    others = {
        "numpy.ma",
        "typer",
        "click",
        "pydantic",
        "rich",
        "nibabel.cifti2",
        "http.client",
        "importlib.metadata",
        "fastfuse.fusion.labels.result",
        "fastfuse.fusion.streamed.pipeline",
        "matplotlib",
        "SimpleITK",
        "torch",
        "scipy.sparse",
    }
    assert found & others == set()


@pytest.mark.parametrize(
    ("before", "imported", "limit"),
    [("", "import fastfuse", 0.2), ("import numpy, numpy.typing; ", "from fastfuse import staple", 0.1)],
)
def test_import_is_quick(before: str, imported: str, limit: float) -> None:
    """The package, and what a fusion needs beside NumPy, compiled core included; the best of five."""
    code = f"import time; {before}t = time.process_time(); {imported}; print(time.process_time() - t)"
    run = [sys.executable, "-c", code]
    seconds = [
        float(subprocess.run(run, capture_output=True, text=True, check=True, timeout=300).stdout)
        for _ in range(5)
    ]
    assert min(seconds) < limit


def test_public_names_are_found_when_asked_for() -> None:
    homes = [name for names in fastfuse._HOME.values() for name in names]
    assert sorted([*homes, "cuda"]) == sorted(fastfuse.__all__)  # which is a module
    assert set(fastfuse.__all__) <= set(dir(fastfuse))
    for module in ("cuda", "phantom", "plots", "reference"):
        assert getattr(fastfuse, module).__name__.rpartition(".")[2] == module
    assert fastfuse.staple is staple.staple
    code = (
        "from fastfuse import *; import fastfuse; print(*(n for n in fastfuse.__all__ if n not in globals()))"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True, timeout=300).stdout == "\n"


def test_doctests() -> None:
    for module in (
        border,
        staple,
        soft_staple,
        simplified,
        majority,
        dilation,
        dilated,
        tabulate,
        vote_table,
        estimate,
    ):
        failed, tried = doctest.testmod(module)
        assert failed == 0
        assert tried > 1


def test_the_page_on_python_names_the_functions() -> None:
    text = (ROOT / "python" / "docs" / "python.md").read_text(encoding="utf-8")
    for name in ("staple", "soft_staple", "simplified_soft_staple", "majority_vote", "fuse_files"):
        assert f"`{name}" in text


def test_everything_public_is_documented() -> None:
    for name in fastfuse.__all__:
        assert getattr(fastfuse, name).__doc__, name
    for function in (
        fastfuse.staple,
        fastfuse.soft_staple,
        fastfuse.simplified_soft_staple,
        fastfuse.fuse_files,
    ):
        for section in ("Parameters", "Returns", "Raises", "Warns"):
            assert f"{section}\n---" in (inspect.getdoc(function) or ""), (function, section)


def test_the_changelog_has_each_heading_once() -> None:
    """Two branches that are merged line by line leave headings within lines, and parts that run into each other."""
    _, *versions = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")
    for version in versions:
        held = re.findall(r"###.*", version)
        assert held == [part for part in ("### Added", "### Changed", "### Fixed") if part in held]


def test_versions_agree() -> None:
    assert f"\nversion: {fastfuse.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {fastfuse.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        _ = fastfuse.foo


def test_only_the_lanes_contract() -> None:
    """All else gives the same bits on every processor: no fused multiply-add is used there."""
    flags = re.findall(r"-ffp-contract=(\w+)", (ROOT / "CMakeLists.txt").read_text())
    assert flags == ["off", "fast", "fast"]
    own = re.findall(
        r"set_source_files_properties\((cpp/src/\S*) PROPERTIES([^\n]*)",
        (ROOT / "CMakeLists.txt").read_text(),
    )
    contracted = [path for path, properties in own if "-ffp-contract=fast" in properties]
    assert contracted == [
        "cpp/src/engines/lanes/kernels.cpp",
        "cpp/src/engines/lanes/masses/pattern_sums.cpp",
    ]


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("mypy", ["mypy.stubtest", "fastfuse._core"]),
        ("mypy", ["mypy"]),
        ("ruff", ["ruff", "check", "."]),
        ("ruff", ["ruff", "format", "--check", "."]),
    ],
    ids=["stubs", "types", "style", "format"],
)
def test_linters_are_content(tool: str, words: list[str]) -> None:
    pytest.importorskip(tool, reason=f"needs {tool}: pip install . --group dev")
    run = [sys.executable, "-m", *words]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_whole_brain_converges_in_half_a_second() -> None:
    """Seven raters, 182 x 218 x 182 voxels, {0, 0.3, 1} and binary; the best of three runs each."""
    import time

    rng = np.random.default_rng(0)
    shape = (182, 218, 182)
    centre = (np.indices(shape, dtype=np.float32).T - rng.uniform(40, 140, 3).astype(np.float32)).T
    distance = np.sqrt((centre**2).sum(axis=0))
    noise = [rng.normal(0, 1.5, shape).astype(np.float32) for _ in range(2)]
    radii = (17, 18, 19, 20, 18.5, 19.5, 21)
    perceived = [radius - distance + noise[i % 2][:: (-1) ** i] for i, radius in enumerate(radii)]
    masks = [(p > 0).astype(np.uint8) for p in perceived]
    votes = [np.where(p > 0, 1, np.where(p > -1.5, 0.3, 0)).astype(np.float32) for p in perceived]
    for fuse, raters in ((fastfuse.staple, masks), (fastfuse.soft_staple, votes)):
        seconds = []
        for _ in range(3):
            begin = time.perf_counter()
            fused = fuse(raters)
            seconds.append(time.perf_counter() - begin)
            assert fused.converged
        print(f"{fuse.__name__}: {1000 * min(seconds):.0f} ms, {fused.n_iter} iterations")
        assert min(seconds) < 0.5
