"""Ctrl-C and SIGTERM: heard from the first moment to the last, with 130 and 143."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fastfuse.images import gz

from ..builds import not_sanitized

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PATIENCE_S = 60
INTERRUPTED = "error: interrupted; no output was written\n"
SIGNALS = pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, INTERRUPTED), (signal.SIGTERM, 143, "")]
)


def run(code: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment,
    )


@SIGNALS
@pytest.mark.parametrize("module", ["typer", "fastfuse.errors", "fastfuse.cli.fuse"])
def test_while_modules_load(module: str, number: int, code: int, said: str) -> None:
    """An import that swallows exceptions is left all the same."""
    done = run(
        f"""
        import os, sys, time

        class Signalled:
            def find_spec(self, name, *_):
                if name == {module!r}:
                    try:
                        os.kill(os.getpid(), {int(number)})
                    except BaseException:
                        pass
                    time.sleep(5)  # it is raised again meanwhile

        sys.meta_path.insert(0, Signalled())
        from fastfuse.__main__ import main
        sys.argv = ["fastfuse", "--version"]
        main()
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


@SIGNALS
def test_while_a_command_loads_numpy(number: int, code: int, said: str, tmp_path: Path) -> None:
    done = run(
        f"""
        import os, sys

        class Signalled:
            def find_spec(self, name, *_):
                if name == "numpy":
                    os.kill(os.getpid(), {int(number)})

        sys.meta_path.insert(0, Signalled())
        from fastfuse.__main__ import main
        sys.argv = ["fastfuse", "fuse", "nothing.nii", "-o", {str(tmp_path / "c.nii")!r}]
        main()
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_what_nohup_ignores_stays_ignored() -> None:
    done = run(
        """
        import os, signal, sys
        signal.signal(signal.SIGINT, signal.SIG_IGN)

        class Signalled:
            def find_spec(self, name, *_):
                if name in ("typer", "fastfuse.errors"):
                    os.kill(os.getpid(), signal.SIGINT)

        sys.meta_path.insert(0, Signalled())
        from fastfuse.__main__ import main
        sys.argv = ["fastfuse", "--version"]
        main()
        """
    )
    assert done.returncode == 0
    assert done.stdout.startswith("fastfuse ")
    assert done.stderr == ""


@SIGNALS
def test_after_the_work(number: int, code: int, said: str) -> None:
    """When all is written, Ctrl-C comes too late; SIGTERM ends the process."""
    done = run(
        f"""
        import atexit, os, sys
        from fastfuse.__main__ import main
        atexit.register(os.kill, os.getpid(), {int(number)})
        sys.argv = ["fastfuse", "--version"]
        main()
        """
    )
    assert done.stdout.startswith("fastfuse ")
    if number == signal.SIGINT:
        assert (done.returncode, done.stderr) == (0, "")


@not_sanitized
@SIGNALS
def test_a_library_that_hears_nothing(number: int, code: int, said: str, tmp_path: Path) -> None:
    """A reader's thread is inside a library for a minute: the process does not wait for it."""
    start = time.perf_counter()
    done = run(
        f"""
        import os, sys, threading, time
        from fastfuse import cli
        from fastfuse.images import reading

        def deaf(path, go_on, _):
            threading.Timer(0.1, os.kill, (os.getpid(), {int(number)})).start()
            time.sleep({PATIENCE_S / 2})

        reading.read = deaf
        sys.argv = ["fastfuse", "fuse", "a.nii", "b.nii", "-o", {str(tmp_path / "c.nii")!r}, "--threads", "2"]
        cli.main(ends=True)
        """
    )
    assert (done.returncode, done.stderr) == (code, said)
    assert time.perf_counter() - start < PATIENCE_S / 3


@pytest.mark.parametrize("isal", [False, True])
def test_while_deflating(isal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume is deflated piece by piece: Ctrl-C ends it after the piece at work."""
    written: list[int] = []

    class Slow:
        def __init__(self, **_: object) -> None:
            pass

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, piece: memoryview) -> None:
            written.append(len(piece))
            if len(written) == 2:
                signal.raise_signal(signal.SIGINT)

    if isal:
        monkeypatch.setattr(gz, "_isal", lambda: SimpleNamespace(IGzipFile=Slow))
    else:
        monkeypatch.setattr(gz, "_isal", lambda: None)
        monkeypatch.setattr(gz.gzip, "GzipFile", Slow)
    with pytest.raises(KeyboardInterrupt):
        gz.compress([bytes(100), bytes(20 * gz.PIECE)])
    assert written == [100, gz.PIECE]


def test_pieces_are_the_whole() -> None:
    content = bytes(range(256)) * (gz.PIECE // 128) + b"end"
    assert b"".join(gz.in_pieces(content)) == content
    assert list(gz.in_pieces(b"")) == []


def test_inside_an_import_that_lets_it_pass(tmp_path: Path) -> None:
    """Python ends by the signal itself after a KeyboardInterrupt that passed an import, handled or not."""
    (tmp_path / "numpy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = run(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from fastfuse.__main__ import main
        sys.argv = ["fastfuse", "fuse", "nothing.nii", "-o", {str(tmp_path / "c.nii")!r}]
        main()
        """
    )
    assert (done.returncode, done.stderr) == (130, INTERRUPTED)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_little_memory_is_no_interruption(tmp_path: Path) -> None:
    """OpenBLAS interrupts a process that gives it no thread; a library may not find room to be loaded."""
    for megabytes in (140, 150, 160, 170):
        done = run(
            f"""
            import resource, sys
            resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20}, {megabytes << 20}))
            from fastfuse.__main__ import main
            sys.argv = ["fastfuse", "fuse", "nothing.nii", "-o", {str(tmp_path / "c.nii")!r}]
            main()
            """
        )
        assert done.returncode != 130, done.stderr
        assert "report this" not in done.stderr


def test_twice_in_a_row(tmp_path: Path) -> None:
    """The second comes while the first is answered."""
    done = run(
        f"""
        import os, sys, threading, time
        from fastfuse import cli
        from fastfuse.images import reading

        def endless(path, go_on, _):
            for delay in (0.1, 0.1, 0.101, 0.102, 0.105, 0.11, 0.12):
                threading.Timer(delay, os.kill, (os.getpid(), 2)).start()
            while True:
                go_on()
                time.sleep(0.001)

        reading.read = endless
        sys.argv = ["fastfuse", "fuse", "a.nii", "b.nii", "-o", {str(tmp_path / "c.nii")!r}, "--threads", "2"]
        cli.main(ends=True)
        """
    )
    assert (done.returncode, done.stderr) == (130, INTERRUPTED)
