"""No circles of imports in the package, and one direction of imports inside train/."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from .test_directions import PACKAGE, imported, place, python_files

# From below to above; names of one line know nothing of each other.
TRAIN = [
    ("options", "files"),
    ("cohort",),
    ("targets", "table_files"),
    ("network",),
    ("results",),
    ("narrator", "provenance", "place"),
    ("run", "gate"),
    ("fit", "figures", "scoring", "finished", "ensemble"),
    ("jobs",),
    ("conclude", "nnunet"),
    ("peers",),
    ("experiment", "tables", "predict"),
]


def module_of(name: str) -> Path | None:
    """Return the file of the module that a dotted name of the package is, or is in."""
    parts = name.strip(".").split(".")
    for count in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:count])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file
    return None  # the compiled core


def graph_of(files: list[Path]) -> dict[Path, set[Path]]:
    """Return the modules that each module imports, at its top, in a function, or for types alone."""
    graph: dict[Path, set[Path]] = {}
    for path in files:
        found = {module_of(name) for name in imported(path) if name.startswith(".")}
        graph[path] = {target for target in found if target not in (None, path)}  # type: ignore[misc]
    return graph


def circle_in(graph: dict[Path, set[Path]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(path.relative_to(PACKAGE)) for path in error.args[1]]
    return []


def test_nobody_imports_in_a_circle() -> None:
    graph = graph_of(python_files())
    assert sum(len(targets) for targets in graph.values()) > 200  # they have been found
    assert circle_in(graph) == []


def test_circles_are_found() -> None:
    a, b, c = (PACKAGE / name for name in ("a.py", "b.py", "c.py"))
    assert set(circle_in({a: {b}, b: {c}, c: {b}})) == {"b.py", "c.py"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "train").rglob("*.py")), ids=lambda path: path.stem)
def test_train_points_downward(path: Path) -> None:
    home = path.relative_to(PACKAGE / "train").with_suffix("").parts[0]
    if home == "__init__":
        return
    here = place(home, TRAIN)
    assert here is not None, f"{home} has no place in train/"
    for name in imported(path):
        target = name.removeprefix(".train.").split(".")[0]
        if name.startswith(".train.") and target != home:
            there = place(target, TRAIN)
            assert there is not None, name
            assert there < here, f"{path.name} imports {name}"
