"""Filters of warnings belong to the process: two threads that change them and back leave them changed."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastfuse.cohort import tasks
from fastfuse.errors import FusionWarning, kept_warnings, warn
from fastfuse.images.formats.quiet import quiet

from ..cohort.files import fused, make_cohort

PACKAGE = Path(__file__).parents[2] / "python" / "fastfuse"
ALONE = {
    "images/formats/pictures.py",
    "images/formats/dicom.py",
    "images/formats/other.py",
}  # in quiet(), one at a time
OF_PROCESS = {"cli/common.py"}  # the command's own
PATIENCE_S = 20


def test_nothing_else_changes_filters() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "catch_warnings" in path.read_text(encoding="utf-8")
    }
    assert found == ALONE | OF_PROCESS
    for name in ALONE:
        lines = (PACKAGE / name).read_text(encoding="utf-8").splitlines()
        assert all("with quiet()" in line for line in lines if "catch_warnings" in line), name


def test_cases_in_threads_leave_filters_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once in their work; none of their warnings comes out, and the filters are as they were."""
    root = make_cohort(tmp_path / "in", 4)
    before, all_in = list(warnings.filters), threading.Barrier(4)
    work = tasks._attempt

    def attempt(task: tasks.Task, function: object) -> object:
        def together(one: tasks.Task) -> object:
            all_in.wait(PATIENCE_S)
            warn([f"of {one.case.name}"])
            return function(one)  # type: ignore[operator]

        return work(task, together)

    monkeypatch.setattr(tasks, "_attempt", attempt)
    with ThreadPoolExecutor(4) as executor, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        during = list(warnings.filters)
        assert not fused(root, tmp_path / "out", executor=executor, workers=4).failed
        assert warnings.filters == during
    assert warnings.filters == before
    assert not [one for one in caught if "of case-" in str(one.message)]


def test_a_warning_is_not_lost_while_another_thread_reads() -> None:
    inside = threading.Event()

    def read() -> None:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inside.set()
            threading.Event().wait(0.3)

    def warn_meanwhile() -> None:
        thread = threading.Thread(target=read)
        thread.start()
        inside.wait(PATIENCE_S)
        warn(["doubtful"])
        thread.join(PATIENCE_S)

    with pytest.warns(FusionWarning, match="doubtful"):
        warn_meanwhile()
    with quiet(), pytest.warns(FusionWarning, match="doubtful"):  # who reads may warn
        warn(["doubtful"])


def test_what_is_kept_is_not_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    with kept_warnings() as outer:
        with kept_warnings() as inner:
            warn(["one", "two: scale=255 (--scale 255)"])
        warn([])
        warn(["three"])
    assert (outer, inner) == (["three"], ["one; two: scale=255"])
    assert not recwarn
