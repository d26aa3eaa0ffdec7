"""The files of one fusion: what is read, and what is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..fusion.result import Fusion, Ties
from ..images.outputs import Outputs, check_outputs
from ..images.paths import short_names, shown
from ..images.placing import AS_IT_IS, Kind, Placing
from ..images.repeats import check_pairs, repeated
from ..images.sidecar import sidecar_bytes, sidecar_path
from ..inputs.arrays import selected

if TYPE_CHECKING:
    from ..images.grids.common import Common
    from ..images.image import Image
    from ..images.wanted import ChannelAxis, Wanted
    from ..inputs.grids import Grid


@dataclass
class Inputs:
    """What the files hold, on one grid."""

    common: Common
    raters: list[Image] = field(default_factory=list)
    votes: list[NDArray[Any]] = field(default_factory=list)
    region: NDArray[Any] | None = None
    prior: NDArray[Any] | None = None
    image: NDArray[Any] | None = None
    present: list[NDArray[Any] | None] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def grid(self) -> Grid:
        """Positions of the voxels in space."""
        return self.common.like.grid


@dataclass(frozen=True)
class Job:
    """The files of one fusion."""

    raters: list[Path]
    mask: Path | None
    prior: Path | None
    image: Path | None
    consensus: Path
    label: Path | None
    counts: Path | None
    present: list[Path | None] = field(default_factory=list)
    cut: float = 0.5  # of the label's mask
    ties: Ties = "foreground"
    smoothing_mm: float | None = None  # sigma of a prior that is the smoothed mean vote
    channel_axis: ChannelAxis | None = None  # of images of four axes
    segments: tuple[str, ...] = ()  # names of those that raters' files are read for
    overwrite: bool = False
    placing: Placing = AS_IT_IS

    @property
    def names(self) -> list[str]:
        """What messages call the raters."""
        return [f"rater {i} ({name})" for i, name in enumerate(short_names(self.raters))]

    @property
    def titles(self) -> dict[str, str]:
        """What messages call the mask, the prior and the image."""
        files = {"mask": self.mask, "prior": self.prior, "image": self.image}
        return {
            what: f"the {what} ({shown(path.name)})" if path else f"the {what}"
            for what, path in files.items()
        }

    def check(self) -> None:
        """Refuse early what must not, or cannot, be written."""
        from ..images.nifti import NIFTI_SUFFIXES

        others = (self.mask, self.prior, self.image, *self.present, self.placing.grid)
        check_pairs(self.raters)
        inputs = [*self.raters, *(path for path in others if path is not None)]
        images = [path for path in (self.consensus, self.label, self.counts) if path is not None]
        check_outputs(images, inputs, NIFTI_SUFFIXES, overwrite=self.overwrite)
        check_outputs([sidecar_path(self.consensus)], inputs, (".json",), overwrite=self.overwrite)

    def read(self, say: Callable[[str], None], threads: int, wanted: Wanted) -> Inputs:
        """Read all images, several at once."""
        from ..images.grids.common import on_one_grid
        from ..images.image import votes_of
        from ..images.reading import reading
        from ..images.structures import compare_names

        remarks = repeated(self.raters)
        others: dict[Kind | int, Path | None] = {"mask": self.mask, "prior": self.prior, "image": self.image}
        others.update(enumerate(self.present))
        given = {what: path for what, path in others.items() if path is not None}
        paths = [*self.raters, *given.values()]
        kinds: list[Kind] = ["votes"] * len(self.raters)
        kinds += ["present" if isinstance(what, int) else what for what in given]
        asked = [wanted] * len(self.raters) + [wanted.beside()] * len(given)
        with reading(paths, threads, asked) as found_images:
            images, common = on_one_grid(paths, kinds, found_images, say, remarks, self.placing)
        raters = images[: len(self.raters)]
        found = dict(zip(given, images[len(raters) :], strict=True))
        remarks += compare_names(raters, wanted.foreground)
        return Inputs(
            common,
            raters=raters,
            votes=[votes_of(image, remarks) for image in raters],
            region=votes_of(found["mask"]) if "mask" in found else None,
            prior=found["prior"].data if "prior" in found else None,
            image=found["image"].data if "image" in found else None,
            present=[votes_of(found[i]) if i in found else None for i in range(len(self.present))],
            remarks=remarks,
        )

    def write(
        self,
        fusion: Fusion,
        counts: NDArray[np.uint8] | None,
        like: Image,
        sidecar: dict[str, Any],
        say: Callable[[str], None],
    ) -> None:
        """Write all outputs, the sidecar last: its presence means that the others are complete."""
        from ..images.nifti import nifti_bytes

        images: list[tuple[Path | None, NDArray[Any] | None, str]] = [
            (self.consensus, fusion.probability.astype(np.float32, copy=False), "probability"),
            (
                self.label,
                None if self.label is None else fusion.label(self.cut, ties=self.ties),
                f"cut {self.cut:g}",
            ),
            (self.counts, counts, "votes"),
        ]
        with Outputs(overwrite=self.overwrite) as outputs:
            for path, data, what in images:
                if path is not None and data is not None:
                    say(f"writing {shown(path.name)}")
                    outputs.add(path, nifti_bytes(path, data, like, f"fastfuse {fusion.method} {what}"))
            outputs.add(sidecar_path(self.consensus), sidecar_bytes(sidecar))
            outputs.commit()


def counts_of(inputs: Inputs, label: int | None) -> NDArray[Any]:
    """Count the raters who mark each voxel that they looked at."""
    votes, most = inputs.votes, np.iinfo(np.uint8).max
    counts: NDArray[Any] = np.zeros_like(votes[0], dtype=np.uint8 if len(votes) <= most else np.uint16)
    for vote, seen in zip(votes, inputs.present or [None] * len(votes), strict=True):
        marked = vote >= 0.5 if label is None else selected(vote, label)
        np.add(counts, marked if seen is None else marked & (seen != 0), out=counts)
    if inputs.region is not None:
        counts[inputs.region == 0] = 0
    return counts
