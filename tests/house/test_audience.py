"""Errors of Python's own kinds that name the shell's options say so through ``said``, which leaves these out in Python."""

from __future__ import annotations

import ast
import importlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cli.flags import typed_names, with_typed_values
from fastfuse.cli.words.spoken import beginning_as_typed

from ..command import run_here

ROOT = Path(fastfuse.__file__).parent
FLAG = re.compile(r"--[a-z]")
SHELL_ALONE = ("cli", "train", "demo")  # what the shell alone calls


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)


def names_a_flag(told: ast.expr, module: Any) -> bool:
    """Tell whether an expression has a flag in it, written there, in a constant, or by ``switch``."""
    for node in ast.walk(told):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FLAG.search(node.value):
            return True
        if isinstance(node, ast.Name):
            if node.id == "switch":
                return True
            if any(FLAG.search(one) for one in texts(getattr(module, node.id, None))):
                return True
    return False


def plain_errors(path: Path) -> Iterator[tuple[int, ast.expr]]:
    """Yield what each ValueError and TypeError of a module says, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = node.func if isinstance(node, ast.Call) and node.args else None
        if isinstance(called, ast.Name) and called.id in ("ValueError", "TypeError"):
            yield node.lineno, node.args[0]


def test_plain_errors_are_said() -> None:
    bare = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] in (*SHELL_ALONE, "adapters", "__main__"):
            continue
        told = list(plain_errors(path))
        module = (
            importlib.import_module(".".join((fastfuse.__name__, *parts)).removesuffix(".__init__"))
            if told
            else None
        )
        for line, one in told:
            through = isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "said"
            if not through and names_a_flag(one, module):
                bare.append(f"{'/'.join(parts)}.py:{line}")
    assert bare == []


WRONG: dict[
    str, tuple[list[str], dict[str, Any], str, str]
] = {  # files, options, Python's words, the shell's
    "values": (["bytes.nii", "mask.nii"], {}, "binarize=True", "--binarize"),
    "an output that is there": (
        ["mask.nii", "mask.nii"],
        {"output": "mask2.nii"},
        "overwrite=True",
        "--overwrite",
    ),
    "another grid": (["mask.nii", "coarse.nii"], {}, "resample='nearest'", "--resample nearest"),
    "segments": (["mask.nii", "mask.nii"], {"select_segment": "a"}, "select_label=K", "--select-label K"),
}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("case", WRONG)
def test_an_error_speaks_the_language_of_who_asks(case: str, tmp_path: Path) -> None:
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[2:4, 2:4, 2:4] = 1
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = 7, 8, 9
    for name, data, place in (
        ("bytes", mask * 255, affine), ("mask", mask, affine), ("mask2", mask, affine),
        ("coarse", mask, affine @ np.diag([1.5, 1.5, 1.5, 1.0])),
    ):  # fmt: skip
        nib.save(nib.Nifti1Image(data, place), tmp_path / f"{name}.nii")
    files, options, in_python, in_shell = WRONG[case]
    output = options.get("output", "out.nii")
    more = {name: value for name, value in options.items() if name != "output"}
    with pytest.raises(ValueError, match=re.escape(in_python)) as told:
        fastfuse.fuse_files([tmp_path / one for one in files], tmp_path / output, **more)
    assert not FLAG.search(str(told.value))
    typed = [word for name, value in more.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = run_here(tmp_path, "fuse", *files, "-o", output, *typed)
    assert done.returncode == 2
    assert in_shell in done.stderr
    assert in_python not in done.stderr
    assert pickle.loads(pickle.dumps(told.value)).args == told.value.args


# Errors that no command of the shell leads to: of what is given in Python alone, and of places that only it knows.
NOT_OF_THE_SHELL = (
    "cohort/workers/crew.py: executor forks",
    "cohort/workers/scheduler.py: scheduler is",  # which says what Python can do
    "files/labels/prior.py: --prior is an array",
    "files/prior.py: --prior is an array",
    "files/votes.py: X: write fuse_files(",
    "fusion/labels/overlap.py: --labels is 'all', and --overlap is given: name the structures",
    "fusion/labels/soft/fuse.py: --labels is 'all': with rings alone",
    "fusion/methods/estimate.py: ",
    "fusion/methods/pool.py: ta",  # tables, which a cohort makes
    "fusion/methods/pool.py: there is no case",
    "fusion/streamed/given.py: X",
    "fusion/streamed/results.py: --roi is X, a margin: of lazy votes",
    "fusion/table_checks.py: the tables have different raters",
    "inputs/arrays.py: X is a masked array",
    "report/plots/pictures.py: ",
    "streaming/executors.py: ",
)


def template(told: ast.expr, module: Any) -> str:
    """Return what an error says, with an X for each value."""
    if isinstance(told, ast.Constant):
        return str(told.value)
    if isinstance(told, ast.JoinedStr):
        return "".join(template(part, module) for part in told.values)
    if isinstance(told, ast.Name) and isinstance(getattr(module, told.id, None), str):
        return str(getattr(module, told.id))
    called = told.value if isinstance(told, ast.FormattedValue) else told
    if isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.args:
        first = called.args[0]
        if called.func.id == "said":
            return template(first, module)
        if called.func.id == "switch" and isinstance(first, ast.Constant):
            return f"--{str(first.value).replace('_', '-')}"
    if (
        isinstance(called, ast.Call)
        and isinstance(called.func, ast.Attribute)
        and called.func.attr == "format"
    ):
        return template(called.func.value, module)
    return template(called, module) if isinstance(called, ast.Name) and called is not told else "X"


def all_errors() -> Iterator[tuple[str, str]]:
    """Yield what each error of the package says, with its file."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] in ("adapters", "reference", "phantom", "plots", "cli", "cuda", "__main__"):
            continue
        module = importlib.import_module(".".join((fastfuse.__name__, *parts)).removesuffix(".__init__"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) and node.args else None
            if isinstance(called, ast.Name) and called.id.endswith("Error"):
                assert isinstance(node, ast.Call)
                yield "/".join(parts) + ".py", template(node.args[0], module)


def test_errors_in_the_shell_name_options_as_they_are_typed() -> None:
    names = typed_names()
    of_python = "|".join(name for name in names if "_" in name)
    words = re.compile(
        rf"(?<![-\w.])(?:{of_python})(?![\w.]| =)|\b(?:{'|'.join(names)})=|\bfastfuse\.\w|\w_files\b|\bexecutor\b|\blazy\b"
    )
    found = list(all_errors())
    told = [f"{file}: {beginning_as_typed(with_typed_values(said), names)}" for file, said in found]
    assert len(told) > 500
    assert [
        one for one in told if words.search(one.partition(": ")[2]) and not one.startswith(NOT_OF_THE_SHELL)
    ] == []
