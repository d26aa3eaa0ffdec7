"""What the public functions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import warn
from ...inputs.names import quoted
from ..fit.remarks import remarks_on_fit
from ..labels.declared import RESAMPLING, SHARED, AskedLabels, as_typed
from ..native.remembered import with_origin
from ..option_checks import check_flag
from ..options import DECLARED, Options
from ..pipeline import fuse_votes
from ..registry import Method, check_order, method_called
from ..result import Fusion, in_kind_of
from ..votes import Votes

if TYPE_CHECKING:
    from ..labels.overlap import Overlapping
    from ..labels.result import LabelFusion

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
    if not check_flag(asked.overlap, "overlap") and asked.labels is None:
        return _fused(votes, row, options.checked(row))
    return _of_labels(votes, row, options, asked)


def fused_by_name(
    votes: Votes, name: str, options: Options, asked: AskedLabels = NONE
) -> Fusion | LabelFusion | Overlapping:
    """Fuse by a method that needs votes alone; refuse options that it does not have."""
    check_order(votes.raters, name, "fuse", "raters")
    method = method_called(name, images=False)
    check_needs_no_image(method)
    asked.check_method(method)
    if votes.decisions is not None and (asked.labels is not None or asked.overlap):
        raise ValueError("decisions are given: they are of masks; leave labels and overlap out")
    if not check_flag(asked.overlap, "overlap") and asked.labels is None:
        return _fused(votes, method, options.checked(method).of_method(method))
    return _of_labels(votes, method, options.of_method(method) if asked.overlap else options, asked)


def check_needs_no_image(method: Method) -> None:
    """Refuse a method that dilates on an image, which has a function of its own."""
    if method.grows:
        raise ValueError(f"{method.name} needs an image: call {method.function}(raters, image)")


def _fused(votes: Votes, method: Method, options: Options) -> Fusion:
    """Fuse; ``options`` are checked: labels may be an iterator, which is read once."""
    votes = votes.listed()
    fusion, remarks = fuse_votes(votes, method, options, lazily=True)
    warn(remarks + remarks_on_fit(fusion), callers=3)
    return with_origin(in_kind_of(votes.raters, fusion), votes, options, remarks)


def _of_labels(
    votes: Votes, method: Method, options: Options, asked: AskedLabels
) -> LabelFusion | Overlapping:
    """Fuse label maps, or structures that may overlap; load only here what masks do not need."""
    from .of_labels import fuse_labels, fuse_structures

    if asked.overlap:
        options.check_method(method)
        return fuse_structures(votes, method, options, asked)
    options.check_method(method, but=RESAMPLING)
    check_of_label_maps(options)
    return fuse_labels(votes, method, options, asked)


def check_of_label_maps(options: Options) -> None:
    """Refuse options that do not apply to label maps."""
    for one in DECLARED:
        value = getattr(options, one.name)
        on_cpu = one.name == "device" and value == "cpu"
        if one.name not in (*SHARED, *OF_SOFT_VOTES) and one.differs(value) and not on_cpu:
            raise ValueError(
                f"{one.name} is {quoted(as_typed(value))}: label maps take no such option; leave it out, or leave labels out"
            )
