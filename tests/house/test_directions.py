"""Who may know whom: imports and includes point downward only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "fastfuse"
CPP = ROOT / "cpp"

# Folders of one line know nothing of each other.
PYTHON = [
    ("errors",),
    ("inputs",),
    ("images", "dilation"),
    ("streaming",),
    ("evaluation", "fusion"),
    ("comparison",),
    ("report",),
    ("files", "cuda"),
    ("cohort",),
    ("adapters", "demo", "train"),
    ("plots", "phantom"),
    ("cli",),
    ("__main__",),
]
# Folders and files of cpp/src; the public headers lie below them all, except those of the pipeline.
KERNELS = [
    ("support",),
    ("votes",),
    ("posterior", "dilation", "smoothing", "labels"),
    ("em",),
    ("engine",),
    ("engines",),
    ("cuda",),
    ("plan", "make_engine", "report"),
    ("border", "classes"),
    ("fuse",),
]
# Public headers of the pipeline, with the lowest that may include them.
PIPELINE = {"fastfuse/plan.hpp": "engine"}


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Dotted names of all that a file imports, anywhere in it; those of the package begin with a dot."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            home = ".".join(["", *base, *([node.module] if node.module else [])])
            yield from (f"{home}.{alias.name}" for alias in node.names)


def place(name: str, lines: list[tuple[str, ...]]) -> int | None:
    return next((k for k, line in enumerate(lines) if name in line), None)


def points_up(source: str, target: str, lines: list[tuple[str, ...]]) -> bool:
    here, there = place(source, lines), place(target, lines)
    assert here is not None, f"{source} has no place in the house"
    return there is not None and source != target and there >= here


def python_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def home_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_python_points_downward() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files()
        if home_of(path) != "reference"
        for name in imported(path)
        if name.startswith(".") and points_up(home_of(path), name.split(".")[1], PYTHON)
    ]
    assert wrong == []


def test_reference_stands_alone() -> None:
    for path in python_files():
        for name in imported(path):
            if name.startswith("."):
                assert (home_of(path) == "reference") == (name.split(".")[1] == "reference"), path


@pytest.mark.parametrize(
    ("module", "users"),
    [
        (
            "._core",
            {
                "fusion/backends",
                "fusion/vote_table.py",
                "dilation",
                "inputs/threads.py",
                "inputs/channels.py",
            },
        ),
        ("nibabel", {"images"}),
        ("isal", {"images/gz.py"}),
        ("PIL", {"images/formats/pictures.py"}),
        ("pydicom", {"images/formats/dicom.py", "images/written/dicom_seg.py"}),
        ("torch", {"train"}),
        ("monai", {"adapters/monai.py"}),
        ("torchio", {"adapters/torchio.py"}),
        ("jinja2", {"report/html", "files/report.py"}),
        ("matplotlib", {"report/plots", "train/results/plots"}),
        ("typer", {"cli"}),
    ],
)
def test_libraries_have_one_home(module: str, users: set[str]) -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in python_files()
        for name in imported(path)
        if f"{name}.".startswith(f"{module}.")
        and not any(path.is_relative_to(PACKAGE / user) for user in users)
    ]
    assert wrong == []


def includes(path: Path) -> list[str]:
    return re.findall(r'^#include ["<]([^">]+)', path.read_text(), re.MULTILINE)


def test_kernels_know_no_python() -> None:
    for path in CPP.rglob("*.*"):
        assert not [
            name for name in includes(path) if name.split("/")[0] in ("Python.h", "pybind11", "numpy")
        ], path


def kernel_files() -> list[Path]:
    return [path for path in (CPP / "src").rglob("*.*") if path.suffix in (".cpp", ".hpp", ".cu", ".cuh")]


def kernel_home(path: Path) -> str:
    return path.relative_to(CPP / "src").with_suffix("").parts[0]


def test_kernels_point_downward() -> None:
    sources = kernel_files()
    wrong = []
    for path in sources:
        home = kernel_home(path)
        own = [name for name in includes(path) if (CPP / "src" / name).exists()]
        targets = {name: Path(name).with_suffix("").parts[0] for name in own}
        wrong += [
            f"{path.relative_to(ROOT)} includes {name}"
            for name, target in targets.items()
            if points_up(home, target, KERNELS)
        ]
    assert len(sources) > 50
    assert wrong == []


def includes_pipeline(home: str, name: str) -> bool:
    """Whether a file of `home` includes, by `name`, a public header that only folders above it may."""
    lowest = PIPELINE.get(name)
    return lowest is not None and home != lowest and not points_up(lowest, home, KERNELS)


def test_lower_folders_know_no_pipeline() -> None:
    """Nor do the public headers below it."""
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in kernel_files()
        for name in includes(path)
        if includes_pipeline(kernel_home(path), name)
    ]
    wrong += [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in (CPP / "include").rglob("*.hpp")
        for name in includes(path)
        if name in PIPELINE
    ]
    assert all((CPP / "include" / name).exists() for name in PIPELINE)
    assert wrong == []


def test_points_up() -> None:
    assert includes_pipeline("votes", "fastfuse/plan.hpp")
    assert includes_pipeline("em", "fastfuse/plan.hpp")
    assert not includes_pipeline("engines", "fastfuse/plan.hpp")
    assert not includes_pipeline("em", "fastfuse/model.hpp")
    assert points_up("votes", "em", KERNELS)
    assert points_up("posterior", "dilation", KERNELS)
    assert not points_up("engines", "engine", KERNELS)


def test_public_headers_stand_alone() -> None:
    for path in (CPP / "include").rglob("*.hpp"):
        assert {name.split("/")[0] for name in includes(path) if "/" in name} <= {"fastfuse"}, path


def test_bindings_know_the_public_headers_alone() -> None:
    """And pybind11, the standard library and each other."""
    for path in (ROOT / "python" / "bindings").glob("*.*"):
        folders = {name.split("/")[0] for name in includes(path) if "/" in name}
        assert folders <= {"pybind11", "fastfuse"}, path
