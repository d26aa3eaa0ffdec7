"""``fastfuse cohort``: many cases at once."""

from collections.abc import Callable

from . import apply, export, fuse, merge
from .common import EXIT_CODES

SUMMARY = "Fuse many cases, with rates of the raters that all cases share."
EXAMPLES = (
    "fastfuse cohort fuse msseg-2016 --out fused",
    "fastfuse cohort apply fused/estimate.json new-cases --out new-fused",
    "fastfuse cohort fuse --help",
)
COMMANDS: dict[str, tuple[Callable[..., None], tuple[str, ...], str | None]] = {
    "fuse": (fuse.fuse, fuse.EXAMPLES, EXIT_CODES),
    "apply": (apply.apply, apply.EXAMPLES, EXIT_CODES),
    "export": (export.export, export.EXAMPLES, None),
    "merge": (merge.merge, merge.EXAMPLES, None),
}
