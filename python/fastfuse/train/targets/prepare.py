"""Prepares cases for training: slices of the images, and each method's consensus of the raters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...cohort.msseg import Case
from ...errors import ImageError
from ...images.image import Image
from ...images.paths import shown
from ...images.written.nifti import nifti_bytes
from ..cohort.common_grid import OwnGrid, PlacedCase, brain_of, grid_hashes, on_grid
from ..cohort.loading import LoadedCase, load_case
from ..options import TARGETS, ExperimentOptions, GridOptions
from .consensus import consensus_of
from .kept_volumes import loss_of, ratios_of
from .slices import Frame, Slices, common_size, normalised


@dataclass(frozen=True)
class Prepared:
    """A case, prepared for any method's network.

    Attributes
    ----------
    images : Tensor of float32, shape (z, channels, x, y)
    targets : dict of str to Tensor of float32, shape (z, x, y)
        Each method's consensus; those of methods in ``binary`` are cut to 0 and 1.
    frame : Frame
        Position of the slices in the volume.
    shape : tuple of int
        Of the volume.
    brain : Tensor of bool, shape (z, x, y)
        Predictions are 0 outside.
    pixel_mm : tuple of float
    like : Image
        FLAIR's affine and header, without its voxels.
    own : OwnGrid or None
        The grid of the case's files, where it is another.
    binary : frozenset of str
    volumes : dict of int to float
        Of each rater's mask: its volume in that on the case's own grid, where that is another.
    """

    case: Case
    images: Tensor
    targets: dict[str, Tensor]
    frame: Frame
    shape: tuple[int, ...]
    brain: Tensor
    pixel_mm: tuple[float, float]
    like: Image
    own: OwnGrid | None = None
    binary: frozenset[str] = frozenset()
    volumes: dict[int, float] = field(default_factory=dict)

    def slices(self, method: str, device: torch.device) -> Slices:
        """Return images and one method's target on a device."""
        lesions = (self.targets["staple"] >= 0.5).any(dim=2).any(dim=1).numpy()
        images, target = self.images.to(device), self.targets[method].to(device)
        return Slices(images, target, self.pixel_mm, lesions, method in self.binary)

    def aiming_at(self, method: str, consensus: NDArray[np.float32]) -> Prepared:
        """Return the same case with another consensus as one method's target."""
        target = (consensus >= 0.5).astype(np.float32) if method in self.binary else consensus
        return replace(self, targets={**self.targets, method: _tensor(self.frame.cut(target))})

    def widened(self, size: tuple[int, int]) -> Prepared:
        """Return the same case in slices of ``size``, padded with 0."""
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

    def files(self, slices: Tensor, on_grid: Path, own: Path, what: str) -> dict[Path, bytes]:
        """Return predicted slices as files: on the grid of all cases, and on the case's own, the last of them."""
        volume = self.volume(slices)
        files = {on_grid: nifti_bytes(on_grid, volume, self.like, what)}
        if own != on_grid:
            like = self.like if self.own is None else self.own.like
            back = volume if self.own is None else self.own.volume(volume, self.like.affine)
            files[own] = nifti_bytes(own, back, like, what)
        return files


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
        The cases, and a hash of each one's files.
    folder : Path
        Folder of the consensus masks, with a folder for each case.
    say, tell : callable
        Called with each step, and with each warning.
    """
    prepared = []
    for case, key in zip(cases, keys, strict=True):
        say(f"{case.name}: reading")
        loaded = load_case(case, fix_flips=options.fix_flips, gaps=True)
        check_images(loaded)
        placed = on_grid(loaded, options.grid)
        key = key_on(key, options.grid)
        prepared.append(_prepare_case(placed, key, options, folder / case.name, say, tell))
    if ratios := ratios_of({one.case.name: one.volumes for one in prepared}):
        tell(loss_of(ratios, len(cases)))
    size = common_size([one.frame for one in prepared], 2**options.network.depth)
    return {one.case.name: one.widened(size) for one in prepared}


def key_on(key: str, options: GridOptions) -> str:
    """Return the hash of a case's files with that of the grid that they are brought to."""
    if not options.used:
        return key
    facts = [key, asdict(options), grid_hashes(options)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _prepare_case(
    placed: PlacedCase,
    key: str,
    options: ExperimentOptions,
    folder: Path,
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> Prepared:
    loaded = placed.loaded
    for remark in placed.remarks:
        tell(f"warning: {loaded.case.name}: {remark}")
    if loaded.brain is None:
        tell(f"{loaded.case.name}: no brain mask; the brain is taken to be where FLAIR is not 0")
    methods = [method for method in TARGETS if method in (*options.methods, "staple")]
    consensus = consensus_of(loaded, methods, options.consensus, folder, key=key, say=say, tell=tell)
    images = prepare_images(placed)
    prepared = replace(
        images, binary=frozenset(method for method in methods if options.training.binary(method))
    )
    for method, found in consensus.items():
        prepared = prepared.aiming_at(method, found)
    return prepared


def prepare_images(placed: PlacedCase) -> Prepared:
    """Cut a case's images to slices around its brain; there is no target yet."""
    loaded = placed.loaded
    brain = brain_of(loaded.brain, loaded.images["FLAIR"])
    frame = Frame.around(brain, loaded.like.affine)
    sides = [loaded.like.grid.spacing_mm[axis] for axis in frame.axes]
    return Prepared(
        loaded.case,
        _tensor(normalised(loaded.images, brain, frame)),
        {},
        frame,
        brain.shape,
        _tensor(frame.cut(brain)),
        (sides[0], sides[1]),
        replace(loaded.like, data=np.empty(0)),
        placed.own,
        volumes=placed.volumes,
    )


def check_images(loaded: LoadedCase) -> None:
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
