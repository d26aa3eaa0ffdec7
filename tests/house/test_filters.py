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
OF_THREAD = {"images/formats/quiet.py"}  # where Python gives each thread filters of its own
OF_PROCESS = {"cli/common.py"}  # the command's own
PATIENCE_S = 20


def test_nothing_else_changes_filters() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "catch_warnings" in path.read_text(encoding="utf-8")
    }
    assert found == OF_THREAD | OF_PROCESS


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


def test_warnings_of_other_threads_are_heard_while_one_reads() -> None:
    """Those of the package, and those of the program that embeds it; who reads may warn."""
    inside, heard = threading.Event(), threading.Event()
    said: list[str] = []

    def read() -> None:
        with quiet(said):
            inside.set()
            heard.wait(PATIENCE_S)
            warnings.warn("of\nthe reader", UserWarning, stacklevel=1)
            warnings.warn("old", DeprecationWarning, stacklevel=1)

    def warn_meanwhile() -> None:
        thread = threading.Thread(target=read)
        thread.start()
        inside.wait(PATIENCE_S)
        warn(["doubtful"])
        warnings.warn("of another thread", UserWarning, stacklevel=1)
        heard.set()
        thread.join(PATIENCE_S)

    with pytest.warns() as caught:
        warn_meanwhile()
    assert [str(one.message) for one in caught] == ["doubtful", "of another thread"]
    assert said == ["of the reader"]
    with quiet(), pytest.warns(FusionWarning, match="doubtful"):
        warn(["doubtful"])


def test_filters_that_change_meanwhile_stay_changed() -> None:
    """A thread goes in and out of ``catch_warnings`` around the ends of a reading: no filter is left behind, and none is lost."""
    before = list(warnings.filters)
    reading, outer = quiet([]), warnings.catch_warnings()
    with outer:
        warnings.simplefilter("error")
        reading.__enter__()
    assert warnings.filters == before
    reading.__exit__(None, None, None)
    assert warnings.filters == before
    reading = quiet()
    reading.__enter__()
    with warnings.catch_warnings():
        reading.__exit__(None, None, None)
    assert warnings.filters == before


def test_a_copy_of_the_filters_silences_nobody() -> None:
    """As another thread's ``catch_warnings`` has it for long; a later thread may also get the number of this one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet([]), warnings.catch_warnings():
            copied = list(warnings.filters)
        with quiet():
            copied += warnings.filters
        warnings.filters[:] = copied  # type: ignore[index]
        warnings.warn("afterwards", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["afterwards"]


def test_warnings_of_other_kinds_are_silent_and_not_kept() -> None:
    """Of whatever kind: a module that is loaded on reading may bring its own."""

    class Own(UserWarning):
        pass

    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet(said):

            class Late(Warning):
                pass

            for kind in (Own, Late, Warning, RuntimeWarning, UserWarning):
                warnings.warn(kind.__name__, kind, stacklevel=1)
    assert said == ["UserWarning"]
    assert caught == []


def test_what_was_said_before_is_heard_again() -> None:
    """Python asks no filter about a warning that it has shown at its place."""

    def warn_at_one_place() -> None:
        warnings.warn("again", UserWarning, stacklevel=1)

    said: list[str] = []
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("default")
        warn_at_one_place()
        with quiet(said):
            warn_at_one_place()
    assert said == ["again"]


def test_what_is_kept_is_not_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    with kept_warnings() as outer:
        with kept_warnings() as inner:
            warn(["one", "two: scale=255 (--scale 255)"])
        warn([])
        warn(["three"])
    assert (outer, inner) == (["three"], ["one; two: scale=255"])
    assert not recwarn
