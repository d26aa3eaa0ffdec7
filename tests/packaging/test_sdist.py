"""The source distribution holds what the repository holds, builds from itself, and its wheel works."""

from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .common import PACKAGING, ROOT, project, run, tracked

MOST_BYTES = {"sdist": 4_000_000, "wheel": 5_000_000, "file": 1_000_000}
NAME = f"fastfuse-{project()['project']['version']}"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the source distribution by the build's own back end, without a network."""
    pytest.importorskip("scikit_build_core", reason="needs scikit-build-core: pip install '.[test]'")
    folder = tmp_path_factory.mktemp("sdist")
    code = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
    run(sys.executable, "-c", code, folder)
    return folder / f"{NAME}.tar.gz"


def test_it_holds_what_the_repository_holds(sdist: Path) -> None:
    """All that is tracked, tests too; no cache, no build, no data beside."""
    with tarfile.open(sdist) as archive:
        members = {member.name.removeprefix(f"{NAME}/"): member for member in archive if member.isfile()}
    assert set(members) - {"PKG-INFO"} == tracked()
    assert {"tests/conftest.py", "LICENSE", "cpp/src/fuse.cpp", "python/fastfuse/py.typed"} <= set(members)
    assert {name: m.size for name, m in members.items() if m.size > MOST_BYTES["file"]} == {}
    assert sdist.stat().st_size < MOST_BYTES["sdist"]


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of the unpacked source distribution, where git finds nothing; as cibuildwheel is told to."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    settings = project()["tool"]["cibuildwheel"]["config-settings"]
    words = [word for name, value in settings.items() for word in ("-C", f"{name}={value}")]
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        *words,
        "-w",
        folder / "dist",
        ".",
        cwd=folder / NAME,
    )
    (made,) = (folder / "dist").glob("*.whl")
    return made


@pytest.mark.slow
def test_wheel_is_small_and_holds_the_package_alone(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES["wheel"]
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        license_text = archive.read(f"{NAME}.dist-info/licenses/LICENSE").decode()
    assert {name.partition("/")[0] for name in names} == {"fastfuse", f"{NAME}.dist-info"}
    package = {
        name
        for name in names
        if name.startswith("fastfuse/") and not name.startswith("fastfuse/_core.cpython")
    }
    source = {name.removeprefix("python/") for name in tracked() if name.startswith("python/fastfuse/")}
    assert package - {"fastfuse/_core.pyd"} == source
    assert license_text == (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel knows Linux alone")
def test_wheel_needs_no_library_but_the_systems(wheel: Path) -> None:
    pytest.importorskip("auditwheel", reason="needs auditwheel")
    said = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel).split())
    assert "manylinux_2_" in said
    assert "libgomp" not in said


@pytest.mark.slow
def test_wheel_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run(python, "-m", "pip", "install", "--quiet", wheel, environment=clean)
    said = run(python, "-W", "error", PACKAGING / "smoke.py", cwd=tmp_path, environment=clean)
    assert f"works: {tmp_path}" in said
