"""Trainings side by side, in processes of their own; one that fails, and one that is killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.errors import ModelError
from fastfuse.train import narrator as narrators
from fastfuse.train.experiment import run_experiment
from fastfuse.train.jobs import crew, schedule
from fastfuse.train.jobs.child import Job
from fastfuse.train.jobs.schedule import Jobs, jobs_of
from fastfuse.train.jobs.sharing import PREFIX, shared
from fastfuse.train.narrator import Narrator
from fastfuse.train.network import checkpoint
from fastfuse.train.network.training import Epoch
from fastfuse.train.network.workers import Workers

from ...command import run_here
from ..common import CHECKPOINTS, command, options

pytestmark = pytest.mark.usefixtures("no_figures")

CPU = Workers(torch.device("cpu"))
TWO = "methods=staple,dilated-staple"
SET = (TWO, "training.epochs=100000", "training.precision=auto", CHECKPOINTS)
INTERRUPTED = "error: interrupted; the same command with --resume goes on in"
ENDLESS = [*(word for one in SET for word in ("--set", one)), "--jobs", "2"]


@pytest.fixture(scope="module")
def alone(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fold 1 of two methods, one training after the other."""
    out = tmp_path_factory.mktemp("alone") / "r"
    run_experiment(cohort, out, options(TWO, "training.precision=auto"), only_folds=[1], jobs=1)
    return out


@pytest.mark.slow
def test_same_bits_beside_another(cohort: Path, alone: Path, tmp_path: Path) -> None:
    told: list[str] = []
    narrator = Narrator(silent=True)
    narrator.tell = told.append  # type: ignore[method-assign]
    chosen = options(TWO, "training.precision=auto")
    run_experiment(cohort, tmp_path / "r", chosen, only_folds=[1], jobs=2, narrator=narrator)
    made = sorted(alone.rglob("predictions/*/*.nii.gz"))
    assert len(made) == 2 * 5
    for path in made:
        assert (tmp_path / "r" / path.relative_to(alone)).read_bytes() == path.read_bytes(), path
    networks = sorted(alone.rglob("network.pt"))
    assert len(networks) == 2
    for path in networks:
        one, other = (checkpoint.load(root / path.relative_to(alone)) for root in (alone, tmp_path / "r"))
        assert all(torch.equal(other["network"][name], one["network"][name]) for name in one["network"])
        assert [row[:3] for row in other["history"]] == [row[:3] for row in one["history"]]
    for method in ("staple", "dilated-staple"):
        assert [line for line in told if line.startswith(f"{method}, fold 1 of 2: epoch 4/4, loss")]
    assert not list((tmp_path / "r").glob(f"{PREFIX}*"))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_loss_that_is_no_number(cohort: Path, tmp_path: Path, jobs: int) -> None:
    """It ends its own training alone, is recorded, and is not tried again until its record is deleted."""
    told: list[str] = []
    narrator = Narrator(silent=True)
    narrator.tell = told.append  # type: ignore[method-assign]
    model = f"network.model={__name__.rpartition('.')[0]}.nets:no_number"
    chosen, out = options("methods=staple", model, CHECKPOINTS), tmp_path / "r"

    def go_on(*folds: int, resume: bool) -> None:
        run_experiment(cohort, out, chosen, only_folds=folds, resume=resume, jobs=jobs, narrator=narrator)

    go_on(1, 2, resume=False)
    failed = out / "models" / "staple" / "fold_1" / "failed.json"
    assert json.loads(failed.read_text()) == {"epoch": 3, "reason": "the loss is nan"}
    with failed.with_name("training.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert {path.name for path in failed.parent.iterdir()} - {"tensorboard"} == {
        "failed.json",
        "made.json",
        "training.csv",
    }
    assert (out / "models" / "staple" / "fold_2" / "network.pt").exists()
    assert len(list((out / "predictions" / "staple").glob("*.nii.gz"))) == 4
    said = (
        "warning: staple, fold 1: the loss is nan in epoch 3; lower training.learning_rate. The others go on"
    )
    assert [line for line in told if line.startswith(said)]
    assert "training failed (the loss is nan, epoch 3)" in (out / "table1.md").read_text()
    before, count = failed.stat().st_mtime_ns, len(told)
    go_on(1, resume=True)
    assert failed.stat().st_mtime_ns == before
    assert not [line for line in told[count:] if line.startswith("staple, fold 1 of 2: epoch")]
    failed.unlink()
    go_on(1, resume=True)
    assert failed.exists()


