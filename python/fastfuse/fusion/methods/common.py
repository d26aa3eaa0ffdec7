"""What the public functions share."""

from __future__ import annotations

from typing import cast

from ...errors import warn
from ..labels.declared import SHARED, AskedLabels
from ..labels.fuse import fuse_label_votes
from ..labels.options import LabelMethod, LabelOptions
from ..labels.result import LabelFusion
from ..options import DECLARED, Options
from ..pipeline import fuse_votes
from ..registry import Method, method_called
from ..result import Fusion, in_kind_of
from ..votes import Votes

NONE = AskedLabels()


def fused(votes: Votes, method: str, options: Options) -> Fusion:
    """Fuse, and warn the caller's caller of what is doubtful."""
    return _fused(votes, method_called(method), options)


def fused_or_labels(votes: Votes, method: str, options: Options, asked: AskedLabels) -> Fusion | LabelFusion:
    """Fuse votes, or label maps if labels are asked for."""
    row = method_called(method)
    asked.check_method(row)
    return _fused(votes, row, options) if asked.labels is None else _labels(votes, row, options, asked)


def fused_by_name(
    votes: Votes, name: str, options: Options, asked: AskedLabels = NONE
) -> Fusion | LabelFusion:
    """Fuse by a method that needs votes alone; refuse options that it does not have."""
    method = method_called(name, images=False)
    if method.grows:
        raise ValueError(f"{name} needs an image: call {method.function}(raters, image)")
    asked.check_method(method)
    if asked.labels is not None:
        return _labels(votes, method, options, asked)
    options = options.checked()
    options.check_method(method)
    return _fused(votes, method, options)


def _fused(votes: Votes, method: Method, options: Options) -> Fusion:
    votes = votes.listed()
    fusion, remarks = fuse_votes(votes, method, options)
    warn(remarks, callers=3)
    return in_kind_of(votes.raters, fusion)


def _labels(votes: Votes, method: Method, options: Options, asked: AskedLabels) -> LabelFusion:
    """Fuse label maps; refuse what does not apply to them."""
    for one in DECLARED:
        value = getattr(options, one.name)
        on_cpu = one.name == "device" and value == "cpu"
        if one.name not in SHARED and one.differs(value) and not on_cpu:
            raise ValueError(
                f"{one.name} is {value!r}: label maps take no such option; leave it out, or leave labels out"
            )
    if votes.out is not None:
        raise ValueError("out is given: volumes of label maps are made when they are asked for; leave it out")
    name = cast("LabelMethod", method.name)
    fusion, remarks = fuse_label_votes(votes, name, asked.labels, LabelOptions.of(options, asked))
    warn(remarks, callers=3)
    return fusion
