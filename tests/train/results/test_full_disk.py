"""Of a command that cannot write its first file, no folder is left either."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest import mock

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.cohort.msseg import find_cases
from fastfuse.errors import FastfuseError
from fastfuse.train.experiment import run_experiment
from fastfuse.train.nnunet.export import Dataset, export
from fastfuse.train.tables import make_tables

from ..common import options


def test_no_folder_is_left(cohort: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    cases = find_cases(cohort)
    dataset = Dataset(cases[:2], [[one.name] for one in cases[:2]], "staple", options())
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for work in (
        lambda: run_experiment(cohort, out, options("methods=staple"), device="cpu"),
        lambda: run_experiment(cohort, out, options("methods=staple"), device="cpu", seeds=[0, 1]),
        lambda: make_tables([finished], out),
        lambda: make_tables([finished], out, peers={"none": [tmp_path / "nowhere"]}),
        lambda: export(dataset, out),
    ):
        with (
            mock.patch("os.fsync", side_effect=full),
            mock.patch("fastfuse.train.figures.draw_figures"),
            pytest.raises(FastfuseError),
        ):
            work()
        assert [*tmp_path.iterdir()] == []
