"""Draw what the two soft Dice losses want of one pixel with a soft target: python bench/studies/dice.py FIGURE.png."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

from fastfuse.train.network.loss import soft_dice_loss

TARGETS = (0.1, 0.3, 0.6, 1.0)
TITLES = {"paper": 'dice="paper", eq. (14)', "l1": 'dice="l1"'}


def main(path: Path) -> None:
    """Draw loss against prediction for several targets, their minima marked."""
    predicted = torch.linspace(0, 1, 201, dtype=torch.float64)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for ax, (dice, title) in zip(figure.subplots(1, 2, sharey=True), TITLES.items(), strict=True):
        for k, target in enumerate(TARGETS):
            t = torch.tensor([target], dtype=torch.float64)
            losses = torch.stack([soft_dice_loss(p[None], t, dice) for p in predicted])
            colour = f"C{k}"
            ax.plot(predicted, losses, color=colour, label=f"T = {target:g}")
            least = int(losses.argmin())
            ax.plot(predicted[least], losses[least], "o", color=colour, clip_on=False, zorder=3)
        ax.set_title(title, loc="left", fontsize="medium")
        ax.set_xlabel("predicted probability P of the pixel")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    figure.axes[0].set_ylabel("loss (dot: least)")
    figure.axes[0].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
