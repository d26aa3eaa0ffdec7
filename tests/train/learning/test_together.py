"""Several processes of torchrun train as one process with the whole batch does."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import distributed
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from fastfuse import FastfuseError
from fastfuse.train import fit
from fastfuse.train.jobs.schedule import check_batch, jobs_of, prepared_by_first
from fastfuse.train.network import workers as workers_module
from fastfuse.train.network.batches import Pool
from fastfuse.train.network.loss import soft_dice_loss
from fastfuse.train.network.workers import Workers, make_workers
from fastfuse.train.options import TrainingOptions, make_options

from ..test_training import case
from .together import learn

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("dice", "clip"), [("paper", 0.05), pytest.param("l1", 0.0, marks=pytest.mark.slow)])
def test_two_processes_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dice: str, clip: float
) -> None:
    """After 12 steps of batches of 5, of which one process has 3 slices and the other 2."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    multiprocessing.set_forkserver_preload([learn.__module__, "torch._dynamo"])  # once, and not in each
    pair = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, start_method="forkserver", max_restarts=0, run_id="pair",
        rdzv_backend="c10d", rdzv_endpoint="localhost:0",
    )  # fmt: skip
    with handlers_kept():
        elastic_launch(pair, learn)(tmp_path, dice, clip)
    learn(tmp_path, dice, clip)
    first, second, alone = (torch.load(tmp_path / f"{name}.pt") for name in ("2_0", "2_1", "1_0"))
    for loss, other in zip(first["losses"], alone["losses"], strict=True):
        assert loss == pytest.approx(other, abs=1e-6)
    assert second["losses"] == first["losses"]  # validation too, which the first alone makes
    begun, moved = begin(), 0.0
    for name, weights in alone["network"].items():
        torch.testing.assert_close(first["network"][name], weights, atol=1e-6, rtol=0)
        moved = max(moved, float((weights - begun[name]).abs().max()))
    assert moved > 1e-3


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Put back the handlers of signals, which torchrun sets for the process that it is."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def begin() -> dict[str, Any]:
    from fastfuse.train.network.unet import UNet

    torch.manual_seed(0)
    return UNet(2, 4, 2).state_dict()


def test_parts_of_a_batch_make_it_up() -> None:
    import numpy as np

    pool = Pool([case(0), case(1)], 0.5, 5.0)
    whole = pool.draw(np.random.default_rng(3), 7)
    for rank in range(3):
        part = pool.draw(np.random.default_rng(3), 7, Workers(torch.device("cpu"), rank, 3).part)
        for some, all_of_them in zip(part, whole, strict=True):
            torch.testing.assert_close(some, all_of_them[rank::3])


@pytest.mark.parametrize("dice", ["paper", "l1"])
def test_loss_of_parts(dice: str) -> None:
    """Sums are added before the quotient: the mean of each part's loss is another number."""
    generator = torch.Generator().manual_seed(0)
    p, t = (torch.rand(4, 1, 8, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    t[2:] *= 0.01
    p.requires_grad_()
    whole = soft_dice_loss(p, t, dice)
    whole.backward()
    sums: list[Any] = []
    for part in (slice(0, 3), slice(3, None)):
        soft_dice_loss(p[part], t[part], dice, lambda found: sums.append(found.detach()) or found)
    parts = []
    for part in (slice(0, 3), slice(3, None)):
        own = p.detach()[part].requires_grad_()
        loss = soft_dice_loss(own, t[part], dice, lambda found: found - found.detach() + sum(sums))
        assert float(loss.detach()) == pytest.approx(float(whole.detach()), abs=1e-12)
        loss.backward()
        parts.append(own.grad)
    torch.testing.assert_close(torch.cat(parts), p.grad)
    apart = [float(soft_dice_loss(p.detach()[part], t[part], dice)) for part in (slice(0, 3), slice(3, None))]
    assert abs(sum(apart) / 2 - float(whole.detach())) > 0.01


def test_a_slice_for_each_process() -> None:
    workers = Workers(torch.device("cpu"), 0, 4)
    check_batch(TrainingOptions(batch=4), workers)
    with pytest.raises(FastfuseError, match="batch is 3, and 4 processes share it: at least 4 is needed"):
        check_batch(TrainingOptions(batch=3), workers)
    assert jobs_of(0, workers, 20).count == 1
    with pytest.raises(FastfuseError, match="jobs is 2: one training at a time is possible under torchrun"):
        jobs_of(2, workers, 20)


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_how_processes_connect(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Each takes its own card and names it; the wait for a stage of the first lasts days, by gloo; the end is said."""
    said: list[tuple[str, Any]] = []
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: said.append(("card", str(device))))
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(workers_module, "usable", torch.device)
    there = iter([False, True])
    monkeypatch.setattr(distributed, "is_initialized", lambda: next(there))
    monkeypatch.setattr(distributed, "init_process_group", lambda *given, **more: said.append((*given, more)))
    monkeypatch.setattr(distributed, "new_group", lambda **more: more)
    monkeypatch.setattr(distributed, "barrier", lambda group: said.append(("waits", group)))
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: said.append(("end", None)))
    with make_workers("auto" if kind == "cuda" else "cpu") as workers:
        workers.wait()
    (backend, connected), (waits, group), end = said[-3:]
    assert (workers.rank, workers.count, workers.first) == (3, 4, False)
    assert backend == {"cuda": "nccl", "cpu": "gloo"}[kind]
    assert (waits, group["backend"], end) == ("waits", "gloo", ("end", None))
    assert group["timeout"] >= timedelta(days=1)
    if kind == "cuda":
        assert said[0] == ("card", "cuda:1")
        assert connected["device_id"] == workers.device == torch.device("cuda", 1)
    else:
        assert workers.device == torch.device("cpu")


def test_others_do_not_prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes beside the first map its arrays, and never fuse or load a case."""
    given: list[Any] = []
    monkeypatch.setattr(Workers, "share", lambda _, thing: given.append(thing) or given[0])
    monkeypatch.setattr(Workers, "wait", lambda _: None)
    first, other = (
        SimpleNamespace(workers=Workers(torch.device("cpu"), rank, 2), out=tmp_path) for rank in (0, 1)
    )
    made = {"Patient_01": torch.arange(9000.0)}
    with prepared_by_first(first, lambda: made) as here:
        with prepared_by_first(other, lambda: pytest.fail("it prepares, too")) as there:
            assert there is not here
            assert torch.equal(there["Patient_01"], made["Patient_01"])
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("rank", "needed"), [(0, ["a", "b", "v"]), (1, ["a", "b"])])
def test_cases_that_a_process_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int, needed: list[str]
) -> None:
    """Validation cases are for the first process; no process reads test cases."""
    read: list[str] = []

    class Kept(SimpleNamespace):
        images = torch.zeros(1, 5, 16, 16)

        def slices(self, method: str, _: torch.device) -> Kept:
            read.append(self.name)
            assert method == "staple"
            return self

    run = SimpleNamespace(
        options=make_options("quick"), workers=Workers(torch.device("cpu"), rank, 2), cases={}, folds=[["t"]],
        model=lambda *_: tmp_path / "network.pt", keep=lambda *_: None,
    )  # fmt: skip
    monkeypatch.setattr(fit, "held_out_of", lambda *_: ["v"])
    monkeypatch.setattr(fit, "_train", lambda *_: [])
    fit.trained(run, {name: Kept(name=name) for name in "abvt"}, "staple", 1, ["a", "b", "v"])
    assert read == needed
