"""Each public function has an example, and those of files run as they stand."""

from __future__ import annotations

import doctest
import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse

from .test_words import save, written

OF_FILES = (
    "agreement_files",
    "compare_files",
    "evaluate",
    "evaluate_against_rater_files",
    "evaluate_files",
    "evaluate_folders",
    "fuse_cohort",
    "fuse_files",
    "soften_files",
)


def functions(module: Any) -> dict[str, Any]:
    found = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    return {name: one for name, one in found.items() if inspect.isfunction(one)}


def test_every_function_has_an_example() -> None:
    pytest.importorskip("matplotlib")
    known = {**functions(fastfuse), **functions(fastfuse.plots)}
    assert len(known) > 35
    assert {*OF_FILES} <= {*known}
    told = {name: inspect.getdoc(one) or "" for name, one in known.items()}
    assert [name for name, text in told.items() if ">>> " not in text and ".. plot::" not in text] == []


@pytest.mark.parametrize("name", OF_FILES)
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_examples_of_files_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On files of these names; they write nothing over what is there."""
    if name.startswith(("evaluate", "compare")):
        pytest.importorskip("scipy")
    written(tmp_path, labels=False)
    shutil.copy(tmp_path / "rater0.nii.gz", tmp_path / "truth.nii.gz")
    network, flair = np.zeros((2, 24, 24, 16), np.float32)
    network[4:10, 4:10, 4:10] = 0.8
    flair[3:11, 3:11, 3:11] = 100
    save(network, tmp_path / "network.nii.gz")
    save(flair, tmp_path / "flair.nii.gz")
    for folder in ("predictions", "truths"):
        (tmp_path / folder).mkdir()
        for case in "ab":
            shutil.copy(tmp_path / "rater1.nii.gz", tmp_path / folder / f"{case}.nii.gz")
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder().find(getattr(fastfuse, name), name, module=False, globs={})
    assert len(example.examples) > 1
    out: list[str] = []
    assert doctest.DocTestRunner().run(example, out=out.append).failed == 0, "".join(out)
