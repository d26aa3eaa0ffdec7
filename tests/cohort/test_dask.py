"""A cohort on workers of dask: what dies, what cannot be read, and what is wrong with a scheduler, each told or mended."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fastfuse.cli.flags import with_typed_values
from fastfuse.cohort.cases import find_cohort
from fastfuse.cohort.place import CONSENSUS
from fastfuse.cohort.settings import Settings
from fastfuse.cohort.tasks import Failed, Task, write_case
from fastfuse.cohort.workers import scheduler
from fastfuse.cohort.workers.crew import Crew, answers
from fastfuse.cohort.workers.parcels import KILLED, MOST, Answers, Parcel, Parcels, answered
from fastfuse.errors import CohortError, as_written, in_the_shell
from fastfuse.streaming.executors import submitter

from ..command import run_here
from .files import GLOB, contents, fused, make_cohort, mask_path

distributed = pytest.importorskip(
    "distributed", reason="needs distributed: pip install fastfuse[distributed]"
)
dask = pytest.importorskip("dask")
needs_kill = pytest.mark.skipif(os.name == "nt", reason="processes are killed otherwise there")
UNREADABLE = "case-00"


class Opened(distributed.WorkerPlugin):  # type: ignore[misc, name-defined]
    """Notes in a file which files each worker opens, also those that are begun anew."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def setup(self, worker: object) -> None:
        sys.addaudithook(noting(self.log))


def noting(log: Path) -> Callable[[str, tuple[Any, ...]], None]:
    """Return what notes every time that the unreadable file beside the log is opened."""
    unreadable = str(mask_path(log.parent / "in", UNREADABLE, "Bob"))

    def note(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and str(given[0]) == unreadable:
            with log.with_name(f"{log.name}-{os.getpid()}").open("ab") as file:
                file.write(b"+")

    return note


def opened_in(folder: Path) -> int:
    """Return how often the unreadable file was opened, by all processes."""
    return sum(path.stat().st_size for path in folder.glob("opened-*"))


@contextmanager
def cluster(workers: int = 2, **options: Any) -> Iterator[Any]:
    """Yield a cluster of processes on this machine."""
    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        **{"processes": True, **options},
    ) as found:
        yield found


class Killer:
    """Kills one worker at a third of the cases, and the other at the first consensus."""

    def __init__(self, pids: list[int], cases: int) -> None:
        self.left, self.at, self.counted = pids, cases // 3, 0

    def __call__(self, line: str) -> None:
        self.counted += line.endswith(": counted")
        if (self.counted == self.at and len(self.left) == 2) or (line.endswith(": fused") and self.left):
            os.kill(self.left.pop(), signal.SIGKILL)


def run_with_deaths(folder: Path, cases: int) -> None:
    """Fuse on two workers that both die, and compare with a run in this process."""
    root = make_cohort(folder / "in", cases)
    mask_path(root, UNREADABLE, "Bob").write_bytes(b"no image")
    with cluster() as found, distributed.Client(found) as client:
        client.register_plugin(Opened(folder / "opened"))
        pids = list(client.run(os.getpid).values())
        killer = Killer([*pids], cases)
        killed = fused(root, folder / "killed", executor=client.get_executor(), progress=killer)
        assert killer.left == []
        assert not set(pids) & set(client.run(os.getpid).values())  # both are others now
        opened = opened_in(folder)
        typed = shell(folder, found.scheduler_address, "--replicates", "10")
    sys.addaudithook(noting(folder / "opened"))
    before = opened_in(folder)
    fused(root, folder / "serial")
    assert 0 < opened == opened_in(folder) - before  # by one attempt
    assert set(killed.failed) == {UNREADABLE}
    assert "Bob.nii.gz" in killed.failed[UNREADABLE]
    assert contents(folder / "killed") == contents(folder / "serial")
    assert typed.returncode == 3
    assert typed.stderr.splitlines()[-1] == f"error: 1 of {cases} cases failed; the others are done"
    assert contents(folder / "out") == contents(
        folder / "serial"
    )  # though workers are at work in another folder


