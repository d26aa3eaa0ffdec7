"""The files of one fusion: what is read, and what is written."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..fusion.native.marks import looked_by, marked_by
from ..fusion.result import DiceRule, Fusion, Ties, check_label_cut, check_ties
from ..images.outputs import Outputs, check_outputs
from ..images.paths import as_path, as_paths, listed_paths, needed_path, short_names, shown
from ..images.placing import AS_IT_IS, Kind, Placing
from ..images.repeats import check_pairs, identity_of, mask_among, own_outputs, repeated
from ..images.sidecar import sidecar_bytes, sidecar_path
from ..images.written.endings import (
    NIFTI,
    OF_CONSENSUS,
    OF_LABELS,
    check_ending,
    is_dicom,
    is_segments,
)
from ..inputs.names import check_count_of_names, listed_names
from .report import add_report, check_report

if TYPE_CHECKING:
    from ..images.grids.common import Common
    from ..images.image import Image
    from ..images.wanted import ChannelAxis, Wanted
    from ..inputs.grids import Grid
    from ..report.html.scan import Pictures


@dataclass
class Inputs:
    """What the files hold, on one grid."""

    common: Common
    raters: list[Image] = field(default_factory=list)
    votes: list[NDArray[Any]] = field(default_factory=list)
    region: NDArray[Any] | None = None
    prior: NDArray[Any] | None = None
    image: NDArray[Any] | None = None
    truth: Image | None = None
    present: list[NDArray[Any] | None] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def grid(self) -> Grid:
        """Positions of the voxels in space."""
        return self.common.like.grid


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The raters' files, and those beside them that are read."""

    raters: list[Path]
    mask: Path | None
    prior: Path | None = None
    image: Path | None = None
    truth: Path | None = None
    present: list[Path | None] = field(default_factory=list)
    channel_axis: ChannelAxis | None = None  # of images of four axes
    segments: tuple[str, ...] = ()  # names of those that raters' files are read for
    called: Sequence[str] | None = None  # the raters' names, if they are given
    placing: Placing = AS_IT_IS
    decisions: Path | None = None  # of a reviewer
    case: str | None = None  # of a cohort, whose lines of the decisions count

    @property
    def names(self) -> list[str]:
        """What tables call the raters: their names, or their files."""
        return short_names(self.raters) if self.called is None else [shown(name) for name in self.called]

    @property
    def holders(self) -> list[str]:
        """What messages call the raters: their files, with the names that were given."""
        files = short_names(self.raters)
        if self.called is None:
            return files
        return [f"{name} ({file})" for name, file in zip(self.names, files, strict=True)]

    @property
    def identities(self) -> list[Hashable]:
        """Which file each rater's is, whatever it is called."""
        return [identity_of(path) for path in self.raters]

    @property
    def titles(self) -> dict[str, str]:
        """What messages call the mask, the prior and the image."""
        files = {"mask": self.mask, "prior": self.prior, "image": self.image}
        return {
            what: f"the {what} ({shown(path.name)})" if path else f"the {what}"
            for what, path in files.items()
        }

    @property
    def all(self) -> list[Path]:
        """All files that are read; those that make no sense together are refused."""
        check_pairs(self.raters)
        check_count_of_names(self.called, len(self.raters))
        return [path for _, path in self.read_files]

    @property
    def read_files(self) -> list[tuple[str, Path]]:
        """All files that are read, each with what it is."""
        named = [("rater", path) for path in self.raters]
        others = [("mask", self.mask), ("prior", self.prior), ("image", self.image), ("truth", self.truth)]
        others += [*(("present", path) for path in self.present), ("grid", self.placing.grid)]
        others += [("decisions", self.decisions)]
        return [*named, *((what, path) for what, path in others if path is not None)]

    def read(
        self, say: Callable[[str], None], threads: int, wanted: Wanted, *, of_labels: bool = False
    ) -> Inputs:
        """Read all images, several at once; ``of_labels``: label maps, all of whose labels are fused."""
        from ..images.grids.common import on_one_grid
        from ..images.grids.lattice import with_lattice
        from ..images.image import region_of, votes_of, without_effect
        from ..images.reading import reading
        from ..images.structures import check_one_chosen, compare_names

        remarks = [*repeated(self.raters), *mask_among(self.raters, self.mask)]
        others: dict[str | int, Path | None] = {"mask": self.mask, "prior": self.prior, "image": self.image}
        others.update(enumerate(self.present))
        others["truth"] = self.truth
        given = {what: path for what, path in others.items() if path is not None}
        paths = [*self.raters, *given.values()]
        kinds: list[Kind] = ["votes"] * len(self.raters)
        kinds += [_kind_of(what) for what in given]
        asked = [wanted] * len(self.raters)
        asked += [wanted if what == "truth" else wanted.beside() for what in given]
        asked = with_lattice(paths, kinds, asked, self.placing)
        with reading(paths, threads, asked) as found_images:
            images, common = on_one_grid(paths, kinds, found_images, say, remarks, self.placing)
        remarks += without_effect(images, wanted.channel_axis, wanted.use)
        raters = images[: len(self.raters)]
        if not of_labels:
            for rater in raters:
                check_one_chosen(rater, wanted.foreground)
        remarks += own_outputs(
            raters, selects=of_labels or wanted.foreground.selects, chosen=wanted.foreground.segments
        )
        found = dict(zip(given, images[len(raters) :], strict=True))
        remarks += [] if of_labels else compare_names(raters, wanted.foreground)
        return Inputs(
            common,
            raters=raters,
            votes=[votes_of(image, remarks) for image in raters],
            region=region_of(found["mask"], remarks) if "mask" in found else None,
            prior=found["prior"].data if "prior" in found else None,
            image=found["image"].data if "image" in found else None,
            truth=found.get("truth"),
            present=[region_of(found[i], remarks) if i in found else None for i in range(len(self.present))],
            remarks=remarks,
        )


