"""What the public functions share."""

from __future__ import annotations

from ...errors import warn
from ..options import Options
from ..pipeline import fuse_votes
from ..registry import Method, method_called
from ..result import Fusion, in_kind_of
from ..votes import Votes


def fused(votes: Votes, method: str, options: Options) -> Fusion:
    """Fuse, and warn the caller's caller of what is doubtful."""
    return _fused(votes, method_called(method), options)


def fused_by_name(votes: Votes, name: str, options: Options) -> Fusion:
    """Fuse by a method that needs votes alone; refuse options that it does not have."""
    method = method_called(name, images=False)
    if method.grows:
        raise ValueError(f"{name} needs an image: call {method.function}(raters, image)")
    options = options.checked()
    options.check_method(method)
    return _fused(votes, method, options)


def _fused(votes: Votes, method: Method, options: Options) -> Fusion:
    votes = votes.listed()
    fusion, remarks = fuse_votes(votes, method, options)
    warn(remarks, callers=3)
    return in_kind_of(votes.raters, fusion)
