"""The processes that train together, one or several started by torchrun: device and rank of each."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn

from .device import usable


@dataclass(frozen=True)
class Workers:
    """One process's place among those that train together."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network, with gradients averaged over all processes."""
        if self.count == 1:
            return network
        on = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=on)

    def mean(self, value: float) -> float:
        """Return the mean of a number over all processes."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return float(total) / self.count

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()


def make_workers(device: str = "auto") -> Workers:
    """Return this process's device and rank, by the environment that torchrun sets.

    Raises
    ------
    FastfuseError
        If there is no such device.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if count > 1 and device.startswith(("auto", "cuda")) and torch.cuda.is_available():
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    place = usable(device)
    if place.type == "cuda":
        place = torch.device("cuda", place.index or 0)
        torch.cuda.set_device(place)
        torch.backends.cudnn.benchmark = True
    if count > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return Workers(place, rank, count)
