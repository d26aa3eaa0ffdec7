"""A small synthetic cohort; networks learn on one thread, and nothing waits for the disk, or asks for memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest

from ..shared import made_once

DRAWING = "fastfuse.train.figures.draw_figures"


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine cases, which no test changes."""
    from fastfuse.demo.cohort import make_cohort  # needs SciPy, which tests of other modules do not

    return made_once(
        tmp_path_factory, "cohort", lambda folder: make_cohort(folder, per_center=3, spacing_mm=6.0)
    )


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads; this holds for processes that tests start, too.

    Nothing asks for free memory, which for files as small takes a fifth of the time to read them.
    """
    with (
        mock.patch.dict(os.environ, OMP_NUM_THREADS="1"),
        mock.patch("os.fsync"),
        mock.patch("fastfuse.images.checks.available", return_value=None),
    ):
        if find_spec("torch") is None:
            yield
            return
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def no_figures() -> Iterator[None]:
    """Draw nothing: figures take longer than all else, and have tests of their own."""
    with mock.patch(DRAWING):
        yield
