"""Fuses several raters' segmentations of a 3-D medical image into one consensus, exactly and fast."""

from .dilated import dilated_staple
from .dilation import conditional_dilation, soften
from .errors import FastfuseError, FusionWarning, GridError, ImageError, OutputError
from .files import fuse_files
from .fusion import majority_vote, simplified_soft_staple, soft_staple, staple
from .result import Fusion, SoftMask
from .soft_files import soften_files

__all__ = [
    "FastfuseError",
    "Fusion",
    "FusionWarning",
    "GridError",
    "ImageError",
    "OutputError",
    "SoftMask",
    "conditional_dilation",
    "dilated_staple",
    "fuse_files",
    "majority_vote",
    "simplified_soft_staple",
    "soft_staple",
    "soften",
    "soften_files",
    "staple",
]


def __getattr__(name: str) -> str:
    if name == "__version__":  # looked up when asked for: it takes as long as all the rest
        from importlib.metadata import version

        return version("fastfuse")
    raise AttributeError(f"module 'fastfuse' has no attribute {name!r}")
