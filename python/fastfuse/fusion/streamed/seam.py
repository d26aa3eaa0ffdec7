"""Whether votes are read block by block: all that a fusion in memory needs to know of it."""

from __future__ import annotations

from ...inputs.libraries import are_arrays, dask_of, is_torch
from ..options import Options
from ..votes import Votes


def streams(votes: Votes, options: Options, *, lazily: bool) -> bool:
    """Tell whether listed votes are to be read block by block; ``lazily``: lazy ones are."""
    if options.max_memory is not None or options.executor is not None:
        return True
    raters = votes.raters
    return (
        lazily
        and not are_arrays(raters)
        and any(dask_of(one) is not None for one in raters if not is_torch(one))
    )
