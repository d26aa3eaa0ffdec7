"""Work side by side comes in order; without threads it is done one after another."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images.sidecar import sidecar_path
from fastfuse.inputs.threads import side_by_side

from ..files.common import save


def squared(number: int) -> tuple[int, bool]:
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number * number, threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_results_come_in_order(workers: int) -> None:
    found = list(side_by_side(squared, range(20), workers))
    assert found == [(number * number, workers == 1) for number in range(20)]


def test_items_wait_for_threads() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    results = side_by_side(squared, items(), 3)
    assert next(results)[0] == 0
    assert taken == [0, 1, 2]
    results.close()  # type: ignore[attr-defined]


def test_the_first_error_is_told() -> None:
    with pytest.raises(ValueError, match="-2 is below 0"):
        list(side_by_side(squared, [1, -2, -3, 4], 3))


def test_a_system_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refused)
    assert list(side_by_side(squared, range(3), 2)) == [(0, True), (1, True), (4, True)]


@pytest.mark.filterwarnings("ignore:.*marks nothing:fastfuse.FusionWarning")
def test_softened_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    shape = (64, 72, 64)
    flair = save(tmp_path / "flair.nii.gz", rng.random(shape, dtype=np.float32))
    paths = []
    for i, marks in enumerate((20, 40, 0, 60)):
        mask = np.zeros(shape, np.uint8)
        mask.flat[rng.choice(mask.size, marks, replace=False)] = 1
        paths.append(save(tmp_path / f"mask{i}.nii.gz", mask))
    for threads in (1, 3):
        fastfuse.soften_files(paths, flair, out_dir=tmp_path / str(threads), threads=threads)
    for path in paths:
        one, three = (tmp_path / threads / path.name for threads in ("1", "3"))
        assert one.read_bytes() == three.read_bytes()
        told = [json.loads(sidecar_path(file).read_text())["warnings"] for file in (one, three)]
        assert told[0] == told[1]
