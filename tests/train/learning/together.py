"""Trains a small network for 12 steps, in one process or in several as torchrun begins them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from fastfuse.train.network.training import train
from fastfuse.train.network.unet import UNet
from fastfuse.train.network.workers import make_workers

from ..test_training import QUICK, case


def learn(out: Path, dice: str, clip: float) -> None:
    """Save the weights and losses, in each process for itself."""
    torch.set_num_threads(1)
    options = replace(
        QUICK, batch=5, epochs=3, learning_rate=1e-3, dice=dice, clip=clip, save_every_s=1e9, rotation_deg=5.0
    )
    with make_workers("cpu") as workers:
        torch.manual_seed(0)
        network = UNet(2, 4, 2)
        history = train(
            network,
            [case(0), case(1)],
            [case(7)] if workers.first else [],
            options,
            resume_from=out / f"resume_{workers.rank}.pt",
            seed=(0, 1),
            workers=workers,
        )
        kept = {"network": network.state_dict(), "losses": [(e.loss, e.validation) for e in history]}
        torch.save(kept, out / f"{workers.count}_{workers.rank}.pt")
