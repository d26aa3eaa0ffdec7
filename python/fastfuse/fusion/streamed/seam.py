"""Whether votes are read block by block: all that a fusion in memory needs to know of it."""

from __future__ import annotations

from ...inputs.libraries import dask_of
from ..options import Options
from ..votes import Votes


def streams(votes: Votes, options: Options, *, lazily: bool) -> bool:
    """Tell whether listed votes are to be read block by block; ``lazily``: lazy ones are."""
    if options.max_memory is not None or options.executor is not None:
        return True
    return lazily and any(dask_of(rater) is not None for rater in votes.raters)
