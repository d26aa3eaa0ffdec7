"""What the public functions share."""

from __future__ import annotations

from typing import cast

from ...errors import warn
from ...inputs.names import quoted
from ..fit.remarks import remarks_on_fit
from ..labels.chosen import checked_labels, listed
from ..labels.declared import RESAMPLING, SHARED, AskedLabels, as_typed
from ..labels.options import LabelMethod, LabelOptions
from ..labels.overlap import Overlapping, fuse_overlapping
from ..labels.recorded import with_origin_of_labels
from ..labels.result import LabelFusion
from ..labels.soft.fuse import fuse_soft_votes
from ..labels.soft.given import listed_raters, volume_axes
from ..labels.soft.mapped import fuse_maps
from ..native.remembered import with_origin
from ..option_checks import check_flag
from ..options import DECLARED, Options
from ..pipeline import fuse_votes
from ..registry import Method, check_order, method_called
from ..result import Fusion, in_kind_of
from ..votes import Votes

NONE = AskedLabels()
OF_SOFT_VOTES = ("m_step", "likelihood")


def fused(votes: Votes, method: str, options: Options) -> Fusion:
    """Fuse, and warn the caller's caller of what is doubtful."""
    return _fused(votes, method_called(method), options)


def fused_or_labels(
    votes: Votes, method: str, options: Options, asked: AskedLabels
) -> Fusion | LabelFusion | Overlapping:
    """Fuse votes, or label maps if labels are asked for."""
    row = method_called(method)
    asked.check_method(row)
    if check_flag(asked.overlap, "overlap"):
        return _overlapping(votes, row, options, asked)
    if asked.labels is None:
        return _fused(votes, row, options.checked(row))
    return _labels(votes, row, options, asked)


def fused_by_name(
    votes: Votes, name: str, options: Options, asked: AskedLabels = NONE
) -> Fusion | LabelFusion | Overlapping:
    """Fuse by a method that needs votes alone; refuse options that it does not have."""
    check_order(votes.raters, name, "fuse", "raters")
    method = method_called(name, images=False)
    if method.grows:
        raise ValueError(f"{name} needs an image: call {method.function}(raters, image)")
    asked.check_method(method)
    if votes.decisions is not None and (asked.labels is not None or asked.overlap):
        raise ValueError("decisions are given: they are of masks; leave labels and overlap out")
    if check_flag(asked.overlap, "overlap"):
        return _overlapping(votes, method, options.of_method(method), asked)
    if asked.labels is not None:
        return _labels(votes, method, options, asked)
    return _fused(votes, method, options.checked(method).of_method(method))


def _fused(votes: Votes, method: Method, options: Options) -> Fusion:
    """Fuse; ``options`` are checked: labels may be an iterator, which is read once."""
    votes = votes.listed()
    fusion, remarks = fuse_votes(votes, method, options, lazily=True)
    warn(remarks + remarks_on_fit(fusion), callers=3)
    return with_origin(in_kind_of(votes.raters, fusion), votes, options, remarks)


def _overlapping(votes: Votes, method: Method, options: Options, asked: AskedLabels) -> Overlapping:
    options.check_method(method)
    fusions, remarks = fuse_overlapping(votes, method, options, asked)
    warn(remarks, callers=3)
    return fusions


def _labels(votes: Votes, method: Method, options: Options, asked: AskedLabels) -> LabelFusion:
    """Fuse label maps, or soft votes of labels; refuse what does not apply to them."""
    options.check_method(method, but=RESAMPLING)
    check_of_label_maps(options)
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
    warn(remarks, callers=3)
    return with_origin_of_labels(fusion, votes, chosen, given, remarks)


def check_of_label_maps(options: Options) -> None:
    """Refuse options that do not apply to label maps."""
    for one in DECLARED:
        value = getattr(options, one.name)
        on_cpu = one.name == "device" and value == "cpu"
        if one.name not in (*SHARED, *OF_SOFT_VOTES) and one.differs(value) and not on_cpu:
            raise ValueError(
                f"{one.name} is {quoted(as_typed(value))}: label maps take no such option; leave it out, or leave labels out"
            )
