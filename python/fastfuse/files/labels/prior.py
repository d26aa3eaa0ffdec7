"""The prior of a fusion of label maps in files: words, a probability for each label, or image files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.declared import Label
from ...images.paths import needed_path, recorded, shown
from ...images.placing import Placing
from ...images.wanted import Wanted
from ...inputs.names import quoted
from ..job import Inputs
from ..prior import prior_file
from .asked import as_values

WORDS = ("mean", "estimate")


@dataclass(frozen=True)
class LabelPriorFiles:
    """The prior as it was asked for.

    Attributes
    ----------
    plain : object
        A word, or numbers; "mean" in the place of files.
    files : list of Path
        One for each label, or one of four axes.
    labels : list of label, optional
        Of which label each file is; None: in ascending order of the labels.
    """

    plain: Any = "mean"
    files: list[Path] = field(default_factory=list)
    labels: list[Label] | None = None

    @property
    def title(self) -> str:
        """What messages call the maps."""
        return f"the prior ({shown(self.files[0].name)})" if len(self.files) == 1 else "the prior"

    @property
    def as_recorded(self) -> Any:
        """What the sidecar says."""
        if not self.files:
            return self.plain
        names = [recorded(path) for path in self.files]
        if self.labels is not None:
            return {str(label): name for label, name in zip(self.labels, names, strict=True)}
        return names[0] if len(names) == 1 else names

    def maps(self, inputs: Inputs, placing: Placing, names: Mapping[int, str]) -> Any:
        """Return the maps on the grid of the inputs, for each label by its number or in ascending order; or what is plain.

        Raises
        ------
        ImageError, GridError
            Naming a file that cannot be read, or does not cover the grid.
        """
        if not self.files:
            return self.plain
        values = [as_values(label, names, "prior")[0] for label in self.labels or ()]
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise ValueError(f"prior holds label {twice} twice")
        volumes = [volume for path in self.files for volume in _volumes(path, inputs, placing)]
        if self.labels is None:
            return volumes
        if len(volumes) > len(values):
            raise ValueError(
                f"prior is given for each label, and {shown(self.files[0].name)} holds several volumes: give one file of "
                "three axes for each, or that of four axes alone"
            )
        return dict(zip(values, volumes, strict=True))


def _volumes(path: Path, inputs: Inputs, placing: Placing) -> list[NDArray[Any]]:
    """Return the volumes of a file on the grid of the inputs; what is done with them is added to the remarks."""
    from ...images.four_axes import channels_of
    from ...images.grids.chosen_form import with_form
    from ...images.reading import read

    found = read(path, wanted=Wanted(use=placing.use, offers_use=True, is_rater=False, all_channels=True))
    remarks = [] if found.remark is None else [found.remark]
    volumes = [
        inputs.common.place_next(with_form(volume, placing.use), remarks, "prior").data
        for volume in channels_of(found)
    ]
    inputs.remarks += dict.fromkeys(remarks)
    return volumes


def label_prior(prior: Any) -> LabelPriorFiles:
    """Return the prior as it was asked for.

    Files come as one of four axes, as a sequence, or by label in a mapping; in the shell with commas between them, as in
    a.nii.gz,b.nii.gz or 0=a.nii.gz,liver=b.nii.gz.

    Raises
    ------
    TypeError, ValueError
        For what is no prior of label maps.
    """
    if isinstance(prior, str):
        return _of_text(prior)
    if isinstance(prior, Path):
        return LabelPriorFiles(files=[as_named(prior)])
    values = list(prior.values()) if isinstance(prior, Mapping) else prior
    if isinstance(values, (list, tuple)) and any(isinstance(one, (str, Path)) for one in values):
        labels = list(prior) if isinstance(prior, Mapping) else None
        return LabelPriorFiles(files=[as_named(one) for one in values], labels=labels)
    if np.ndim(values) > 1:
        raise TypeError("prior is an array: fuse_files takes maps of priors as image files")
    return LabelPriorFiles(prior)


def as_named(value: Any) -> Path:
    """Return the path of a map, one of several."""
    if isinstance(value, (str, Path)):
        return needed_path(value, "prior")
    raise TypeError(f"prior holds {quoted(value)}: give a file for each label, or a number for each")


def _of_text(prior: str) -> LabelPriorFiles:
    if prior in WORDS:
        return LabelPriorFiles(prior)
    if prior.startswith("smooth:"):
        raise ValueError(
            f"prior is {quoted(prior)}: a smoothed vote is for one structure; of label maps give a map for each label, as files"
        )
    file = prior_file(prior)
    if "," not in prior or (file is not None and file.is_file()):
        if file is None:
            return LabelPriorFiles(prior)  # refused where labels are known
        return LabelPriorFiles(files=[file])
    parts = [part.strip() for part in prior.split(",")]
    named = [part.partition("=") for part in parts]
    if all(sign for _, sign, _ in named):
        labels = [_label(name.strip()) for name, _, _ in named]
        return _of_parts(prior, [value.strip() for _, _, value in named], labels)
    return _of_parts(prior, parts, None)


def _of_parts(prior: str, parts: list[str], labels: list[Label] | None) -> LabelPriorFiles:
    if "" in parts:
        raise ValueError(
            f"prior is {quoted(prior)}: it holds nothing between two commas; give a file for each label"
        )
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return LabelPriorFiles(files=[as_named(part) for part in parts], labels=labels)
    return LabelPriorFiles(numbers if labels is None else dict(zip(labels, numbers, strict=True)))


def _label(name: str) -> Label:
    return int(name) if name.isascii() and name.removeprefix("-").isdigit() else name
