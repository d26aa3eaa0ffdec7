"""From a cohort's files to what trainings need: slices of the images, and each method's consensus of the raters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import ImageError
from ...images.nifti import Image
from ...images.paths import shown
from ..cohort.loading import LoadedCase, load_case
from ..cohort.msseg import Case
from ..network.batches import Slices
from ..options import METHODS, ExperimentOptions
from .consensus import consensus_of
from .slices import Frame, brain_of, common_size, normalised


@dataclass(frozen=True)
class Prepared:
    """A case, ready for any method's network.

    Attributes
    ----------
    images : Tensor of float32, shape (z, channels, x, y)
    targets : dict of str to Tensor of float32, shape (z, x, y)
        Each method's consensus.
    frame : Frame
        Where the slices lie in the volume.
    shape : tuple of int
        Of the volume.
    brain : Tensor of bool, shape (z, x, y)
        Predictions outside are 0.
    pixel_mm : tuple of float
    like : Image
        FLAIR's affine and header, without its voxels.
    """

    case: Case
    images: Tensor
    targets: dict[str, Tensor]
    frame: Frame
    shape: tuple[int, ...]
    brain: Tensor
    pixel_mm: tuple[float, float]
    like: Image

    def slices(self, method: str, device: torch.device) -> Slices:
        """Return what a network learns from, on its device."""
        lesions = (self.targets["staple"] >= 0.5).any(dim=2).any(dim=1).numpy()
        return Slices(self.images.to(device), self.targets[method].to(device), self.pixel_mm, lesions)

    def widened(self, size: tuple[int, int]) -> Prepared:
        """Return the same case in slices of ``size``, with 0 around."""
        frame = self.frame.widened(size)
        left, right = (
            [abs(a - b) for a, b in zip(old[:2], new[:2], strict=True)]
            for old, new in ((self.frame.start, frame.start), (self.frame.stop, frame.stop))
        )
        margins = (left[1], right[1], left[0], right[0])

        def pad(slices: Tensor) -> Tensor:
            return nn.functional.pad(slices, margins)

        return replace(
            self,
            images=pad(self.images),
            targets={method: pad(target) for method, target in self.targets.items()},
            brain=pad(self.brain),
            frame=frame,
        )

    def volume(self, slices: Tensor) -> NDArray[np.float32]:
        """Return predicted slices as a volume in the order of the case's files, 0 outside the brain."""
        return self.frame.paste((slices * self.brain).numpy(), self.shape)


def prepare(
    cases: Sequence[Case],
    keys: Sequence[str],
    options: ExperimentOptions,
    folder: Path,
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> dict[str, Prepared]:
    """Read every case, fuse its raters by every method, and cut all to slices of one size.

    Parameters
    ----------
    cases, keys : sequence of Case, of str
        And a hash of each one's files.
    folder : Path
        For the consensus masks, a folder in it for each case.
    say, tell : callable
        Called with what is being done, and with what is doubtful.
    """
    prepared = []
    for case, key in zip(cases, keys, strict=True):
        say(f"{case.name}: reading")
        prepared.append(_prepare_case(case, key, options, folder / case.name, say, tell))
    size = common_size([one.frame for one in prepared], 2**options.network.depth)
    return {one.case.name: one.widened(size) for one in prepared}


def _prepare_case(
    case: Case,
    key: str,
    options: ExperimentOptions,
    folder: Path,
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> Prepared:
    loaded = load_case(case, fix_flips=options.fix_flips)
    _check(loaded)
    if loaded.brain is None:
        tell(f"{case.name}: no brain mask; the brain is taken to be where FLAIR is not 0")
    methods = [method for method in METHODS if method in (*options.methods, "staple")]
    consensus = consensus_of(loaded, methods, options.consensus, folder, key=key, say=say, tell=tell)
    brain = brain_of(loaded.brain, loaded.images["FLAIR"])
    frame = Frame.around(brain, loaded.like.affine)
    sides = [loaded.like.grid.spacing_mm[axis] for axis in frame.axes]
    return Prepared(
        case,
        _tensor(normalised(loaded.images, brain, frame)),
        {method: _tensor(frame.cut(probability)) for method, probability in consensus.items()},
        frame,
        brain.shape,
        _tensor(frame.cut(brain)),
        (sides[0], sides[1]),
        replace(loaded.like, data=np.empty(0)),
    )


def _check(loaded: LoadedCase) -> None:
    """Refuse images that no network can learn from, and an empty brain."""
    for name, image in loaded.images.items():
        if not np.isfinite(image).all():
            raise ImageError(
                f"{shown(loaded.case.images[name])}: holds nan or infinite values; set them to 0, or copy it again"
            )
    if loaded.brain is not None and loaded.case.brain is not None and not loaded.brain.any():
        raise ImageError(f"{shown(loaded.case.brain)}: the brain mask is empty; mend it, or take it away")


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
