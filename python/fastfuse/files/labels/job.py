"""The files of a fusion of label maps: what is read, and what is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...fusion.labels.result import LabelFusion
from ...images.formats.label_names import tsv_bytes
from ...images.four_axes import FourAxesError, axes_of_classes
from ...images.image import Image
from ...images.outputs import Outputs, check_outputs
from ...images.paths import as_path, as_paths, listed_paths, needed_path, shown
from ...images.placing import Placing
from ...images.repeats import check_pairs
from ...images.sidecar import sidecar_bytes, sidecar_path
from ...images.wanted import Wanted
from ...images.written.endings import NIFTI, OF_LABELS, check_ending, is_segments
from ...inputs.names import check_count_of_names, listed_names
from ..job import Inputs, Job
from ..report import add_report, check_report
from .asked import Group, saved_probabilities
from .prior import LabelPriorFiles, label_prior

if TYPE_CHECKING:
    from ...report.html.scan import Pictures

SAFE = re.compile(r"[\w/\\:. +@=,~-]+")  # paths that a shell's double quotes leave as they are
Volumes = Mapping[
    Group, Callable[[], NDArray[Any]]
]  # the probability of each group, made when it is asked for


@dataclass(frozen=True)
class LabelJob:
    """The files of a fusion of label maps.

    Attributes
    ----------
    files : Job
        Raters, mask, where raters looked, and the label map of the consensus.
    probabilities : dict
        File of the probability of each label, or group of labels.
    confidence : Path or None
        File of the probability of the consensus.
    names : Path or None
        File of the labels' names.
    prior : LabelPriorFiles
    """

    files: Job
    probabilities: dict[Group, Path] = field(default_factory=dict)
    confidence: Path | None = None
    names: Path | None = None
    prior: LabelPriorFiles = field(default_factory=LabelPriorFiles)

    @property
    def table(self) -> Path:
        """File of the labels and their names, beside the label map."""
        return sidecar_path(self.files.consensus).with_suffix(".tsv")

    @property
    def of_networks(self) -> bool:
        """Whether the raters are networks' probabilities.

        Raises
        ------
        ImageError
            If some are, and others are label maps.
        """
        ends = [path.name.lower().endswith(".npz") for path in self.files.raters]
        if any(ends) and not all(ends):
            network, label_map = self.files.raters[ends.index(True)], self.files.raters[ends.index(False)]
            raise ImageError(
                f"{shown(network)} holds a network's probabilities, and {shown(label_map)} is a label map: fuse one kind; the "
                "segmentation beside the .npz is the network's label map"
            )
        return any(ends)

    @property
    def outputs(self) -> dict[str, Path]:
        """Return all outputs beside the sidecar, by what they are."""
        saved = {f"probability of {group_name(group)}": path for group, path in self.probabilities.items()}
        others = {} if self.confidence is None else {"confidence": self.confidence}
        beside = {} if self.files.report is None else {"report": self.files.report}
        return {"consensus": self.files.consensus, **saved, **others, "labels": self.table, **beside}

    def check(self) -> None:
        """Refuse early names that do not fit, and what must not, or cannot, be written."""
        files, overwrite = self.files, self.files.overwrite
        check_pairs(files.raters)
        images = [path for what, path in self.outputs.items() if what not in ("labels", "report")]
        inputs = [path for _, path in self.read_files]
        check_outputs(images, inputs, OF_LABELS, overwrite=overwrite)
        for path in images[1:]:
            check_ending(path, NIFTI)
        check_outputs([self.table], inputs, (".tsv",), overwrite=overwrite)
        check_outputs([sidecar_path(files.consensus)], inputs, (".json",), overwrite=overwrite)
        check_report(files.report, inputs, overwrite=overwrite)
        check_count_of_names(files.called, len(files.raters))

    @property
    def read_files(self) -> list[tuple[str, Path]]:
        """All files that are read, each with what it is."""
        names = [] if self.names is None else [("labels' names", self.names)]
        return [*self.files.read_files, *names, *(("prior", path) for path in self.prior.files)]

    def read(self, say: Callable[[str], None], threads: int) -> Inputs:
        """Read label maps, and what lies beside them."""
        wanted = Wanted(use=self.files.placing.use, offers_use=True)
        try:
            return self.files.read(say, threads, wanted, of_labels=True)
        except ImageError as error:
            if "select_" not in str(error):
                raise
            by_itself = "overlap" in str(error)  # of segments
            how = "all, each by itself, give overlap=True (--overlap); or" if by_itself else "all labels,"
            command = _made_a_map(error.image) if isinstance(error, FourAxesError) and error.image else ""
            raise ImageError(
                f"{error}. That fuses one; to fuse {how} save it as one 3-D label map{command}"
            ) from error

    def volumes(self, fusion: LabelFusion, groups: Volumes) -> Sequence[tuple[Path, NDArray[Any], str]]:
        """Return the images to write, each with what it is; ``groups`` make the probability of each group."""
        images = [(self.files.consensus, fusion.label(), "labels")]
        for group, path in self.probabilities.items():
            images.append((path, as_float(groups[group]()), f"{group_name(group)} probability"))
        if self.confidence is not None:
            images.append((self.confidence, as_float(fusion.confidence()), "confidence"))
        return images

    def write(
        self,
        images: Sequence[tuple[Path, NDArray[Any], str]],
        labels: Sequence[tuple[int, str]],
        colours: dict[int, str],
        like: Image,
        sidecar: dict[str, Any],
        say: Callable[[str], None],
        pictures: Callable[[], Pictures],
    ) -> None:
        """Write all outputs, the sidecar last: its presence means that the others are complete.

        ``pictures`` makes what a report shows.
        """
        from ...images.written.nifti import Holds, nifti_bytes
        from ..call import with_recipe

        with Outputs(overwrite=self.files.overwrite) as outputs:
            for path, data, what in images:
                say(f"writing {shown(path.name)}")
                if is_segments(path):
                    from ..segments import segments_of_map

                    outputs.add(path, segments_of_map(data, labels, colours, like))
                    continue
                told = f"fastfuse {sidecar['method']} {what}".encode("ascii", "replace")[:79].decode()
                holds: Holds = "labels" if data.dtype.kind in "iu" else "probability"
                outputs.add(path, nifti_bytes(path, data, like, told, holds))
            outputs.add(self.table, tsv_bytes(labels, colours))
            beside, sidecar = sidecar_path(self.files.consensus), with_recipe(sidecar, outputs)
            add_report(outputs, self.files.report, beside, sidecar, self.read_files, pictures, say)
            outputs.add(beside, sidecar_bytes(sidecar))
            outputs.commit()


def as_float(volume: NDArray[Any]) -> NDArray[np.float32]:
    """Return probabilities as they are written."""
    return volume.astype(np.float32, copy=False)


def group_name(group: Group) -> str:
    """Return what a label, or a group of labels, is called."""
    return ",".join(map(str, group))


def label_job(
    paths: Any,
    output: Any,
    mask: Any,
    present: Any,
    names: Any,
    placing: Placing,
    *,
    overwrite: bool,
    label_names: Any,
    save_probability: Any,
    save_confidence: Any,
    prior: Any,
    image: Any = None,
    report: Any = None,
    decisions: Any = None,
    case: str | None = None,
) -> LabelJob:
    """Return the files of a fusion of label maps, from what the caller gave."""
    files = Job(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        prior=None,
        image=as_path(image, "image"),
        consensus=needed_path(output, "output"),
        label=None,
        counts=None,
        report=as_path(report, "report"),
        present=listed_paths(present),
        overwrite=overwrite,
        called=listed_names(names),
        placing=placing,
        decisions=as_path(decisions, "decisions"),
        case=case,
    )
    return LabelJob(
        files,
        saved_probabilities(save_probability),
        as_path(save_confidence, "save_confidence"),
        as_path(label_names, "label_names"),
        label_prior(prior),
    )


def _made_a_map(image: Image) -> str:
    """Return, after a colon, the command that makes a label map of the classes in a NIfTI; nothing of anything else."""
    path, axes = str(image.path), axes_of_classes(image)
    if len(axes) != 1 or not path.endswith((".nii", ".nii.gz")) or not SAFE.fullmatch(path):
        return ""
    to = f"{path.removesuffix('.gz').removesuffix('.nii')}_labels.nii.gz"
    made = f"n.Nifti1Image(i.get_fdata().argmax({axes[0]}).astype('uint8'), i.affine)"
    return f": python -c \"import nibabel as n; i = n.load('{path}'); n.save({made}, '{to}')\""
