"""The processes that train one network together, one or several started by torchrun: device and rank of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from .device import usable

if TYPE_CHECKING:
    from typing_extensions import Self

STEP = timedelta(minutes=30)  # longest wait in a step, while the first process validates or predicts
STAGE = timedelta(days=7)  # longest wait for a stage of the first process alone: fusing a cohort takes hours


@dataclass(frozen=True)
class Workers:
    """One process's place among those that train together; leaving its context ends their connection."""

    device: torch.device
    rank: int = 0
    count: int = 1
    waiting: Any = None  #: a group of processes that can wait for days: NCCL keeps a card busy, and gives up

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.count > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """Its part of a batch that all have drawn alike."""
        return slice(self.rank, None, self.count)

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network, with gradients averaged over all processes."""
        if self.count == 1:
            return network
        on = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=on)

    def total(self, sums: Tensor) -> Tensor:
        """Return numbers added over all processes; the gradient is with respect to this process's own."""
        if self.count == 1:
            return sums
        whole = sums.detach().clone()
        distributed.all_reduce(whole)
        return (sums - sums.detach()) + whole

    def by_first(self, make: Callable[[], float]) -> float:
        """Return a number that the first process makes, in all processes."""
        number = torch.zeros((), dtype=torch.float64, device=self.device)
        if self.first:
            number += make()
        if self.count > 1:
            distributed.broadcast(number, src=0)
        return float(number)

    def share(self, thing: Any) -> Any:
        """Return the first process's picklable thing, in all processes; others wait for as long as it takes."""
        if self.count == 1:
            return thing
        things = [thing]
        distributed.broadcast_object_list(things, src=0, group=self.waiting)
        return things[0]

    def wait(self) -> None:
        """Wait until all processes are here, for as long as it takes."""
        if self.count > 1:
            distributed.barrier(group=self.waiting)


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
    return Workers(place, rank, count, _connected(place) if count > 1 else None)


def _connected(place: torch.device) -> Any:
    """Connect the processes; return the group in which they wait for each other."""
    if not distributed.is_initialized():
        if place.type == "cuda":
            distributed.init_process_group("nccl", timeout=STEP, device_id=place)
        else:
            distributed.init_process_group("gloo", timeout=STEP)
    return distributed.new_group(backend="gloo", timeout=STAGE)
