"""Fuses several raters' segmentations of a 3-D medical image into one consensus, exactly and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import cuda
    from .dilated import dilated_staple
    from .dilation import conditional_dilation, soften
    from .errors import CohortError, FastfuseError, FusionWarning, GridError, ImageError, OutputError
    from .evaluation import Evaluation, evaluate, evaluate_files
    from .files import fuse_files
    from .fusion import majority_vote, simplified_soft_staple, soft_staple, staple
    from .intervals import Intervals
    from .result import Fusion, SoftMask
    from .smoothing import smoothed_vote
    from .soft_files import soften_files

__all__ = [
    "CohortError",
    "Evaluation",
    "FastfuseError",
    "Fusion",
    "FusionWarning",
    "GridError",
    "ImageError",
    "Intervals",
    "OutputError",
    "SoftMask",
    "conditional_dilation",
    "cuda",
    "dilated_staple",
    "evaluate",
    "evaluate_files",
    "fuse_files",
    "majority_vote",
    "simplified_soft_staple",
    "smoothed_vote",
    "soft_staple",
    "soften",
    "soften_files",
    "staple",
]


# Where each is found when it is first asked for: the command's help needs neither NumPy nor the compiled core.
_HOME = {
    "dilated": ("dilated_staple",),
    "dilation": ("conditional_dilation", "soften"),
    "errors": ("CohortError", "FastfuseError", "FusionWarning", "GridError", "ImageError", "OutputError"),
    "evaluation": ("Evaluation", "evaluate", "evaluate_files"),
    "files": ("fuse_files",),
    "fusion": ("majority_vote", "simplified_soft_staple", "soft_staple", "staple"),
    "intervals": ("Intervals",),
    "result": ("Fusion", "SoftMask"),
    "smoothing": ("smoothed_vote",),
    "soft_files": ("soften_files",),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":  # it takes as long as all the rest
        from importlib.metadata import version

        return version("fastfuse")
    if name == "cuda":
        from importlib import import_module

        return import_module(".cuda", __name__)
    for module, names in _HOME.items():
        if name in names:
            from importlib import import_module

            globals()[name] = getattr(import_module(f".{module}", __name__), name)
            return globals()[name]
    raise AttributeError(f"module 'fastfuse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
