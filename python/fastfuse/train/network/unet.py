"""The 2-D U-Net, after Ronneberger, Fischer, Brox, MICCAI 2015, doi:10.1007/978-3-319-24574-4_28."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """Probability of a lesion in each pixel of an axial slice with several modalities.

    The contracting path has 3 × 3 convolutions with ReLU, and 2 × 2 max-pooling. The expanding path has 2 × 2
    transposed convolutions without an activation, and 3 × 3 convolutions with ReLU. Skip connections join the two,
    and a sigmoid ends the network. Convolutions are padded, so that the output has the size of the input.

    Parameters
    ----------
    in_channels : int, default 5
        Modalities: DP, FLAIR, GADO, T1, T2.
    width : int, default 32
        Channels of the first level, doubled at each level below. The original has 64.
    depth : int, default 4
        Number of poolings, as in the original. The extents of a slice must be multiples of 2**depth.
    start : float, default 0.5
        Output of the untrained network, set by the bias of the last layer; 0.5 is the usual bias of 0. From there the
        soft Dice loss may push all probabilities to 0 at once, where its gradient vanishes. From a small probability
        it does not (Lin et al., ICCV 2017, section 3.3, doi:10.1109/ICCV.2017.324).
    weights : {"glorot-normal", "glorot-uniform"}
        First weights (Glorot, Bengio, AISTATS 2010). Biases are 0.

    Notes
    -----
    Trainable parameters: 7,760,673 with width 32 and depth 4 (the original: 31 million); 120,969 with width 8
    and depth 3, as the preset "quick" takes it.
    """

    def __init__(
        self,
        in_channels: int = 5,
        width: int = 32,
        depth: int = 4,
        start: float = 0.5,
        weights: str = "glorot-normal",
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.depth = depth
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(
            convolutions(before, after)
            for before, after in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
        self.joined = nn.ModuleList(convolutions(2 * w, w) for w in widths[-2::-1])
        self.last = nn.Conv2d(width, 1, 1)
        draw = nn.init.xavier_normal_ if weights == "glorot-normal" else nn.init.xavier_uniform_
        self.apply(lambda module: initialise(module, draw))
        nn.init.constant_(self.last.bias, math.log(start / (1 - start)))  # type: ignore[arg-type]

    def forward(self, slices: Tensor) -> Tensor:
        """Return probabilities, shape (n, 1, x, y), of slices of shape (n, channels, x, y)."""
        if any(extent % 2**self.depth for extent in slices.shape[-2:]):
            raise ValueError(
                f"slices of {slices.shape[-2]} × {slices.shape[-1]} pixels: "
                f"pad them to multiples of {2**self.depth}"
            )
        skipped = []
        features = self.down[0](slices)
        for block in self.down[1:]:
            skipped.append(features)
            features = block(self.pool(features))
        for up, block in zip(self.up, self.joined, strict=True):
            features = block(torch.cat([skipped.pop(), up(features)], dim=1))
        # In half precision the sigmoid's gradient would be 0 from a logit of 8.4 on.
        return torch.sigmoid(self.last(features).float())


def convolutions(before: int, after: int) -> nn.Sequential:
    """Return two 3 × 3 convolutions, each with its ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(inplace=True),
    )


def initialise(module: nn.Module, draw: Callable[[Tensor], Tensor]) -> None:
    """Draw the weights of a convolution; biases are 0."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        draw(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
