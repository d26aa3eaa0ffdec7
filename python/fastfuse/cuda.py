"""Tells whether votes can be fused on a CUDA device."""

from __future__ import annotations

from .fusion.backends.devices import why_not

__all__ = ["is_available", "why_not"]


def is_available() -> bool:
    """Tell whether this fastfuse was built with CUDA, and finds a device.

    This starts the driver: processes forked later cannot use CUDA, so ask in them.

    Examples
    --------
    >>> import fastfuse
    >>> fastfuse.cuda.is_available() or fastfuse.cuda.why_not() != ""
    True
    """
    return not why_not()