def shell(folder: Path, address: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Fuse as the shell does, in a folder in which no worker is."""
    line = ("cohort", "fuse", "in", "--out", "out", "--glob", GLOB, "--method", "staple")
    return run_here(folder, *line, "--scheduler", address, *words)


@needs_kill
def test_killed_workers_cost_nothing(tmp_path: Path) -> None:
    run_with_deaths(tmp_path, 9)


@pytest.mark.slow
@needs_kill
def test_killed_workers_cost_nothing_in_a_larger_cohort(tmp_path: Path) -> None:
    run_with_deaths(tmp_path, 99)


def killing(task: Task) -> Failed:
    """Die at the second case, whenever it comes."""
    if task.case.name == "case-01":
        os.kill(os.getpid(), signal.SIGKILL)
    return Failed(task.case.name, "done")


@pytest.mark.slow
@needs_kill
def test_a_case_that_kills_its_workers_is_the_only_one_to_fail(tmp_path: Path) -> None:
    """Dask also gives up those that waited beside it."""
    cases = find_cohort(make_cohort(tmp_path / "in", 8), glob=GLOB)
    given = [Task(case, Settings(), tmp_path / case.name / "consensus.nii.gz") for case in cases]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        cluster() as found,
        distributed.Client(found) as client,
    ):
        made = list(answers(killing, given, Crew(client.get_executor(), 2)))
    reasons = {one.case: one.reason for one in made}
    assert len(made) == len(reasons) == 8
    assert {case for case, reason in reasons.items() if reason == KILLED} == {"case-01"}
    assert set(reasons.values()) == {KILLED, "done"}


@contextmanager
def threads(workers: int = 1) -> Iterator[Any]:
    """Yield a cluster whose scheduler and workers are threads of this process, reached by TCP."""
    with cluster(workers, processes=False, protocol="tcp://") as found:
        yield found


@contextmanager
def process(folder: Path, what: str, *words: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Begin a scheduler or a worker as a process of its own."""
    line = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    begun = subprocess.Popen(line, env=environment, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        yield begun
    finally:
        begun.kill()
        begun.wait()


def test_a_scheduler_that_dies_is_told_and_gone_on_without(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 9)
    file = ("--scheduler-file", str(tmp_path / "scheduler.json"))
    with (
        process(tmp_path, "scheduler", "--port", "0", *file) as begun,
        process(tmp_path, "worker", "--no-nanny", *file),
    ):
        with distributed.Client(scheduler_file=file[1], timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
            address = client.scheduler.address

        def ended(line: str) -> None:
            if line == "case-02: counted":
                begun.kill()

        with (
            scheduler.executor_at(address, tmp_path) as executor,
            pytest.raises(
                CohortError,
                match=r"the workers gave up \(cases came back undone\): .*: run again, it goes on from there",
            ),
        ):
            fused(tmp_path / "in", tmp_path / "out", executor=executor, progress=ended)
    again = fused(tmp_path / "in", tmp_path / "out")
    assert (
        len(again.facts["counted"]) < 9
    )  # what had come back by then is kept; a fast worker may have counted all
    assert not again.failed
    assert len(list((tmp_path / "out" / "cases").glob("*/consensus.nii.gz"))) == 9


def test_apply_and_fuse_in_the_shell(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 3)
    with threads() as found:
        done = shell(tmp_path, found.scheduler_address, "--json")
        assert done.returncode == 0, done.stderr
        mask_path(root, "case-01", "Bob").write_bytes(b"no image")
        line = ("cohort", "apply", "out/estimate.json", "in", "--out", "new", "--glob", GLOB)
        done = run_here(tmp_path, *line, "--scheduler", found.scheduler_address)
    assert done.returncode == 3
    assert sum("error: case-01: " in one for one in done.stderr.splitlines()) == 1
    made = sorted(path.parent.name for path in (tmp_path / "new" / "cases").glob(f"*/{CONSENSUS}"))
    assert made == ["case-00", "case-02"]


def told(folder: Path, address: str, *words: str) -> str:
    """Return the one line that the shell prints of a scheduler."""
    done = shell(folder, address, *words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert not (folder / "out").exists()
    return line


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("somewhere", "it must be tcp://HOST:PORT"),
        ("tcp://127.0.0.1", "it must be tcp://HOST:PORT"),
        ("tcp://127.0.0.1:99999", "it must be tcp://HOST:PORT"),
        ("tls://127.0.0.1:8786", "it must be tcp://HOST:PORT"),
        ("tcp://127.0.0.1:1", "nobody can be reached there (Connection refused)"),
        ("tcp://nowhere.invalid:8786", "nobody can be reached there ("),
    ],
)
def test_a_wrong_address(tmp_path: Path, address: str, expected: str) -> None:
    make_cohort(tmp_path / "in", 1)
    line = told(tmp_path, address)
    assert line.startswith(("error: --scheduler is ", "error: scheduler "))
    assert address in line
    assert expected in line


def test_workers_of_two_kinds_are_refused(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 1)
    assert "has its own workers: leave --workers out" in told(
        tmp_path, "tcp://127.0.0.1:8786", "--workers", "2"
    )


@contextmanager
def answering(said: bytes) -> Iterator[str]:
    """Yield the address of what is no scheduler: it says this, and keeps the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        talk = Thread(target=talking, args=(server, said), daemon=True)
        talk.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        talk.join()


def talking(server: socket.socket, said: bytes) -> None:
    connection, _ = server.accept()
    with connection, suppress(ConnectionResetError):
        connection.sendall(said)
        connection.recv(1)  # until the other side ends


def test_who_is_silent_or_no_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cohort(tmp_path / "in", 1)
    with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as address:
        assert "who answers there is no scheduler of dask" in told(tmp_path, address)
    monkeypatch.setattr(scheduler, "SECONDS", 0.2)
    with answering(b"") as address:
        assert f"scheduler {address}: no answer within 0.2 s" in told(tmp_path, address)
    with answering(struct.pack("<Q", 300)) as address:  # begins as one, and says no more
        assert "no answer within 0.2 s" in told(tmp_path, address)


def test_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cohort(tmp_path / "in", 1)
    monkeypatch.setitem(sys.modules, "distributed", None)
    line = told(tmp_path, "tcp://127.0.0.1:8786")
    assert line.startswith("error: --scheduler needs distributed: pip install")
    assert "[distributed]" in line


WORKER = """
import importlib.metadata as metadata, os
version = metadata.version
def told(name):
    if name != "fastfuse":
        return version(name)
    if os.environ["FASTFUSE_HERE"]:
        return os.environ["FASTFUSE_HERE"]
    raise metadata.PackageNotFoundError(name)
metadata.version = told
"""


def test_workers_that_cannot_do_the_work(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 1)
    (tmp_path / "sitecustomize.py").write_text(WORKER)
    for version, expected in (("", "no fastfuse at worker tcp://"), ("9.9", "fastfuse 9.9 at worker tcp://")):
        has = {"PYTHONPATH": str(tmp_path), "FASTFUSE_HERE": version}
        with (
            threads(0) as found,
            process(tmp_path, "worker", found.scheduler_address, "--no-nanny", **has),
            distributed.Client(found) as client,
        ):
            client.wait_for_workers(1, timeout=60)
            assert expected in told(tmp_path, found.scheduler_address)
    with threads(0) as found:
        line = told(tmp_path, found.scheduler_address)
        assert f"has no worker; begin one by: dask worker {found.scheduler_address}" in line


def test_a_disk_that_workers_do_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_cohort(tmp_path / "in", 1)
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    with threads() as found:
        assert "in: not seen by worker tcp://" in told(tmp_path, found.scheduler_address)
    monkeypatch.undo()
    (case,) = find_cohort(root, glob=GLOB)
    settings = Settings(method="staple", pool="none").checked()
    found = write_case(Task(case, settings, tmp_path / "elsewhere" / "cases" / case.name / CONSENSUS))
    assert isinstance(found, Failed)
    assert found.of_output  # it ends the run
    assert "not seen by the worker on " in found.reason
    assert not (tmp_path / "elsewhere").exists()


def test_tasks_that_are_alike_are_all_done() -> None:
    """Dask would take them for one, though files may have changed between them."""
    with threads() as found, distributed.Client(found) as client:
        submit = submitter(client.get_executor())
        first, second = submit(time.monotonic_ns), submit(time.monotonic_ns)
        assert first.result() != second.result()


def test_parcels_grow_where_cases_are_quick(tmp_path: Path) -> None:
    (case,) = find_cohort(make_cohort(tmp_path / "in", 1), glob=GLOB)
    tasks = [
        Task(replace(case, name=f"{number:04}"), Settings(), tmp_path / CONSENSUS) for number in range(1000)
    ]
    parcels, sizes, seen = Parcels(killing, tasks, 6), [], []
    for parcel in parcels:
        sizes.append(len(parcel.tasks))
        again = pickle.loads(pickle.dumps(parcel))
        assert again == parcel
        seen += again.tasks
        seconds = 0.001 if len(seen) < 500 else 0.1 if len(seen) < 700 else 10
        parcels.learn(Answers([Failed("", "")] * sizes[-1], sizes[-1] * seconds))
    assert seen == tasks
    assert sizes[:7] == [1, 2, 4, 8, 16, MOST, MOST]
    assert 2 in sizes[20:]  # of a tenth of a second each
    assert sizes[-1] == 1
    assert len(pickle.dumps(Parcel(killing, tuple(tasks[:MOST])))) < MOST * 100


def asked(task: Task) -> Failed:
    """Return what a worker would write of a case."""
    return Failed(task.case.name, as_written("write it so: method='staple' (--method staple)"))


def test_a_worker_writes_for_who_asked(tmp_path: Path) -> None:
    """It may have parcels of a shell and of Python at once: each is told in its own words, and nothing stays behind."""
    (case,) = find_cohort(make_cohort(tmp_path / "in", 1), glob=GLOB)
    task = Task(case, Settings(), tmp_path / CONSENSUS)
    of_python = pickle.dumps(Parcel(asked, (task,)))
    with in_the_shell(with_typed_values):
        of_shell = pickle.dumps(Parcel(asked, (task,)))
    told = [
        answered(pickle.loads(parcel)).found[0].reason.removeprefix("write it so: ")
        for parcel in (of_shell, of_python, of_shell)
    ]
    assert told == ["--method staple", "method='staple'", "--method staple"]
    assert asked(task).reason.endswith("method='staple'")
