"""``fastfuse cohort merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..common import answer, warnings_as_lines
from ..flags import flags_called, values_called, with_flags
from ..switches import Overwrite
from ..words.declared import Argument
from .common import Out, method_flag

OF_MERGE = ("m_step", "prior", "init", "performance_prior", "tol", "max_iter", "acceleration", "knows")
EXAMPLES = ("fastfuse cohort merge site-a.npz site-b.npz --out merged --method staple",)


@with_flags(("tables", "out", "method", *OF_MERGE, "overwrite"), [method_flag(), *flags_called(OF_MERGE)])
def merge(
    tables: Annotated[list[Path], Argument(help="Tables that sites have exported.", show_default=False)],
    out: Out,
    overwrite: Overwrite = False,
    **options: Any,
) -> None:
    """Add up what sites have exported, and estimate the raters' rates; cohort apply takes them."""
    from ...cohort.export import cases_read, check_merged, merged, options_of_merge, write_merged
    from ...cohort.told.printing import print_rates
    from ...errors import warn

    method = options.pop("method")
    with warnings_as_lines():
        check_merged(out, tables, overwrite=overwrite)
        settings = options_of_merge(
            method=None if method is None else method.value, **values_called(OF_MERGE, options)
        )
        table, saved, remarks = merged(tables, settings)
        files = write_merged(out, table, saved, cases_read(tables), overwrite=overwrite)
        warn(remarks)
        answer(lambda: {"files": [str(path) for path in files]}, lambda: print_rates(saved.estimate, files))
