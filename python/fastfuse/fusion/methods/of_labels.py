"""What the public functions share that fuse label maps."""

from __future__ import annotations

from typing import cast

from ...errors import warn
from ..labels.chosen import checked_labels, listed
from ..labels.declared import AskedLabels
from ..labels.options import LabelMethod, LabelOptions
from ..labels.overlap import Overlapping, fuse_overlapping
from ..labels.recorded import with_origin_of_labels
from ..labels.result import LabelFusion
from ..labels.soft.fuse import fuse_soft_votes
from ..labels.soft.given import listed_raters, volume_axes
from ..labels.soft.mapped import fuse_maps
from ..options import Options
from ..registry import Method
from ..votes import Votes


def fuse_structures(votes: Votes, method: Method, options: Options, asked: AskedLabels) -> Overlapping:
    """Fuse the structures of segmentations that may overlap, each by itself."""
    fusions, remarks = fuse_overlapping(votes, method, options, asked)
    warn(remarks, callers=4)
    return fusions


def fuse_labels(votes: Votes, method: Method, options: Options, asked: AskedLabels) -> LabelFusion:
    """Fuse label maps, or soft votes of labels; refuse what does not apply to them."""
    if votes.out is not None:
        raise ValueError("out is given: volumes of label maps are made when they are asked for; leave it out")
    name = cast("LabelMethod", method.name)
    votes, chosen = listed_raters(votes), LabelOptions.of(options, asked)
    given = listed(asked.labels)
    checked_labels(given)
    axes = volume_axes(votes, given)
    if axes is None:
        fusion, remarks = fuse_maps(votes, name, given, chosen)
    else:
        fusion, remarks = fuse_soft_votes(votes, name, given, chosen, axes)
    warn(remarks, callers=4)
    return with_origin_of_labels(fusion, votes, chosen, given, remarks)
