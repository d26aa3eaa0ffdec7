"""Sizes that one can read: of files, folders and functions."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("python", "cpp", "bench", "tests")
SUFFIXES = {".py", ".pyi", ".cpp", ".hpp", ".cu", ".cuh"}

MOST_LINES = 400
LONG = {"python/fastfuse/reference/fusion.py"}  # the oracle: all of the method on one page
MOST_FILES = 20  # of a folder
MOST_BODY = 60  # lines of a function without signature and docstring
USUAL = 25  # lines that nine of ten functions keep, with their signature


def source_files() -> list[Path]:
    return sorted(
        path
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in SUFFIXES and "__pycache__" not in path.parts
    )


def functions() -> Iterator[tuple[str, int, int]]:
    """Yield each function's name, its lines without the docstring, and those without the signature too."""
    for path in sorted((ROOT / "python").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                documented = ast.get_docstring(node) is not None
                statements = node.body[1:] if documented else node.body
                body = node.end_lineno - statements[0].lineno + 1 if statements else 0
                docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
                yield f"{path.name}: {node.name}", node.end_lineno - node.lineno + 1 - docstring, body


def test_files() -> None:
    lines = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in source_files()
    }
    assert len(lines) > 200
    assert {name: count for name, count in lines.items() if count > MOST_LINES and name not in LONG} == {}


def test_folders() -> None:
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in source_files())
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_functions() -> None:
    found = list(functions())
    assert len(found) > 400
    assert [name for name, _, body in found if body > MOST_BODY] == []
    whole = sorted(lines for _, lines, _ in found)
    assert whole[int(0.9 * len(whole))] <= USUAL
