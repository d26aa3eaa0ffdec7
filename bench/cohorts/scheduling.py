"""What a cohort costs beside the work itself: cases through dask's scheduler, and their tables on one machine.

In the folder bench:
python -m cohorts.scheduling [CASES] sends cases of 1 ms through dask, medians of rounds;
python -m cohorts.scheduling --tables CASES CASES ... pools so many masks, and of label maps a hundredth.
Both print Markdown; python/fastfuse/cohort/SCALE.md rests on it.

Scheduler and workers are processes of their own, reached as ``--scheduler`` does, with the tasks and answers of a real cohort of
seven raters; the work is replaced by 1 ms of waiting, so that all else is cost. CPU time is of each process; bytes are all that
dask's processes send to each other, heartbeats included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import fastfuse
from cohorts import on_workers
from fastfuse.cohort.cases import CohortCase
from fastfuse.cohort.place import Place, Record
from fastfuse.cohort.run import estimate_cases, kept, load_tables, tell_cases
from fastfuse.cohort.settings import Settings
from fastfuse.cohort.tasks import Counted, Task, bytes_of
from fastfuse.cohort.workers.crew import Crew, answers
from fastfuse.cohort.workers.scheduler import executor_at

BENCH = Path(__file__).parents[1]
RATERS = 7
WORKERS = 2
ROUNDS = 5
DASK_HEAD = (
    "bytes of a table", "ms a case", "CPU ms a case: client", "scheduler", "both workers", "bytes sent a case: client", "scheduler",
    "both workers", "all",
)  # fmt: skip
TABLE_HEAD = (
    "cases", "ms a case to write", "CPU ms a case to load", "CPU s to estimate, with 200 resamples", "CPU ms a case to tell", "MiB at most",
    "bytes a case of estimate.json",
)  # fmt: skip
SECONDS = 60  # until dask's processes are there
Table = fastfuse.VoteTable | fastfuse.LabelTable
KINDS: dict[str, Settings] = {
    "masks": Settings(method="staple"),
    "maps of 101 labels": Settings(method="staple", labels="all"),
}


def table_of(kind: str) -> Table:
    """Return the table of a whole brain of seven raters."""
    if kind == "masks":
        from common import binary_votes

        return fastfuse.tabulate(list(binary_votes()), names=names())
    from bench_labels import maps

    return fastfuse.tabulate(list(maps()), labels="all", names=names())


def kept_table(kind: str, folder: Path) -> Table:
    """Return the table from its file, which is made where it is not there."""
    path = folder / f"{kind}.npz"
    if not path.is_file():
        table_of(kind).save(path)
    return fastfuse.VoteTable.load(path) if kind == "masks" else fastfuse.LabelTable.load(path)


def drawn(table: Table, seed: int) -> Table:
    """Return the table of another case: as many voxels, drawn by the shares of this one's patterns."""
    counts = np.random.default_rng(seed).multinomial(
        int(table.counts.sum()), table.counts / table.counts.sum()
    )
    held = counts > 0
    return type(table)(table.patterns[held], counts[held], list(table.names))


def names() -> list[str]:
    return [f"rater {number}" for number in range(1, RATERS + 1)]


