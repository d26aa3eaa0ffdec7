"""``fastfuse cohort``: many cases at once."""

from collections.abc import Callable

from ..common import CODES_OF_CASES
from . import apply, export, fuse, merge

SUMMARY = "Fuse many cases, with rates of the raters that all cases share."
EXAMPLES = (
    "fastfuse cohort fuse msseg-2016 --out fused --preset recommended",
    "fastfuse cohort apply fused/estimate.json new-cases --out new-fused",
    "fastfuse cohort fuse --help",
)
COMMANDS: dict[str, tuple[Callable[..., None], tuple[str, ...], str | None]] = {
    "fuse": (fuse.fuse, fuse.EXAMPLES, CODES_OF_CASES),
    "apply": (apply.apply, apply.EXAMPLES, CODES_OF_CASES),
    "export": (export.export, export.EXAMPLES, None),
    "merge": (merge.merge, merge.EXAMPLES, None),
}