def children_of(process: subprocess.Popen[Any]) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in text.split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def training(cohort: Path, tmp_path: Path) -> Any:
    """An experiment that trains two networks at once, and has a checkpoint of each."""
    process = subprocess.Popen(
        command(cohort, tmp_path / "r", *ENDLESS), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    models = tmp_path / "r" / "models"
    deadline = time.monotonic() + 240
    try:
        while len(list(models.rglob("resume.pt"))) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        pytest.param(signal.SIGINT, 130, INTERRUPTED, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, "", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, "", marks=pytest.mark.slow),
    ],
)
def test_all_end_with_the_first(
    training: subprocess.Popen[str], tmp_path: Path, sent: signal.Signals, code: int, message: str
) -> None:
    children = children_of(training)
    assert len(children) == 2
    begin = time.monotonic()
    training.send_signal(sent)
    while any(is_running(child) for child in children):
        assert time.monotonic() - begin < 5  # a second on a machine with nothing else to do
        time.sleep(0.01)
    _, said = training.communicate(timeout=60)
    assert training.returncode == code
    assert message in said
    assert "Traceback" not in said
    for method in ("staple", "dilated-staple"):
        kept = checkpoint.load(tmp_path / "r" / "models" / method / "fold_1" / "resume.pt")
        assert len(kept["history"]) >= 1
    if sent != signal.SIGKILL:
        assert not list((tmp_path / "r").glob(f"{PREFIX}*"))


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that this one begins for trainings."""
    children: list[subprocess.Popen[bytes]] = []

    def kept(job: Job, begin: Callable[[Job], crew.Child] = crew._begun) -> crew.Child:
        child = begin(job)
        children.append(child.process)
        return child

    monkeypatch.setattr(crew, "_begun", kept)
    return children


def run_until(cohort: Path, tmp_path: Path, begins: Sequence[str], then: Callable[[], None]) -> Any:
    """Train two networks at once, and do something as soon as some files are there; return also when it was done."""
    at: list[float] = []
    over = threading.Event()

    def wait() -> None:
        deadline = time.monotonic() + 240
        models = tmp_path / "r" / "models"
        while not all((models / name).exists() for name in begins) and time.monotonic() < deadline:
            if over.wait(0.05):
                return
        at.append(time.monotonic())
        then()

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        return run_here(tmp_path, *command(cohort, tmp_path / "r", *ENDLESS)[3:]), at[0]
    finally:
        over.set()
        waiting.join()


CHECKPOINTS_OF_BOTH = [f"{method}/fold_1/resume.pt" for method in ("staple", "dilated-staple")]


@pytest.mark.skipif(os.name != "posix", reason="several trainings at once need POSIX")
def test_interrupted_beside_another(
    cohort: Path, tmp_path: Path, begun: list[subprocess.Popen[bytes]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C that reaches the first process alone ends all, and leaves their checkpoints."""
    done, at = run_until(cohort, tmp_path, CHECKPOINTS_OF_BOTH, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert time.monotonic() - at < 5  # a second on a machine with nothing else to do
    assert len(begun) == 2
    assert all(child.poll() is not None for child in begun)
    assert done.returncode == 130
    assert INTERRUPTED in done.stderr
    assert "Traceback" not in done.stderr + capfd.readouterr().err
    for path in CHECKPOINTS_OF_BOTH:
        assert len(checkpoint.load(tmp_path / "r" / "models" / path)["history"]) >= 1
    assert not list((tmp_path / "r").glob(f"{PREFIX}*"))


@pytest.mark.skipif(os.name != "posix", reason="several trainings at once need POSIX")
@pytest.mark.parametrize(
    "begins", [["staple/fold_1"], pytest.param(CHECKPOINTS_OF_BOTH, marks=pytest.mark.slow)]
)
def test_a_killed_training_is_named(
    cohort: Path, tmp_path: Path, begun: list[subprocess.Popen[bytes]], begins: list[str]
) -> None:
    """At its begin, or among its epochs; the other one ends, too."""
    done, _ = run_until(cohort, tmp_path, begins, lambda: begun[0].kill())
    assert done.returncode == 2
    words = "staple, fold 1, was killed by signal 9; if memory was short, train fewer at once (--jobs 1)"
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(begun) == 2
    assert all(child.poll() is not None for child in begun)


def test_arrays_are_shared(tmp_path: Path) -> None:
    large = torch.arange(5000.0).reshape(50, 100)
    thing = {
        "large": large, "mask": large > 7, "small": torch.ones(3), "array": np.arange(9999), "empty": torch.zeros(0, 4),
        "turned": large.T, "name": "x",
    }  # fmt: skip
    with shared(thing, tmp_path) as made:
        assert len(made.rest) < 2000
        assert made.path.parent == tmp_path
        one, other = made.opened(), made.opened()
        for name, value in thing.items():
            found = one[name]
            assert type(found) is type(value)
            if isinstance(value, torch.Tensor):
                assert torch.equal(found, value)
                assert found.dtype == value.dtype
        np.testing.assert_array_equal(one["array"], thing["array"])
        one["large"].zero_()  # a copy of the page: nobody else's
        assert torch.equal(other["large"], large)
    assert not list(tmp_path.iterdir())


def test_files_of_killed_processes_go(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}left"
    left.write_bytes(b"0" * 9000)
    with shared([torch.ones(5000)], tmp_path) as first:
        assert not left.exists()
        with shared([torch.ones(5000)], tmp_path):
            assert first.path.exists()
    with pytest.raises(FastfuseError, match="the prepared slices cannot be written there"), shared([1], left):
        pass


@pytest.mark.parametrize(
    ("wanted", "threads", "device", "expected"),
    [
        (0, 2, "cpu", Jobs(2, 1)),
        (0, 1, "cpu", Jobs(1, 1)),
        (0, 64, "cpu", Jobs(20, 3)),
        (1, 8, "cpu", Jobs(1, 8)),
        (3, 8, "cpu", Jobs(3, 2)),
        (4, 2, "cpu", Jobs(4, 1)),
        (0, 8, "cuda", Jobs(1, 8)),
        (2, 8, "cuda", Jobs(2, 4)),
    ],
)
def test_threads_are_divided(wanted: int, threads: int, device: str, expected: Jobs) -> None:
    with mock.patch.object(torch, "get_num_threads", return_value=threads):
        assert jobs_of(wanted, Workers(torch.device(device)), 20) == expected
    with pytest.raises(FastfuseError, match="jobs is -1"):
        jobs_of(-1, CPU, 20)


def test_memory_is_kept_between_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []

    def begun(*_: object, env: dict[str, str], **__: object) -> Any:
        given.append(env)
        return mock.Mock()

    monkeypatch.setattr(crew.subprocess, "Popen", begun)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "7")
    job = Job([], None, 1)  # type: ignore[arg-type]
    with mock.patch.object(crew, "Pipe", return_value=(mock.Mock(), mock.MagicMock())):
        crew._begun(job)
    assert given[0]["MALLOC_MMAP_THRESHOLD_"] == "33554432"
    assert given[0]["MALLOC_TRIM_THRESHOLD_"] == "7"  # the user's own


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_kept_memory_is_not_faulted_in_again() -> None:
    script = (
        "import resource\n"
        "{}\n"
        "def step(): return [{} for _ in range(8)]\n"
        "for _ in range(3): step()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): step()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    kept = {**crew._KEEPING_MEMORY, **os.environ}
    arrays, texts = ("import torch", "torch.ones(1 << 20)"), ("", "b'x' * (1 << 22)")  # 4 MiB each
    counts = [
        int(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
        for code, env in ((script.format(*arrays), kept), (script.format(*texts), dict(os.environ)))
    ]
    if not counts[1]:
        pytest.skip("this kernel counts no page faults")
    assert counts[0] < counts[1] / 4


def test_two_bars_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.object(narrators, "is_terminal", return_value=True), Narrator() as narrator:
        with narrator.training("a", 2) as a, narrator.training("b", 2) as b:
            a([Epoch(1, 0.5, None, 0.1)])
            b([Epoch(2, 0.25, 0.75, 0.1)])
        with narrator.training("c", 1) as c:
            c([Epoch(1, 0.125, None, 0.1)])
    said = capsys.readouterr().err
    for line in ("a: epoch 1/2, loss 0.500", "b: epoch 2/2, loss 0.250, validation 0.750", "c: epoch 1/1"):
        assert line in said


def test_errors_in_another_process(cohort: Path, tmp_path: Path) -> None:
    """They come here as they are, with the user's frames; each process has its share of the threads. One begins: it fails."""
    (tmp_path / "theirs.py").write_text(
        "import os\n"
        "import torch\n"
        "from tests.train.learning.nets import Small\n"
        "class Late(Small):\n"
        "    def forward(self, slices):\n"
        f"        if os.getpid() != {os.getpid()}:\n"
        "            raise LookupError(f'only there, {torch.get_num_threads()} threads')\n"
        "        return super().forward(slices)\n"
        "def net(in_channels, width, depth):\n"
        "    return Late(in_channels)\n"
    )
    chosen = options(TWO, "network.model=theirs:net")
    with (
        mock.patch.object(sys, "path", [str(tmp_path), *sys.path]),
        mock.patch.object(torch, "get_num_threads", return_value=6),
        mock.patch.object(schedule, "Crew", lambda job, count, narrator: crew.Crew(job, count - 1, narrator)),
        pytest.raises(ModelError, match="model theirs:net: LookupError: only there, 3 threads") as caught,
    ):
        run_experiment(cohort, tmp_path / "r", chosen, only_folds=[1], jobs=2)
    assert "raise LookupError" in caught.value.details