@dataclass(frozen=True, kw_only=True)
class Job(Sources):
    """The files of one fusion."""

    consensus: Path
    label: Path | None
    counts: Path | None
    report: Path | None = None
    cut: float | DiceRule = 0.5  # of the label's mask; "dice": found for the highest expected Dice
    ties: Ties = "foreground"
    smoothing_mm: float | None = None  # sigma of a prior that is the smoothed mean vote
    overwrite: bool = False

    @property
    def least_marked(self) -> float | DiceRule:
        """The least probability, in the precision of the file, that the mask of the consensus takes, or "dice"."""
        if isinstance(self.cut, str) or self.ties == "foreground":
            return self.cut
        return float(np.nextafter(np.float32(self.cut), np.float32(2)))

    def check(self) -> None:
        """Refuse early names that do not fit, and what must not, or cannot, be written."""
        inputs = self.all
        images = [path for path in (self.consensus, self.label, self.counts) if path is not None]
        check_outputs(images, inputs, OF_CONSENSUS, overwrite=self.overwrite)
        for path, endings in ((self.label, OF_LABELS), (self.counts, NIFTI)):
            if path is not None:
                check_ending(path, endings)
        if is_dicom(self.consensus):
            from ..images.written.dicom_seg import check_dicom

            check_dicom()
        check_outputs([sidecar_path(self.consensus)], inputs, (".json",), overwrite=self.overwrite)
        check_report(self.report, inputs, overwrite=self.overwrite)

    def write(
        self,
        fusion: Fusion,
        cut: float,
        counts: NDArray[np.uint8] | None,
        inputs: Inputs,
        label: int | None,
        sidecar: dict[str, Any],
        say: Callable[[str], None],
        pictures: Callable[[], Pictures],
    ) -> None:
        """Write all outputs, the sidecar last: its presence means that the others are complete.

        ``cut``: as it is, or was found. ``label``: of label maps, that whose voxels are votes. ``pictures`` makes what a
        report shows.
        """
        from .call import with_recipe

        with Outputs(overwrite=self.overwrite) as outputs:
            for path, content in self._images(fusion, cut, counts, inputs, label):
                say(f"writing {shown(path.name)}")
                outputs.add(path, content())
            beside, sidecar = sidecar_path(self.consensus), with_recipe(sidecar, outputs)
            add_report(outputs, self.report, beside, sidecar, self.read_files, pictures, say)
            outputs.add(beside, sidecar_bytes(sidecar))
            outputs.commit()

    def _images(
        self, fusion: Fusion, cut: float, counts: NDArray[Any] | None, inputs: Inputs, label: int | None
    ) -> Iterator[tuple[Path, Callable[[], bytes]]]:
        """Yield the images to write, each with what makes its content."""
        from ..images.written.nifti import Holds, nifti_bytes

        like, needs_mask = inputs.common.like, self.label is not None or is_segments(self.consensus)
        mask = fusion.label(cut, ties=self.ties) if needs_mask else None

        def nifti(path: Path, data: NDArray[Any], what: str, holds: Holds) -> bytes:
            return nifti_bytes(path, data, like, f"fastfuse {fusion.method} {what}", holds)

        def segments() -> bytes:
            from .segments import segments_of_masks

            assert mask is not None
            marks = marked_by_each(inputs, label)
            return segments_of_masks(mask, counts_of(inputs, label), marks, self.names, like)

        def probability() -> bytes:
            if is_dicom(self.consensus):
                from .segments import probability_as_dicom

                return probability_as_dicom(fusion, like)
            data = fusion.probability.astype(np.float32, copy=False)
            return nifti(self.consensus, data, "probability", "probability")

        yield self.consensus, segments if is_segments(self.consensus) else probability
        if self.label is not None and mask is not None:
            as_mask = partial(nifti, self.label, mask, f"cut {cut:g}", "labels")
            yield self.label, segments if is_segments(self.label) else as_mask
        if self.counts is not None and counts is not None:
            yield self.counts, partial(nifti, self.counts, counts, "votes", "counts")


