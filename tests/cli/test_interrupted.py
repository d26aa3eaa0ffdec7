"""A signal amid a command's outputs: all are there, or none, and what is said is true; in a library, it is not lost."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastfuse
from fastfuse.images import outputs
from tests.command import run_here

from .common import MASKS, case_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

# Commands with several outputs, by the place of the words that name them.
COMMANDS = {
    "fuse": "fuse {masks} -o c.nii.gz --save-label l.nii.gz --save-counts n.nii.gz",
    "fuse labels": "fuse {masks} -o c.nii.gz --labels all --save-confidence p.nii.gz",
    "soften": "soften {masks} --image flair.nii.gz --out-dir soft",
    "agreement": "agreement {masks} -o a.json --figure a.png",
    "evaluate": "evaluate {mask} {other} -o e.json --save-lesions e.nii.gz",
    "evaluate raters": "evaluate network_0.nii.gz {masks} -o e.json --figure e.png",
    "evaluate folders": "evaluate one two -o e.csv",
}
SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
OF_COMMANDS = pytest.mark.parametrize(
    ("command", "number", "code"),
    [*((command, signal.SIGINT, 130) for command in COMMANDS), ("fuse", signal.SIGTERM, 143)],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = case_in(tmp_path_factory.mktemp("case"))
    for name, mask in (("one", MASKS[0]), ("two", MASKS[1])):
        (folder / name).mkdir()
        (folder / name / "p1.nii.gz").write_bytes((folder / mask).read_bytes())
    return folder


def words_of(command: str) -> list[str]:
    named = {"masks": " ".join(MASKS[:3]), "mask": MASKS[0], "other": MASKS[1]}
    return COMMANDS[command].format(**named).split()


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def interrupted_at(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    words: list[str],
    target: Any,
    name: str,
    call: int,
    number: int,
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run a command that gets a signal when a function is called for the nth time; return what it wrote, too."""
    function, calls = getattr(target, name), []

    def signalled(*given: Any, **more: Any) -> Any:
        calls.append(name)
        if len(calls) == call:
            signal.raise_signal(number)
        return function(*given, **more)

    before = files_in(folder)
    monkeypatch.setattr(target, name, signalled)
    done = run_here(folder, *words)
    monkeypatch.undo()
    assert len(calls) >= call
    return done, files_in(folder) - before


@OF_COMMANDS
def test_before_the_last_output(
    command: str, number: int, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = (outputs.Outputs, "add")
    done, written = interrupted_at(monkeypatch, folder, words_of(command), *add, 2, number)
    assert (done.returncode, written) == (code, set())
    assert done.stderr == ("error: interrupted; no output was written\n" if code == 130 else "")


@OF_COMMANDS
def test_between_names(
    command: str, number: int, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All get their names, and are named."""
    done, written = interrupted_at(monkeypatch, folder, words_of(command), outputs, "_give_name", 2, number)
    for name in written:
        (folder / name).unlink()
    assert done.returncode == code
    assert len(written) >= 2
    what = "interrupted" if code == 130 else "terminated"
    told = " ".join(done.stderr.split())
    assert told.startswith(f"error: {what}; already written, and complete: ")
    assert all(name in told for name in written)


@SIGNALS
@pytest.mark.parametrize("becomes", ["another error", "nothing"])
def test_while_a_package_loads(
    becomes: str, number: int, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code in C makes an ImportError of the signal; other code takes no notice, and goes on."""

    class Signalled:
        def find_spec(self, name: str, *_: Any) -> None:
            if name != "fastfuse.report.plots":
                return
            try:
                signal.raise_signal(number)
            except (KeyboardInterrupt, SystemExit):
                if becomes == "another error":
                    raise ImportError("initialization failed") from None

    importlib.import_module("fastfuse.report.plots")
    for name in [name for name in sys.modules if name.startswith("fastfuse.report.plots")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(fastfuse.report, "plots")
    monkeypatch.setattr(sys, "meta_path", [Signalled(), *sys.meta_path])
    before = files_in(folder)
    done = run_here(folder, *words_of("agreement"))
    written = files_in(folder) - before
    for name in written:
        (folder / name).unlink()
    assert done.returncode == code
    assert len(written) in (0, 2)
    assert "cannot load" not in done.stderr


@SIGNALS
def test_what_is_swallowed_is_raised_again(
    number: int, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that catches everything goes on for a minute: it is left all the same."""
    import threading

    from fastfuse.images import reading

    def deaf(*_: Any, **__: Any) -> None:
        for _ in range(500):
            try:
                threading.Event().wait(0.01)
                signal.raise_signal(number) if not heard else None
            except BaseException as error:
                heard.append(type(error))
                if len(heard) > 1:
                    raise

    heard: list[type] = []
    monkeypatch.setattr(reading, "read", deaf)
    done = run_here(folder, *words_of("fuse"), "--threads", "1")
    assert (done.returncode, len(heard)) == (code, 2)


def test_handlers_are_those_of_before(folder: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook
    run_here(folder, "--version")
    assert (
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        sys.unraisablehook,
    ) == before


def test_together(tmp_path: Path) -> None:
    """What the first of two commits in a block writes does not outlive a failure behind it."""

    def write(content: bytes, *, fails: bool = False, second: bool = False) -> list[Path]:
        with outputs.recording() as written, outputs.together():
            for name, overwrite in (("a", second), ("b", False)):
                with outputs.Outputs(overwrite=overwrite) as one:
                    one.add(tmp_path / name, content)
                    one.commit()
                assert second or files_in(tmp_path) & {"a", "b"} == set()
            if fails:
                raise RuntimeError
        return written

    with pytest.raises(RuntimeError):
        write(b"0", fails=True)
    assert files_in(tmp_path) == set()
    assert write(b"1") == [tmp_path / "a", tmp_path / "b"]
    assert files_in(tmp_path) == {"a", "b"}
    with pytest.raises(fastfuse.OutputError, match="meanwhile"):
        write(b"2", second=True)
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == {"a": b"1", "b": b"1"}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(
    ("module", "run", "draw"), [("case", "run", "draw_consensus"), ("labels", "run_labels", "draw_labels")]
)
def test_a_demo_without_its_figure(
    module: str, run: str, draw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Volumes and figure appear together."""
    demo = importlib.import_module(f"fastfuse.demo.{module}")

    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, draw, fail)
    with outputs.recording() as written, pytest.raises(KeyboardInterrupt):
        getattr(demo, run)(tmp_path, shape=(36, 44, 36), spacing_mm=5.0)
    assert (files_in(tmp_path), written) == (set(), [])
