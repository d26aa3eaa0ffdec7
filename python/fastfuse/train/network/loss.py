"""The soft Dice loss, eq. (14) of Kats, Goldberger, Greenspan, MICCAI 2019, doi:10.1007/978-3-030-32248-9_57."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DICES = ("paper", "l1")
SMOOTH = 1e-6
"""Added to numerator and denominator, in pixels: the loss of two empty masks is 0, and it is finite everywhere."""


def soft_dice_loss(
    predicted: Tensor,
    target: Tensor,
    dice: str = "paper",
    over_all: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Tensor:
    """Return 1 − Dice of two soft masks, over all pixels of a batch together.

    Parameters
    ----------
    predicted, target : Tensor of one shape
        P and T, in [0, 1]. Sums are taken in float32 at least.
    dice : {"paper", "l1"}
        The intersection. "paper": Σ P T, as in eq. (14). Its loss has the minimum at P = 0 or 1 even for T between:
        for one pixel with T = 0.3 it is P = 1. "l1": Σ (T + P − |T − P|) / 2. Its loss has the minimum at P = T.
        For binary T and P the two are equal.
    over_all : callable
        Adds the sums (twice the intersection; Σ P + Σ T) of several processes, each with a part of the batch. Dice is the
        quotient of the sums, not the mean of each part's own.

    Returns
    -------
    Tensor
        A number in [0, 1]: 1 − (2 intersection + ε) / (Σ P + Σ T + ε) with ε = 1e-6; 0 for P = T = 0.

    Raises
    ------
    ValueError
        If the shapes differ, or ``dice`` is neither.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"predicted has shape {tuple(predicted.shape)}, target {tuple(target.shape)}")
    if dice not in DICES:
        raise ValueError(f"dice is {dice!r}: choose one of {', '.join(DICES)}")
    wide = torch.promote_types(predicted.dtype, torch.float32)
    p, t = predicted.to(wide), target.to(wide)
    total = p.sum() + t.sum()
    twice = 2 * (p * t).sum() if dice == "paper" else total - (t - p).abs().sum()
    sums = over_all(torch.stack([twice, total])) + SMOOTH
    return 1 - sums[0] / sums[1]  # eq. (14)
