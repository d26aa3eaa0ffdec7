"""What the page on Python says of services: a call leaves the process as it was, and what it raises and warns of travels."""

from __future__ import annotations

import copy
import gzip
import locale
import logging
import os
import pickle
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import ModelError
from fastfuse.images.four_axes import FourAxesError

SHAPE = (14, 15, 16)
BALL = np.linalg.norm(np.indices(SHAPE) - 7, axis=0) < 5


def masks(raters: int = 4) -> list[np.ndarray]:
    """Return masks that nobody may write to."""
    rng = np.random.default_rng(0)
    made = [(BALL ^ (rng.random(SHAPE) < 0.02)).astype(np.uint8) for _ in range(raters)]
    for one in made:
        one.setflags(write=False)
    return made


IMAGE = (100 * BALL + np.random.default_rng(1).normal(0, 5, SHAPE)).astype(np.float32)
PAIRS = [one + np.roll(one, 4, 0) * (1 - one) * 2 for one in masks()]
MM = (1.0, 1.0, 1.0)


def of_process() -> dict[str, Any]:
    """Return what a call may not change."""
    root = logging.getLogger()
    return {
        "folder": os.getcwd(),  # noqa: PTH109
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)],
        "random": (random.getstate(), np.random.get_state()[1].tolist()),  # type: ignore[index,union-attr]  # noqa: NPY002
        "errors of NumPy": np.geterr(),
        "filters": list(warnings.filters),
        "log": (list(root.handlers), root.level),
        "recursion": sys.getrecursionlimit(),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0,  # noqa: PTH208
    }


def written(folder: Path, arrays: list[np.ndarray]) -> list[Path]:
    """Return the paths of volumes in files."""
    paths = [folder / f"{i}.nii.gz" for i in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return paths


def calls(folder: Path) -> dict[str, Callable[[], object]]:
    """Return calls of many kinds; some of them fail."""
    paths, votes = written(folder, [*masks(), IMAGE]), masks()
    output, torn = folder / "c.nii.gz", folder / "torn.nii.gz"
    torn.write_bytes(paths[0].read_bytes()[:200])
    nib.save(nib.MGHImage(votes[0], np.eye(4)), folder / "a.mgz")
    return {
        "staple": lambda: fastfuse.staple(votes, intervals="bootstrap", replicates=3),
        "border": lambda: fastfuse.border_staple(votes, IMAGE, spacing_mm=MM),
        "labels": lambda: fastfuse.fuse(PAIRS, "staple", labels="all"),
        "evaluate": lambda: fastfuse.evaluate(votes[0], votes[1], spacing_mm=MM),
        "agreement": lambda: fastfuse.agreement(votes),
        "files": lambda: fastfuse.fuse_files(paths[:-1], output, method="staple", overwrite=True),
        "border of files": lambda: fastfuse.fuse_files(
            paths[:-1], output, method="border-staple", image=paths[-1], overwrite=True
        ),
        "blocks": lambda: fastfuse.fuse_files(
            paths[:-1], output, method="staple", max_memory="1M", overwrite=True
        ),
        "other format": lambda: fastfuse.evaluate_files(paths[0], folder / "a.mgz"),
        "torn": lambda: fastfuse.fuse_files([paths[0], torn], output, overwrite=True),
        "no folder": lambda: fastfuse.fuse_files(paths[:-1], folder / "none" / "c.nii", method="staple"),
        "nan": lambda: fastfuse.soft_staple([*votes[:2], np.full(SHAPE, np.nan)]),
    }


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_calls_leave_the_process_as_it_was(tmp_path: Path) -> None:
    failed = []

    def done(name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except ValueError:
            failed.append(name)

    made = calls(tmp_path)
    for name, call in made.items():
        done(name, call)  # what is imported first may set up itself
    failed.clear()
    for name, call in made.items():
        before = of_process()
        done(name, call)
        assert of_process() == before, name
    assert failed == ["torn", "no folder", "nan"]
    with ThreadPoolExecutor(6) as pool:
        before = of_process()["filters"]
        list(pool.map(lambda one: done(*one), [*made.items()] * 2))
    assert of_process()["filters"] == before
    kept = {"c.nii.gz", "c.json", "torn.nii.gz", "a.mgz", *(f"{i}.nii.gz" for i in range(5))}
    assert {path.name for path in tmp_path.iterdir()} == kept


@pytest.mark.parametrize(
    "error",
    [
        fastfuse.FastfuseError("base"),
        fastfuse.ImageError("a.nii: torn"),
        fastfuse.GridError("a.nii and b.nii"),
        fastfuse.CohortError("in: empty"),
        fastfuse.OutputError("c.nii: exists; pass --overwrite (overwrite=True)"),
        ModelError("own network", "its traceback"),
        FourAxesError("a.nii: it has shape (2, 3, 4, 5)"),
        fastfuse.FusionWarning("one; two", remarks=("one", "two")),
    ],
)
def test_errors_travel(error: Exception) -> None:
    for there in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(there) is type(error)
        assert (str(there), vars(there)) == (str(error), vars(error))


def test_what_is_wrong_with_an_input_is_of_two_classes() -> None:
    assert issubclass(fastfuse.FastfuseError, ValueError)
    for error in (fastfuse.ImageError, fastfuse.GridError, fastfuse.CohortError, fastfuse.OutputError):
        assert issubclass(error, fastfuse.FastfuseError)


def test_each_warning_goes_to_the_log_of_its_thread(caplog: pytest.LogCaptureFixture) -> None:
    """As the page says: also those of equal text, and each from the thread of its call."""
    empty = [masks()[0], np.zeros(SHAPE), np.zeros(SHAPE)]
    with warnings.catch_warnings():
        logging.captureWarnings(True)
        try:
            warnings.simplefilter("always", fastfuse.FusionWarning)
            threads = [
                threading.Thread(target=fastfuse.staple, args=(empty,), name=f"of user {i}") for i in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            logging.captureWarnings(False)
    told = [
        (one.threadName, "rater 1 and rater 2 mark nothing" in one.getMessage()) for one in caplog.records
    ]
    assert sorted(told) == [(f"of user {i}", True) for i in range(8)]  # type: ignore[type-var]


def test_results_are_the_callers_own() -> None:
    """Who changes one changes no other, and no estimate that it came from."""
    votes = masks()
    table = fastfuse.tabulate(votes)
    rates = fastfuse.estimate(table)
    first, expected = rates.apply(votes), rates.apply(votes)
    for array in (first.probability, first.sensitivity, first.specificity, first.volume, first.dice):
        assert not any(np.shares_memory(array, vote) for vote in votes)
        array[...] = 7
    again = rates.apply(votes)
    for name in ("probability", "sensitivity", "specificity", "volume", "dice"):
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    np.testing.assert_array_equal(fastfuse.estimate(table).sensitivity, rates.sensitivity)


def test_a_limit_of_memory_asks_the_header_first(tmp_path: Path) -> None:
    """A file of some bytes that claims to hold 4 GB is refused before anything behind its header is inflated: here is nothing."""
    paths = written(tmp_path, masks(2))
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((2048, 2048, 1024))
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    with gzip.open(tmp_path / "bomb.nii.gz", "wb") as file:
        file.write(header.binaryblock + bytes(4))
    with pytest.raises(fastfuse.GridError, match=r"bomb\.nii\.gz does not lie on the grid"):
        fastfuse.fuse_files(
            [*paths, tmp_path / "bomb.nii.gz"], tmp_path / "c.nii", method="staple", max_memory="500M"
        )
    assert not (tmp_path / "c.nii").exists()
