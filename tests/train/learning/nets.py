"""Networks of one's own, sound and not."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Small(nn.Module):
    """A U-Net of one pooling, with any normalisation and end."""

    def __init__(
        self, in_channels: int, norm: type[nn.Module] = nn.Identity, end: type[nn.Module] = nn.Sigmoid
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(in_channels, 4, 3, padding=1), norm(4), nn.ReLU())
        self.below = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), norm(8), nn.ReLU())
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.last = nn.Conv2d(8, 1, 1)
        self.end = end()

    def forward(self, slices: Tensor) -> Tensor:
        first = self.first(slices)
        below = self.below(nn.functional.max_pool2d(first, 2))
        return self.end(self.last(torch.cat([first, self.up(below)], dim=1)))


class Deep(nn.Module):
    """Halves its slices ``depth`` times, with a normalisation each time."""

    def __init__(self, in_channels: int, depth: int) -> None:
        super().__init__()
        widths = [in_channels, *[4] * depth]
        self.down = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 2, stride=2), nn.InstanceNorm2d(b, affine=True), nn.ReLU())
                for a, b in pairwise(widths)
            )
        )
        self.up = nn.Upsample(scale_factor=2**depth)
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, slices: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.up(self.down(slices))))


def plain(in_channels: int, width: int, depth: int) -> nn.Module:
    return Small(in_channels)


def instance(in_channels: int, width: int, depth: int) -> nn.Module:
    return Small(in_channels, nn.InstanceNorm2d)


def deep_instance(in_channels: int, width: int, depth: int) -> nn.Module:
    return Deep(in_channels, depth)


def batch(in_channels: int, width: int, depth: int) -> nn.Module:
    return Small(in_channels, nn.BatchNorm2d)


def group(in_channels: int, width: int, depth: int) -> nn.Module:
    return Small(in_channels, lambda channels: nn.GroupNorm(2, channels))


def dropout(in_channels: int, width: int, depth: int) -> nn.Module:
    return Small(in_channels, nn.BatchNorm2d, lambda: nn.Sequential(nn.Dropout(0.2), nn.Sigmoid()))


def logits(in_channels: int, width: int, depth: int) -> nn.Module:
    return Small(in_channels, nn.InstanceNorm2d, nn.Identity)


def rectified(in_channels: int, width: int, depth: int) -> nn.Module:
    """Begins below 0.1 everywhere, and has no upper end."""
    network = Small(in_channels, end=nn.ReLU)
    nn.init.constant_(network.last.weight, 1e-3)
    nn.init.constant_(network.last.bias, 0.01)
    return network


def halves(in_channels: int, width: int, depth: int) -> nn.Module:
    """Says 0.5 of everything before it has learnt, without a sigmoid."""
    network = Small(in_channels, end=nn.Identity)
    nn.init.zeros_(network.last.weight)
    nn.init.constant_(network.last.bias, 0.5)
    return network


class Unused(Small):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.other_head = nn.Conv2d(8, 1, 1)


def unused(in_channels: int, width: int, depth: int) -> nn.Module:
    return Unused(in_channels)


def frozen(in_channels: int, width: int, depth: int) -> nn.Module:
    network = Unused(in_channels)
    network.other_head.requires_grad_(False)
    return network


class Endless(Small):
    def forward(self, slices: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(slices) + torch.sqrt(self.last.bias * 0))


def endless(in_channels: int, width: int, depth: int) -> nn.Module:
    return Endless(in_channels)


class Failing(Small):
    def forward(self, slices: Tensor) -> Tensor:
        return self.last(slices)


def failing(in_channels: int, width: int, depth: int) -> nn.Module:
    return Failing(in_channels)


class FailingInTraining(Small):
    def forward(self, slices: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            raise ZeroDivisionError("at the second step")
        return super().forward(slices)


def failing_in_training(in_channels: int, width: int, depth: int) -> nn.Module:
    return FailingInTraining(in_channels)


def not_made(in_channels: int, width: int, depth: int) -> nn.Module:
    raise KeyError("width")


def typed_wrongly(in_channels: int, width: int, depth: int) -> nn.Module:
    return nn.Conv2d(in_channels)  # type: ignore[call-arg]


def many(in_channels: int, width: int, depth: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_channels, 2, 1), nn.Sigmoid())


class NoNumber(Small):
    """Says nan from the fifth step of the first fold on, which the seed of its first weights tells."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.fails, self.steps = torch.initial_seed() == 1, 0

    def forward(self, slices: Tensor) -> Tensor:
        self.steps += self.training
        found = super().forward(slices)
        return found * float("nan") if self.fails and self.steps >= 5 else found


def no_number(in_channels: int, width: int, depth: int) -> nn.Module:
    return NoNumber(in_channels)


class InPlace(Small):
    """Its sigmoid overwrites the logits, whose type is widened too late."""

    def forward(self, slices: Tensor) -> Tensor:
        return super().forward(slices).sigmoid_().float()


def in_place(in_channels: int, width: int, depth: int) -> nn.Module:
    return InPlace(in_channels, end=nn.Identity)


def scripted(in_channels: int, width: int, depth: int) -> nn.Module:
    return torch.jit.trace(Small(in_channels), torch.zeros(1, in_channels, 8, 8))


def scripted_logits(in_channels: int, width: int, depth: int) -> nn.Module:
    return torch.jit.trace(Small(in_channels, end=nn.Identity), torch.zeros(1, in_channels, 8, 8))
