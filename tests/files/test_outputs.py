"""Outputs: all of them complete, or none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

import fastfuse
from fastfuse.images.outputs import write_all

from .common import SHAPE, files_in


def test_existing_outputs_are_kept(tmp_path: Path, paths: list[Path]) -> None:
    output, label = tmp_path / "c.nii.gz", tmp_path / "l.nii.gz"
    for existing in (output, label, tmp_path / "c.json"):
        existing.write_bytes(b"precious")
        with pytest.raises(
            fastfuse.OutputError,
            match=rf"{existing.name}: exists already; choose another name or pass overwrite=True$",
        ):
            fastfuse.fuse_files(paths, output, save_label=label)
        assert existing.read_bytes() == b"precious"
        existing.unlink()
    (tmp_path / "c.json").write_bytes(b"old")
    fastfuse.fuse_files(paths, output, save_label=label, overwrite=True)
    assert json.loads((tmp_path / "c.json").read_text())["method"] == "soft-staple"


def test_impossible_outputs(tmp_path: Path, paths: list[Path]) -> None:
    before = paths[0].read_bytes()
    for output, message in [
        ("c.mha", r"must end in \.nii or \.nii\.gz"),
        ("nowhere/c.nii.gz", "nowhere does not exist"),
        ("rater1.nii.gz", "is one of the inputs"),
    ]:
        with pytest.raises(fastfuse.OutputError, match=message):
            fastfuse.fuse_files(paths, tmp_path / output, overwrite=True)
    with pytest.raises(fastfuse.OutputError, match="is to hold two outputs"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", save_label=tmp_path / "c.nii")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(fastfuse.OutputError, match="is a folder"):
        fastfuse.fuse_files(paths, tmp_path / "folder.nii", overwrite=True)
    assert paths[0].read_bytes() == before


def test_one_output_by_two_names(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for other in ("real/../real/c.nii", "link/c.nii"):
        with pytest.raises(fastfuse.OutputError, match="is to hold two outputs"):
            fastfuse.fuse_files(paths, tmp_path / "real" / "c.nii", save_label=tmp_path / other)


def test_links_are_followed(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "c.nii").symlink_to("target.nii")
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    assert (tmp_path / "c.nii").is_symlink()
    assert nib.load(tmp_path / "target.nii").shape == SHAPE


def test_longest_name(tmp_path: Path, paths: list[Path]) -> None:
    output = tmp_path / f"{'c' * 248}.nii"
    fastfuse.fuse_files(paths, output)
    assert output.exists()


def test_failure_between_two_renames_puts_all_back(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, label = tmp_path / "c.nii", tmp_path / "l.nii"
    for existing in (True, False):
        if existing:
            fastfuse.fuse_files(paths, output, save_label=label)
        before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
        replace = Path.replace

        def fail_at_label(self: Path, to: Path, replace: Any = replace) -> Path:
            if to.name == "l.nii" and self.suffix == ".part":
                raise PermissionError(1, "Operation not permitted")
            return replace(self, to)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", fail_at_label)
            with pytest.raises(
                fastfuse.OutputError, match=r"l\.nii: cannot be written .*; nothing was changed"
            ):
                fastfuse.fuse_files(paths, output, save_label=label, method="majority", overwrite=True)
        assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before
        for path in (output, label, tmp_path / "c.json"):
            path.unlink(missing_ok=True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_signal_between_two_renames_waits(tmp_path: Path, paths: list[Path]) -> None:
    code = """
        replace = Path.replace
        def interrupted(self, to):
            os.kill(os.getpid(), signal.SIGINT)
            return replace(self, to)
        Path.replace = interrupted
        fastfuse.fuse_files(paths, folder / "c.nii", save_label=folder / "l.nii", overwrite=True)
    """
    assert run_in_child(code, tmp_path).returncode == -signal.SIGINT
    assert files_in(tmp_path) == {path.name for path in paths} | {"c.nii", "l.nii", "c.json"}


def test_handlers_that_are_not_of_python_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that embeds Python may have its own, which ``signal`` could not put back; the others are back at the end."""
    changed, of_python, change = [], signal.getsignal, signal.signal
    monkeypatch.setattr(signal, "getsignal", lambda one: None if one == signal.SIGTERM else of_python(one))
    monkeypatch.setattr(signal, "signal", lambda one, to: changed.append((one, to)) or change(one, to))
    before = of_python(signal.SIGINT)
    write_all({tmp_path / "a": b"a"})
    assert [one for one, _ in changed] == [signal.SIGINT] * 2
    assert changed[-1][1] is before


