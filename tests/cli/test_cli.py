"""The command, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cli.flags import with_typed_values

from ..command import run_here
from ..problems import simulated_raters

SHAPE = (14, 18, 11)


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    return (
        simulated_raters(np.random.default_rng(0), 4, int(np.prod(SHAPE))).reshape(4, *SHAPE).astype(np.uint8)
    )


@pytest.fixture
def folder(tmp_path: Path, masks: np.ndarray) -> Path:
    for i, mask in enumerate(masks, start=1):
        nib.save(nib.Nifti1Image(mask, np.diag([1, 1, 3, 1])), tmp_path / f"rater{i}.nii.gz")
    return tmp_path


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if set(environment) <= {"COLUMNS"}:
        return run_here(folder, *words, columns=environment.get("COLUMNS", 100))
    command = [sys.executable, "-m", "fastfuse", *words]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


RATERS = [f"rater{i}.nii.gz" for i in range(1, 5)]


def test_fuse(folder: Path, masks: np.ndarray) -> None:
    done = run(folder, "fuse", *RATERS, "-o", "c.nii.gz", "--method", "staple", "--save-label", "l.nii.gz")
    assert (done.returncode, done.stderr) == (0, "")
    expected = fastfuse.staple(masks)
    np.testing.assert_array_equal(np.asanyarray(nib.load(folder / "c.nii.gz").dataobj), expected.probability)
    np.testing.assert_array_equal(np.asanyarray(nib.load(folder / "l.nii.gz").dataobj), expected.label())
    for i, name in enumerate(RATERS):
        row = next(line for line in done.stdout.splitlines() if name in line)
        assert f"{expected.sensitivity[i]:.4f}" in row
        assert f"{expected.specificity[i]:.4f}" in row
        assert f"{masks[i].sum() * 3e-3:.2f}" in row
    assert f"{np.prod(SHAPE):,} voxels (the whole volume), prior {expected.prior:.3g}" in done.stdout
    assert "it inflates specificity" in done.stdout
    assert "wrote c.nii.gz, l.nii.gz, c.json" in done.stdout


def test_fuse_every_option(folder: Path) -> None:
    brain = np.zeros(SHAPE, np.uint8)
    brain[2:12, 3:15] = 1
    nib.save(nib.Nifti1Image(brain, np.diag([1, 1, 3, 1])), folder / "brain.nii.gz")
    words = (
        "--method simplified-soft-staple --m-step em --prior estimate --init 0.9 --mask brain.nii.gz --cut 0.7 "
        "--save-label l.nii.gz --save-counts n.nii.gz --tol 1e-6 --max-iter 400 --acceleration squarem --threads 2 --select-label 1 "
        "--roi 100 --missing nan --performance-prior 3 1.5 --intervals bootstrap --replicates 20 --seed 4 --likelihood log_linear"
    )
    done = run(folder, "fuse", *RATERS, "-o", "c.nii.gz", *words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{brain.sum():,} voxels (inside brain.nii.gz, within 100 mm of what anybody marks)" in done.stdout
    assert "inflates" not in done.stdout
    facts = json.loads((folder / "c.json").read_text())
    assert facts["options"] == {
        "m_step": "em", "prior": "estimate", "init": 0.9, "tol": 1e-6, "max_iter": 400,
        "roi": 100.0, "missing": "nan", "mrf": 0.0, "performance_prior": [[3.0, 1.5], [3.0, 1.5]],
        "intervals": "bootstrap", "replicates": 20, "seed": 4, "likelihood": "log_linear",
        "acceleration": "squarem", "select_label": 1, "device": "cpu",
        "cut": 0.7,
    }  # fmt: skip
    assert facts["outputs"] == {"consensus": "c.nii.gz", "label": "l.nii.gz", "counts": "n.nii.gz"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fuse", *RATERS], r"Missing option .*-o"),
        (["fuse", "-o", "c.nii.gz"], "Missing argument"),
        (["fuse", *RATERS, "-o", "c.nii.gz", "--method", "mean"], "mean"),
        (["fuse", *RATERS, "-o", "c.nii.gz", "--smooth", "2"], "--smooth"),
        (["fuse", *RATERS, "-o", "c.nii.gz", "--prior", "2"], r"prior is 2\.0: it must lie in"),
        (["fuse", *RATERS, "-o", "c.nii.gz", "--threads", "-3"], "threads is -3"),
        (["fuse", *RATERS, "-o", "c.mha"], r"c\.mha: the name of an output must end in"),
        (["fuse", *RATERS, "absent.nii.gz", "-o", "c.nii.gz"], r"absent\.nii\.gz: no such file"),
        (["fuse", *RATERS, "-o", "c.nii.gz", "--mask", "absent.nii"], r"absent\.nii: no such file"),
        (["fuse", *RATERS, "-o", "rater1.nii.gz", "--overwrite"], "is one of the inputs"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_bad_input_is_one_line_and_code_2(folder: Path, words: list[str], message: str) -> None:
    before = {path.name for path in folder.iterdir()}
    done = run_here(folder, *words)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*\n", done.stderr), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stdout == ""
    assert {path.name for path in folder.iterdir()} == before


def test_existing_output_is_kept(folder: Path) -> None:
    assert run(folder, "fuse", *RATERS, "-o", "c.nii.gz").returncode == 0
    before = (folder / "c.nii.gz").read_bytes()
    again = ("fuse", *RATERS, "-o", "c.nii.gz", "--method", "majority")
    done = run(folder, *again)
    assert done.returncode == 2
    assert "c.nii.gz: exists already; choose another name or pass --overwrite" in done.stderr
    assert (folder / "c.nii.gz").read_bytes() == before
    assert run(folder, *again, "--overwrite").returncode == 0
    assert (folder / "c.nii.gz").read_bytes() != before


def test_warnings_are_lines(folder: Path) -> None:
    done = run(folder, "fuse", *RATERS, "-o", "c.nii.gz", "--max-iter", "1")
    assert done.returncode == 0
    assert done.stderr == (
        "warning: stopped at max_iter = 1 before convergence: "
        "try --acceleration squarem, a larger --max-iter or a mask\n"
    )
    assert "1 iteration, not converged" in done.stdout


def test_hostile_file_names(folder: Path) -> None:
    name = "[bold]r\x1b[31m:brain:.nii.gz"
    (folder / RATERS[0]).rename(folder / name)
    done = run(folder, "fuse", name, *RATERS[1:], "-o", "c.nii.gz")
    assert done.returncode == 0, done.stderr
    assert "[bold]r\\x1b[31m:brain:.nii.gz" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("words", "example"),
    [
        (["--help"], "fastfuse fuse rater*.nii.gz -o consensus.nii.gz"),
        (["fuse", "--help"], "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz"),
        (["demo", "--help"], "fastfuse demo demo-case"),
    ],
)
def test_help_shows_an_example(tmp_path: Path, words: list[str], example: str) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == 0
    assert example in " ".join(done.stdout.split())


def test_version(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"fastfuse {fastfuse.__version__}\n"


def test_bare_command_is_help(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert "Usage" in done.stdout + done.stderr
    assert "error" not in done.stderr


def test_python_m(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastfuse", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout == f"fastfuse {fastfuse.__version__}\n"


def wait_for_work(pid: int) -> None:
    """Return when a process has worked for 1.5 s, three times its start-up; without /proc, after 3 s."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        time.sleep(3)
        return
    ticks = 1.5 * os.sysconf("SC_CLK_TCK")
    end = time.monotonic() + 60
    while sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) < ticks:
        assert time.monotonic() < end, "it does not work"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGINT, 130, "error: interrupted; no output was written\n"), (signal.SIGTERM, 143, "")],
)
def test_stopped(tmp_path: Path, number: int, code: int, message: str) -> None:
    rng = np.random.default_rng(0)
    for i in range(20):
        votes = rng.random((40, 50, 60), dtype=np.float32)
        nib.save(nib.Nifti1Image(votes, np.eye(4)), tmp_path / f"rater{i}.nii")
    names = [path.name for path in tmp_path.iterdir()]
    command = [
        sys.executable,
        "-m",
        "fastfuse",
        "fuse",
        *names,
        "-o",
        "c.nii.gz",
        "--expectation",
        "enumerate",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        wait_for_work(process.pid)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert stderr == message
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_terminal_that_knows_no_such_letters(folder: Path) -> None:
    (folder / "rater1.nii.gz").rename(folder / "ünï.nii.gz")
    done = run(folder, "fuse", "ünï.nii.gz", *RATERS[1:], "-o", "ü.nii.gz", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xfcn\\xef.nii.gz" in done.stdout


def printed_to(folder: Path, stdout: Any, output: str, unbuffered: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastfuse", "fuse", *RATERS, "-o", output],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_printed(folder: Path, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = printed_to(folder, full, "a.nii", unbuffered)
    assert done.stderr == "error: cannot print (No space left on device); the outputs are complete\n"
    assert done.returncode == 1
    reader, writer = os.pipe()
    os.close(reader)  # nobody reads
    done = printed_to(folder, writer, "b.nii", unbuffered)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "a.json").exists()
    assert (folder / "b.json").exists()


def test_options_are_named_as_typed(folder: Path) -> None:
    done = run_here(folder, "fuse", *RATERS, "-o", "c.nii", "--max-iter", "0")
    assert done.stderr == "error: --max-iter is 0: it must be at least 1 and below 2^31\n"
    done = run_here(folder, "fuse", *RATERS, "-o", "c.nii", "--method", "median")
    assert "Value error" not in done.stderr
    assert run(folder, "fuse", *RATERS, "-o", "c.nii", "--method", "STAPLE").returncode == 0


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("try m_step='em', prior='estimate' or a mask", "try --m-step em, --prior estimate or a mask"),
        ("missing='nan' (--missing nan) takes nan", "--missing nan takes nan"),
        ("select_label=K (--select-label K) fuses one label", "--select-label K fuses one label"),
        ("or give device='cpu'", "or give --device cpu"),
        ("without max_memory (--max-memory)", "without --max-memory"),
        ("without performance_prior (--performance-prior)", "without --performance-prior"),
        (
            "fuses one label, and staple(maps, labels='all') (--labels all) each",
            "fuses one label, and --labels all each",
        ),
        (
            "make it by tabulate(maps, labels='all'), cut=0.3",
            "make it by tabulate(maps, labels='all'), --cut 0.3",
        ),
        (
            "in nib.Image(data, scale=2) or f(cut=1), g(mrf=2)",
            "in nib.Image(data, scale=2) or f(cut=1), g(mrf=2)",
        ),
        (
            "give scale=100 or scale=255 (--scale 100 or --scale 255), or",
            "give --scale 100 or --scale 255, or",
        ),
        ("channel_axis='first' or 'last' (--channel-axis first or last)", "--channel-axis first or last"),
        ("read fewer at once (threads=1, --threads 1)", "read fewer at once (--threads 1)"),
        ("take the mean (method='majority')", "take the mean (--method majority)"),
        (
            "try acceleration='squarem' or a larger max_iter",
            "try --acceleration squarem or a larger --max-iter",
        ),
        ("leave out acceleration='squarem', tol=1e-5", "leave out --acceleration squarem, --tol 1e-5"),
        ("stopped at max_iter = 7 before convergence", "stopped at max_iter = 7 before convergence"),
    ],
)
def test_messages_name_options_as_they_are_typed(said: str, typed: str) -> None:
    assert with_typed_values(said) == typed


def test_remedies_in_the_shell_are_flags(tmp_path: Path) -> None:
    votes = np.zeros((4, 4, 4), np.float32)
    votes[1:3] = np.nan
    nib.save(nib.Nifti1Image(votes, np.eye(4)), tmp_path / "a.nii")
    done = run(tmp_path, "fuse", "a.nii", "-o", "c.nii")
    assert done.returncode == 2
    assert "votes must be finite; --missing nan takes nan for no vote" in done.stderr
    done = run(tmp_path, "fuse", "a.nii", "-o", "c.nii", "--method", "staple", "--m-step", "em")
    assert done.stderr.startswith(
        "error: --m-step is 'em': staple has no such option; leave it out, or choose soft"
    )