def tasks_of(settings: Settings, count: int, folder: Path) -> list[Task]:
    """Return tasks whose paths are as long as those of MSSEG's layout."""
    found = []
    for number in range(count):
        name = f"Center_01_Patient_{number:06}"
        case = folder / "cohort" / "Training" / "Center_01" / f"Patient_{number:06}"
        paths = tuple(case / "Masks" / f"ManualSegmentation_{rater}.nii.gz" for rater in range(1, RATERS + 1))
        one = CohortCase(name, tuple(names()), paths, case / "Masks" / "Brain_Mask.nii.gz")
        found.append(Task(one, settings, folder / "cases" / name / "consensus.nii.gz"))
    return found


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Begin a scheduler and two workers; yield the scheduler's address."""
    told = folder / "scheduler.json"
    path = os.pathsep.join([str(BENCH), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    common = ["--scheduler-file", str(told), "--no-dashboard", "--preload", "cohorts.on_workers"]
    commands = [
        ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common],
        *[["distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *common]] * WORKERS,
    ]
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stderr=subprocess.DEVNULL, cwd=folder
        )
        for command in commands
    ]
    try:
        yield _address(told)
    finally:
        for process in reversed(begun):
            process.terminate()
            process.wait()


def _address(told: Path) -> str:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if told.is_file() and told.read_text():
            return str(json.loads(told.read_text())["address"])
        time.sleep(0.1)
    raise TimeoutError("no scheduler")


class Processes:
    """CPU seconds and bytes sent, of client, scheduler and workers."""

    def __init__(self, client: Any) -> None:
        self._client = client
        client.wait_for_workers(WORKERS, timeout=SECONDS)
        self._pids = {
            "client": [os.getpid()],
            "scheduler": [client.run_on_scheduler(os.getpid)],
            "workers": list(client.run(os.getpid).values()),
        }

    def cpu(self) -> dict[str, float]:
        """Return the seconds that each has worked."""
        found = {}
        for who, pids in self._pids.items():
            times = [psutil.Process(pid).cpu_times() for pid in pids]
            found[who] = sum(one.user + one.system for one in times)
        return found

    def sent(self) -> dict[str, int]:
        """Return the bytes that each has sent."""
        return {
            "client": on_workers.sent_bytes(),
            "scheduler": self._client.run_on_scheduler(on_workers.sent_bytes),
            "workers": sum(self._client.run(on_workers.sent_bytes).values()),
        }


def through_dask(kind: str, count: int, table: Table, folder: Path) -> list[str]:
    """Return a row: what a case costs that takes 1 ms."""
    (folder / "tables").mkdir()
    sizes = [
        (folder / "tables" / f"{number}.npz").write_bytes(bytes_of(drawn(table, number)))
        for number in range(on_workers.TABLES)
    ]
    tasks = tasks_of(KINDS[kind], count, folder)
    rounds = []
    with cluster(folder) as address:
        time.sleep(2)
        with executor_at(address, folder) as executor:
            processes = Processes(getattr(executor, "_client", None))
            assert executor is not None
            crew = Crew(executor, WORKERS)
            for _ in range(1 + ROUNDS):
                cpu, sent, begin = processes.cpu(), processes.sent(), time.perf_counter()
                done = sum(
                    isinstance(one, Counted) for one in answers(on_workers.count_for_a_while, tasks, crew)
                )
                wall = time.perf_counter() - begin
                assert done == count
                after, then = processes.cpu(), processes.sent()
                rounds.append([wall * 1e3, *[(after[who] - cpu[who]) * 1e3 for who in cpu], *[then[who] - sent[who] for who in sent]])  # fmt: skip
    row = np.median(np.array(rounds[1:]), axis=0) / count  # the first warms up
    return [kind, f"{np.mean(sizes):,.0f}", *[f"{one:.2f}" for one in row[:4]], *[f"{one:,.0f}" for one in row[4:]], f"{row[4:].sum():,.0f}"]  # fmt: skip


def on_one_machine(kind: str, count: int, table: Table, folder: Path) -> list[str]:
    """Return a row: what the tables of so many cases cost where they are pooled and told."""
    place, settings = Place(folder / "out"), KINDS[kind]
    contents = [bytes_of(drawn(table, number)) for number in range(count)]
    row = [kind, f"{count:,}"]
    done: dict[str, Record] = {}
    with place.alone(None):
        begin = time.perf_counter()
        for task, content in zip(tasks_of(settings, count, folder), contents, strict=True):
            record = on_workers.record_of(task)
            done[task.case.name] = kept(Counted(task.case.name, content, record), place, is_first=not done)
        row.append(f"{(time.perf_counter() - begin) * 1e3 / count:.2f}")
        del contents
        begin = time.process_time()
        tables = load_tables(done, settings, place)
        row.append(f"{(time.process_time() - begin) * 1e3 / count:.2f}")
        begin = time.process_time()
        saved, _ = estimate_cases(tables, done, settings, place)
        row.append(f"{time.process_time() - begin:.1f}")
        begin = time.process_time()
        tell_cases(done, saved, settings, place)
        row.append(f"{(time.process_time() - begin) * 1e3 / count:.2f}")
    return [*row, f"{peak_mib():,.0f}", f"{place.estimate.stat().st_size / count:,.0f}"]


def peak_mib() -> float:
    """Return the most memory that this process has had, by Linux; getrusage would tell of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def print_rows(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown, each row as it comes."""
    print(f"{title}\n\n| | {' | '.join(head)} |\n|---|{'---:|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def in_new_folder(measured: Callable[..., list[str]], kind: str, count: int, tables: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return measured(kind, count, kept_table(kind, tables), Path(folder))


def in_new_process(kind: str, count: int, tables: Path) -> list[str]:
    """Measure by itself: the peak of memory is a process's."""
    line = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "cohorts.scheduling",
        "--one",
        kind,
        str(count),
        str(tables),
    ]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, cwd=BENCH)
    return done.stdout.strip().split("|")


def main(words: list[str], tables: Path) -> None:
    """Print the tables."""
    if words[:1] == ["--one"]:
        print("|".join(in_new_folder(on_one_machine, words[1], int(words[2]), Path(words[3]))))
    elif words[:1] == ["--tables"]:
        sizes = [(kind, int(n) // (1 if kind == "masks" else 100)) for kind in KINDS for n in words[1:]]
        for kind in KINDS:
            kept_table(kind, tables)
        rows = (in_new_process(kind, n, tables) for kind, n in sizes if n)
        print_rows("Tables on one machine, one run", TABLE_HEAD, rows)
    else:
        on_workers.dask_setup(None)
        count = int(words[0]) if words else 1000
        title = f"{count} cases of 1 ms, {WORKERS} workers, medians of {ROUNDS} rounds"
        print_rows(title, DASK_HEAD, (in_new_folder(through_dask, kind, count, tables) for kind in KINDS))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        main(sys.argv[1:], Path(made))