def test_bad_options_touch_nothing(tmp_path: Path, paths: list[Path]) -> None:
    for options, message in [
        ({"method": "average"}, "method is 'average': it must be 'staple' or 'dilated-staple' or"),
        ({"cut": 0}, "cut is 0"),
        ({"prior": "median"}, "prior is 'median'"),
        ({"method": "majority", "prior": 0.5}, "prior is 0.5: majority has no such option"),
        ({"method": "staple", "m_step": "em2"}, "m_step is 'em2'"),
        ({"method": "staple", "m_step": "em"}, "m_step is 'em': staple has no such option"),
        ({"cut": "high"}, "cut is 'high'"),
        ({"prior": "0.5x"}, "prior is '0.5x': it must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", **options)
    with pytest.raises(ValueError, match="no raters"):
        fastfuse.fuse_files([], tmp_path / "c.nii.gz")
    assert files_in(tmp_path) == {path.name for path in paths}


def run_in_child(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = (
        """
        import os, resource, signal, sys
        from pathlib import Path
        import fastfuse
        folder = Path(sys.argv[1])
        paths = sorted(folder.glob("rater*.nii.gz"))
        """,
        code,
    )
    text = "\n".join(textwrap.dedent(part) for part in script)
    return subprocess.run(
        [sys.executable, "-c", text, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_full_disk(tmp_path: Path, paths: list[Path]) -> None:
    """No room for the output: the old files stay, and nothing half-written."""
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    code = """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            fastfuse.fuse_files(paths, folder / "c.nii", method="majority", overwrite=True)
        except fastfuse.OutputError as error:
            print(error)
    """
    done = run_in_child(code, tmp_path)
    assert "c.nii: cannot be written (File too large); nothing was changed" in done.stdout, done.stderr
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_kill_while_writing(tmp_path: Path, paths: list[Path], how: str) -> None:
    """Killed between the writing and the renaming of outputs: the old ones are whole."""
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    code = f"""
        fsync = os.fsync
        def killed(descriptor):
            fsync(descriptor)
            os.kill(os.getpid(), signal.{how})
        os.fsync = killed
        fastfuse.fuse_files(paths, folder / "c.nii.gz", method="majority", overwrite=True)
    """
    done = run_in_child(code, tmp_path)
    assert done.returncode == -getattr(signal, how)
    visible = {
        name: (tmp_path / name).read_bytes() for name in files_in(tmp_path) if not name.endswith(".part")
    }
    assert visible == before
    if how == "SIGINT":
        assert files_in(tmp_path) == set(before), "temporary files are removed"


def test_the_sidecar_comes_last(tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append(to.name), replace(self, to))[1])
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", save_label=tmp_path / "l.nii.gz", overwrite=True)
    assert order == ["c.nii.gz", "l.nii.gz", "c.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_outputs_get_ordinary_permissions(tmp_path: Path, paths: list[Path]) -> None:
    umask = os.umask(0o027)
    try:
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    finally:
        os.umask(umask)
    assert (tmp_path / "c.nii.gz").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_odd_outputs(tmp_path: Path, paths: list[Path]) -> None:
    (tmp_path / "loop.nii").symlink_to(tmp_path / "loop.nii")
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(
        fastfuse.OutputError, match=r"loop\.nii: cannot be written \((its links|Too many levels)"
    ):
        fastfuse.fuse_files(paths, tmp_path / "loop.nii", overwrite=True)
    with pytest.raises(fastfuse.OutputError, match=r"pipe\.nii: is not a regular file"):
        fastfuse.fuse_files(paths, tmp_path / "pipe.nii", overwrite=True)
    with pytest.raises(fastfuse.OutputError, match="the name of an output is empty"):
        fastfuse.fuse_files(paths, "")
    with pytest.raises(fastfuse.ImageError, match=r"loop\.nii: cannot be found"):
        fastfuse.fuse_files([tmp_path / "loop.nii"], tmp_path / "c.nii")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_overwriting_keeps_permissions(tmp_path: Path, paths: list[Path]) -> None:
    output = tmp_path / "c.nii.gz"
    fastfuse.fuse_files(paths, output)
    output.chmod(0o600)
    fastfuse.fuse_files(paths, output, overwrite=True)
    assert output.stat().st_mode & 0o777 == 0o600


def test_output_that_appears_meanwhile_is_kept(tmp_path: Path, paths: list[Path]) -> None:
    def meddle(step: str) -> None:
        if step == "writing c.nii":
            (tmp_path / "l.nii").write_text("mine")

    with pytest.raises(fastfuse.OutputError, match=r"l\.nii: was written by another process meanwhile"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", save_label=tmp_path / "l.nii", progress=meddle)
    assert (tmp_path / "l.nii").read_text() == "mine"
    assert files_in(tmp_path) == {path.name for path in paths} | {"l.nii"}
