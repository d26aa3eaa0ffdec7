"""Several processes of torchrun train as one process with the whole batch does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fastfuse import FastfuseError
from fastfuse.train.jobs.schedule import check_batch, jobs_of
from fastfuse.train.network.batches import Pool
from fastfuse.train.network.loss import soft_dice_loss
from fastfuse.train.network.workers import Workers
from fastfuse.train.options import TrainingOptions

from ..test_training import case
from .together import learn

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("dice", "clip"), [("paper", 0.05), pytest.param("l1", 0.0, marks=pytest.mark.slow)])
def test_two_processes_are_one(tmp_path: Path, dice: str, clip: float) -> None:
    """After 20 steps of batches of 5, of which one process has 3 slices and the other 2."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*start, "-m", "tests.train.learning.together", str(tmp_path), dice, str(clip)],
        capture_output=True, text=True, check=False, timeout=300, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
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