def vote_job(
    paths: Any,
    output: Any,
    mask: Any,
    present: Any,
    names: Any,
    placing: Placing,
    *,
    overwrite: bool,
    prior: Path | None,
    smoothing_mm: float | None,
    image: Any,
    save_label: Any,
    save_counts: Any,
    report: Any,
    cut: Any,
    ties: Any,
    channel_axis: Any,
    segments: tuple[str, ...],
    decisions: Any,
) -> Job:
    """Return the files of a fusion of votes, from what the caller gave."""
    from ..images.wanted import check_channel_axis

    return Job(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        prior=prior,
        image=as_path(image, "image"),
        consensus=needed_path(output, "output"),
        label=as_path(save_label, "save_label"),
        counts=as_path(save_counts, "save_counts"),
        report=as_path(report, "report"),
        present=listed_paths(present),
        cut=check_label_cut(cut, ties),
        ties=check_ties(ties),
        smoothing_mm=smoothing_mm,
        channel_axis=check_channel_axis(channel_axis),
        segments=segments,
        overwrite=overwrite,
        called=listed_names(names),
        placing=placing,
        decisions=as_path(decisions, "decisions"),
    )


def _kind_of(what: str | int) -> Kind:
    """Return what a file beside the raters' is to the grid."""
    return "present" if isinstance(what, int) else "votes" if what == "truth" else cast("Kind", what)


def marked_by_each(inputs: Inputs, label: int | None) -> Iterator[NDArray[Any]]:
    """Yield where each rater marks: a vote of at least 0.5, inside the mask, of what they looked at."""
    for vote, seen in zip(inputs.votes, inputs.present or [None] * len(inputs.votes), strict=True):
        marked = marked_by(vote, label)
        for region in (seen, inputs.region):
            if region is not None:
                marked = marked & (region != 0)
        yield marked


def marked_voxels(inputs: Inputs, label: int | None, fusion: Fusion, *, grown: bool) -> list[int]:
    """Return how many voxels each rater marks: of votes that are 0 and 1, their sum."""
    if not grown and (label is not None or all(vote.dtype.kind in "bui" for vote in inputs.votes)):
        return [round(volume) for volume in fusion.volume.tolist()]
    return [int(np.count_nonzero(marked)) for marked in marked_by_each(inputs, label)]


def looked_at(inputs: Inputs) -> list[NDArray[Any]]:
    """Return where each rater looked: of files, where a vote is a number; nothing where all looked everywhere."""
    from ..report.html.scan import where_looked

    present = inputs.present or [None] * len(inputs.votes)
    return where_looked(
        [
            looked_by(vote, [] if seen is None else [seen])
            for vote, seen in zip(inputs.votes, present, strict=True)
        ]
    )


def pictures_of(inputs: Inputs, label: int | None, fusion: Fusion) -> Pictures:
    """Return the volumes that a report shows."""
    from ..report.html.scan import Pictures

    return Pictures(
        np.asarray(fusion.probability),
        list(marked_by_each(inputs, label)),
        inputs.grid.affine,
        inputs.image,
        inputs.grid.known,
        looked=looked_at(inputs),
    )


def counts_of(inputs: Inputs, label: int | None) -> NDArray[Any]:
    """Count the raters who mark each voxel."""
    return counts_of_marks(marked_by_each(inputs, label), len(inputs.votes))


def counts_of_marks(marks: Iterable[NDArray[np.bool_]], raters: int) -> NDArray[Any]:
    """Count the marks of each voxel, in the smallest type that holds the number of raters."""
    kind = np.uint8 if raters <= np.iinfo(np.uint8).max else np.uint16
    left = iter(marks)
    counts: NDArray[Any] = next(left).astype(kind)
    for marked in left:
        np.add(counts, marked, out=counts)
    return counts
