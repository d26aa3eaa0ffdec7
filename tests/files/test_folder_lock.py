"""Two processes that write one set of outputs, and what a killed one leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import fastfuse
from fastfuse.images import folder_lock
from fastfuse.images.outputs import Outputs

from .common import files_in

WRITER = """
    import sys, time
    from pathlib import Path
    from fastfuse.images.outputs import Outputs

    folder, who, pause, rounds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    replace = Path.replace

    def slow(self, to):
        replaced = replace(self, to)
        time.sleep(pause)
        return replaced

    Path.replace = slow
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(rounds):
        with Outputs(overwrite=True) as outputs:
            for name in ("a.nii", "b.nii", "c.json"):
                outputs.add(folder / name, who.encode())
            outputs.commit()
"""


def writers(folder: Path, pause: float, rounds: int) -> list[str]:
    """Let two processes write the same set at once; return what they say on standard error."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)]
    both = [
        subprocess.Popen(
            [*command, who, str(pause), str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in ("one", "two")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return [process.communicate("go\n", timeout=120)[1] for process in both]


@pytest.mark.parametrize(("pause", "rounds"), [(0.1, 2), (0.0, 60)])
def test_sets_never_mix(tmp_path: Path, pause: float, rounds: int) -> None:
    assert writers(tmp_path, pause, rounds) == ["", ""]
    assert files_in(tmp_path) == {"a.nii", "b.nii", "c.json"}
    assert len({(tmp_path / name).read_text() for name in files_in(tmp_path)}) == 1


def test_threads_wait_for_each_other_too(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with folder_lock.alone_in([tmp_path]):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, inside) == (1, 0)
    assert files_in(tmp_path) == set()


def test_a_holder_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 0.2)
    with (
        folder_lock.alone_in([tmp_path]),
        pytest.raises(fastfuse.OutputError, match="another process has been writing"),
        Outputs(overwrite=True) as outputs,
    ):
        outputs.add(tmp_path / "c.nii", b"")
    assert files_in(tmp_path) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("where", ["add", "commit"])
def test_the_next_run_clears_away(tmp_path: Path, paths: list[Path], where: str) -> None:
    """Killed while writing, or between two renames: the next run in the folder removes what was left."""
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    code = f"""
        import os, signal, sys
        from pathlib import Path
        import fastfuse
        folder = Path(sys.argv[1])
        if {where!r} == "add":
            fsync = os.fsync
            os.fsync = lambda file: (fsync(file), os.kill(os.getpid(), signal.SIGKILL))
        else:
            replace = Path.replace
            Path.replace = lambda *names: (replace(*names), os.kill(os.getpid(), signal.SIGKILL))
        fastfuse.fuse_files(sorted(folder.glob("rater*")), folder / "c.nii", save_label=folder / "l.nii", overwrite=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    left = {name for name in files_in(tmp_path) if name.startswith(".fastfuse")}
    assert any(name.endswith(".part") for name in left)
    assert any(name.endswith(".old") for name in left) == (where == "commit")
    assert (tmp_path / "c.json").exists() == (where == "add"), "a set that is not whole has no sidecar"
    fastfuse.fuse_files(paths, tmp_path / "other.nii")
    assert not {name for name in files_in(tmp_path) if name.startswith(".fastfuse")}


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".fastfuse-notes.part").write_text("mine")
    with Outputs(overwrite=True) as first, Outputs(overwrite=True) as second:
        first.add(tmp_path / "a.nii", b"first")
        first.add(tmp_path / "a.json", b"first")
        second.add(tmp_path / "b.nii", b"second")
        second.commit()
        first.commit()
    assert files_in(tmp_path) == {"a.nii", "a.json", "b.nii", ".fastfuse-notes.part"}


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_a_lock_whose_file_was_removed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder removed it between opening and locking: the next one would make, and lock, another file of that name."""
    path, lock, opened = tmp_path / "lock", folder_lock.try_lock, []

    def late(descriptor: int) -> bool | None:
        opened.append(descriptor)
        if len(opened) == 1:
            path.unlink()
        return lock(descriptor)

    monkeypatch.setattr(folder_lock, "try_lock", late)
    descriptor = folder_lock.locked_at_once(path, "it is taken")
    try:
        assert os.path.samestat(os.fstat(descriptor), path.stat())
        assert len(opened) == 2
        assert opened[1] == opened[0]  # the first is closed, and its number free again
        with pytest.raises(fastfuse.OutputError, match="it is taken"):
            folder_lock.locked_at_once(path, "it is taken")
    finally:
        os.close(descriptor)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(_: int) -> None:
        raise OSError(os.strerror(38))

    monkeypatch.setattr(folder_lock, "_TRY", unsupported)
    stranger = tmp_path / f".fastfuse-{'0' * 16}-0.part"
    stranger.write_text("of a process that may be alive")
    with Outputs(overwrite=True) as outputs:
        outputs.add(tmp_path / "c.json", json.dumps({}).encode())
        outputs.commit()
    assert files_in(tmp_path) == {"c.json", stranger.name}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_folder_that_takes_nothing(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(fastfuse.OutputError, match="cannot be written"), Outputs(overwrite=True) as outputs:
        outputs.add(tmp_path / "c.json", b"")
