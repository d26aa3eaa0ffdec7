"""All trainings of one or several runs: one after the other here, or side by side in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ...errors import FastfuseError
from ..fit import fit_and_predict, is_done
from ..network.precision import precision_of
from ..network.workers import Workers
from ..options import TrainingOptions
from ..run import Run
from ..targets.prepare import Prepared
from .child import Job
from .crew import Crew, Task
from .sharing import shared


@dataclass(frozen=True)
class Jobs:
    """How many networks are trained at once, and with how many threads each.

    A training's bits follow from its threads, and not from what is trained beside it.
    """

    count: int
    threads: int


def check_batch(options: TrainingOptions, workers: Workers) -> None:
    """Refuse a batch that leaves a process without a slice, and a precision that the device has not."""
    if options.batch < workers.count:
        raise FastfuseError(
            f"training.batch is {options.batch}, and {workers.count} processes share it: at least {workers.count} is "
            "needed"
        )
    precision_of(workers.device, options.precision)


def jobs_of(wanted: int, workers: Workers, trainings: int) -> Jobs:
    """Return how to divide this process's threads among trainings.

    Parameters
    ----------
    wanted : int
        Trainings at once; 0: on a CPU as many as PyTorch has threads, or ``trainings``, and one on a card.
    workers : Workers
    trainings : int
        All of the run, done or not, so that a resumed run has the same threads.

    Raises
    ------
    FastfuseError
        For several trainings at once where there can be one alone.
    """
    threads = torch.get_num_threads()
    alone = "under torchrun, whose processes train one network together" if workers.count > 1 else ""
    alone = alone or ("on this system" if os.name != "posix" else "")
    if wanted < 0:
        raise FastfuseError(
            f"jobs is {wanted}: give the number of trainings at once, or 0 for as many as fit"
        )
    if wanted > 1 and alone:
        raise FastfuseError(f"jobs is {wanted}: one training at a time is possible {alone}")
    if wanted == 0:
        wanted = 1 if alone or workers.device.type != "cpu" else min(threads, trainings)
    return Jobs(max(1, wanted), max(1, threads // max(1, wanted)))


def train_all(runs: Sequence[Run], prepared: dict[str, Prepared], folds: Sequence[int], jobs: Jobs) -> None:
    """Train the networks of all methods and some folds of the runs, and predict their test cases."""
    tasks = [
        (number, method, fold)
        for number, run in enumerate(runs)
        for fold in folds
        for method in run.options.methods
    ]
    if runs[0].workers.count == 1:
        tasks = [
            (number, method, fold)
            for number, method, fold in tasks
            if not is_done(runs[number], method, fold)
        ]
    if jobs.count > 1 and len(tasks) > 1:
        _side_by_side(runs, prepared, tasks, jobs)
        return
    with _threads(jobs.threads):
        for number, method, fold in tasks:
            fit_and_predict(runs[number], prepared, method, fold)


def _side_by_side(
    runs: Sequence[Run], prepared: dict[str, Prepared], tasks: Sequence[Task], jobs: Jobs
) -> None:
    with shared(prepared, runs[0].out) as cases:
        job = Job(list(runs), cases, jobs.threads)
        with Crew(job, min(jobs.count, len(tasks)), runs[0].narrator) as crew:
            crew.work(tasks)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def prepared_by_first(run: Run, make: Callable[[], dict[str, Prepared]]) -> Iterator[dict[str, Prepared]]:
    """Yield the cases that the first process prepares; the others map its arrays, and read what they train on."""
    workers = run.workers
    if workers.count == 1:
        yield make()
    elif workers.first:
        prepared = make()
        with shared(prepared, run.out) as cases:
            workers.share(cases)
            yield prepared
            workers.wait()
    else:
        yield workers.share(None).opened()
        workers.wait()
