"""Devices: which one fuses, and in what order work on it is done."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ... import _core
from ...errors import FastfuseError
from ...inputs.arrays import name_of
from ...inputs.libraries import are_arrays, device_of
from ...inputs.names import enumerated, quoted

LEGACY_STREAM, NOBODY_WAITS = 1, -1  # DLPack's numbers: CUDA's default stream, and none


@dataclass(frozen=True)
class Place:
    """A device, the stream on which the votes are ready, and whose tensors they are."""

    device: int
    stream: int
    library: str | None  # None for arrays, which are copied there and back


def why_not() -> str:
    """Say why there is no CUDA; nothing if there is."""
    return str(_core.why_no_cuda())


def place_of(raters: Sequence[Any], device: Any) -> Place | None:
    """Return where to fuse, None for the CPU.

    Raises
    ------
    ValueError
        If ``device`` is no device, or not the one on which the raters lie, or they lie on several.
    FastfuseError
        Without CUDA.
    """
    if device is None and are_arrays(raters):
        return None
    wanted = _number_of(device)
    on = [(i, device_of(rater)) for i, rater in enumerate(raters) if rater is not None]
    found = {number for _, number in on if number is not None}
    if not found and wanted is None:
        return None
    first = next((f"{name_of(i, None)} lies on cuda:{number}" for i, number in on if number is not None), "")
    if wanted == "cpu":
        if found:
            raise ValueError(f"device is 'cpu', and {first}: copy it to this machine first")
        return None
    if len(found) > 1 or (found and any(number is None for _, number in on)):
        where = enumerated(
            [f"{name_of(i, None)} on {'the CPU' if n is None else f'cuda:{n}'}" for i, n in on]
        )
        raise ValueError(f"the raters lie in several places ({where}): bring them to one")
    if found and wanted not in (None, "cuda", *found):
        raise ValueError(f"device is {quoted(device)}, and {first}: bring them together")
    reason = why_not()
    if reason:
        asked = f"device is {quoted(str(device))}" if device is not None else first
        raise FastfuseError(f"{asked}: {reason}; or fuse on the CPU")
    if not found:
        return Place(0 if wanted == "cuda" else int(wanted or 0), 0, None)
    number = found.pop()
    library = library_of(type(raters[on[0][0]]))
    return Place(number, _stream_of(library, number), library)


def _number_of(device: Any) -> int | str | None:
    if device is None or str(device) in ("cpu", "cuda"):  # PyTorch has an object for it
        return None if device is None else str(device)
    match = re.fullmatch(r"cuda:([0-9]{1,3})", str(device))
    if not match:
        raise ValueError(f"device is {quoted(device)}: it must be 'cpu', 'cuda' or 'cuda:0', 'cuda:1' ...")
    return int(match[1])


def library_of(tensors: type) -> str:
    """Return the name of the module that makes such tensors from others': of a subclass, that of its base."""
    for kind in tensors.__mro__:
        root = kind.__module__.partition(".")[0]
        name = "jax.numpy" if root in ("jax", "jaxlib") else root
        if hasattr(sys.modules.get(name), "from_dlpack"):
            return name
    return tensors.__module__


def _stream_of(library: str, device: int) -> int:
    """Return the handle of the stream on which a library works, 0 for the default one."""
    cuda: Any = getattr(sys.modules.get(library), "cuda", None)
    if hasattr(cuda, "current_stream"):  # PyTorch
        return int(cuda.current_stream(device).cuda_stream)
    if hasattr(cuda, "get_current_stream"):  # CuPy
        with cuda.Device(device):
            return int(cuda.get_current_stream().ptr)
    return 0


def consumer_stream(place: Place, tensors: type) -> int:
    """Return what DLPack's lenders of such tensors are told: on whose stream we work, that nobody needs to wait."""
    library = library_of(tensors)
    cuda: Any = getattr(sys.modules.get(library), "cuda", None)
    own = hasattr(cuda, "current_stream") or hasattr(cuda, "get_current_stream")  # PyTorch, CuPy
    return NOBODY_WAITS if own and library == place.library else place.stream or LEGACY_STREAM


def current(place: Place) -> Any:
    """Make the device the current one of the library, which lends nothing of another."""
    cuda: Any = getattr(sys.modules.get(place.library or ""), "cuda", None)
    if hasattr(cuda, "current_stream"):
        return cuda.device(place.device)
    return cuda.Device(place.device) if hasattr(cuda, "Device") else nullcontext()
