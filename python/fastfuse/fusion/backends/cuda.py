"""Votes on a CUDA device: where they lie, how they get there, and how the probability comes back."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ... import _core
from ...errors import FastfuseError
from ...inputs.arrays import Array, as_companion, explain, name_of
from ...inputs.checks import check_dtype

Answer = TypeVar("Answer")

CUDA = (2, 13)  # DLPack's numbers for a device's memory, and for memory that it shares with the host
LEGACY_STREAM = 1  # DLPack's number for CUDA's default stream

# What has no meaning on a device yet, and what it must be.
HOST_ONLY = {
    "roi": "all",
    "missing": "error",
    "present": None,
    "mrf": 0,
    "intervals": "none",
    "likelihood": "mixture",
    "select_label": None,
}


@dataclass(frozen=True)
class Place:
    """A device, the stream on which the votes are ready, and whose tensors they are."""

    device: int
    stream: int
    library: str | None  # None for arrays, which are copied there and back


def why_not() -> str:
    """Say why there is no CUDA; nothing if there is."""
    return str(_core.why_no_cuda())


def place_of(raters: Any, device: Any) -> Place | None:
    """Return where to fuse, None for the CPU.

    Raises
    ------
    ValueError
        If ``device`` is no device, or not the one on which the raters lie, or they lie on several.
    FastfuseError
        Without CUDA.
    """
    wanted = _number_of(device)
    listed = raters if isinstance(raters, (list, tuple)) else [raters]
    lie = {name_of(i, None): _device_of(rater) for i, rater in enumerate(listed) if rater is not None}
    found = {number for number in lie.values() if number is not None}
    if not found and wanted is None:
        return None
    first = next((name for name, number in lie.items() if number is not None), "")
    if wanted == "cpu":
        if found:
            raise ValueError(
                f"device is 'cpu', and {first} lies on cuda:{lie[first]}: copy it to this machine first"
            )
        return None
    if len(found) > 1 or (found and None in lie.values()):
        where = ", ".join(f"{name} on {'the CPU' if n is None else f'cuda:{n}'}" for name, n in lie.items())
        raise ValueError(f"the raters lie in several places ({where}): bring them to one")
    if found and wanted not in (None, "cuda", *found):
        raise ValueError(f"device is {device!r}, and {first} lies on cuda:{lie[first]}: bring them together")
    reason = why_not()
    if reason:
        asked = f"device is {str(device)!r}" if device is not None else f"{first} lies on cuda:{lie[first]}"
        raise FastfuseError(f"{asked}: {reason}; or fuse on the CPU")
    if not found:
        return Place(0 if wanted == "cuda" else int(wanted or 0), 0, None)
    tensor = next(rater for rater in listed if _device_of(rater) is not None)
    number = found.pop()
    library = _library_of(tensor)
    return Place(number, _stream_of(library, number), library)


def check_options(given: Mapping[str, Any], prior_map: Array | None, out: Any, library: str | None) -> None:
    """Refuse what only the CPU does."""
    for name, value in HOST_ONLY.items():
        if given[name] is not value and not (np.ndim(given[name]) == 0 and given[name] == value):
            raise ValueError(f"{name} is set: that runs on the CPU only; leave it out, or give device='cpu'")
    if prior_map is not None:
        raise ValueError("prior is a map: that runs on the CPU only; give a number, or device='cpu'")
    if out is not None and library is not None:
        raise ValueError("out is set: votes on a device have their probability there; leave it out")


def tensors_on_device(raters: Any) -> list[Any]:
    """Return the raters' tensors.

    Raises
    ------
    ValueError
        Naming the rater, if shapes differ, one is None or there are too many.
    """
    tensors = list(raters)
    check_number(len(tensors))
    if any(tensor is None for tensor in tensors):
        raise ValueError("a rater is None: on a device, leave him out of the list")
    shape = tuple(tensors[0].shape)
    for i, tensor in enumerate(tensors):
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"{name_of(i, None)} has shape {tuple(tensor.shape)}, {name_of(0, None)} has shape {shape}: "
                "resample to one grid"
            )
    if not shape or 0 in shape:
        raise ValueError(f"the raters' arrays are empty: shape {shape}")
    return tensors


def check_number(raters: int) -> None:
    """Refuse more raters than a device takes."""
    if raters > _core.most_device_raters:
        raise ValueError(
            f"there are {raters} raters: a device takes at most {_core.most_device_raters}; fuse on the CPU"
        )


def lent(value: Any, name: str, place: Place, *, mask: bool = False) -> Any:
    """Return an array as it is, a tensor as DLPack's capsule, ready on the stream."""
    if isinstance(value, np.ndarray):
        return _plain(value)
    if _device_of(value) != place.device:
        raise ValueError(f"{name} does not lie on cuda:{place.device}, as the raters do: bring it there")
    dtype = str(getattr(value, "dtype", "unknown")).rpartition(".")[2]
    if mask and dtype not in ("bool", "uint8"):
        raise TypeError(f"{name} holds elements of type {dtype}: on a device a mask is bool or uint8")
    try:
        with _current(place):
            return value.__dlpack__(stream=place.stream or LEGACY_STREAM)
    except Exception as error:
        raise TypeError(f"{name} cannot be lent by DLPack ({error})") from error


def mask_on_device(mask: Any, shape: tuple[int, ...], axes: Sequence[int], place: Place) -> Any:
    """Return a mask as the core takes it: a byte a voxel, a capsule or an array."""
    if mask is None:
        return None
    if place.library is not None and not isinstance(mask, (np.ndarray, list, tuple)):
        if tuple(mask.shape) != shape:
            raise ValueError(f"mask has shape {tuple(mask.shape)}, the raters have shape {shape}")
        return lent(mask, "mask", place, mask=True)
    values = as_companion(mask, "mask", shape)
    bad = np.flatnonzero((values != 0) & (values != 1))
    if bad.size:
        complaint = ("mask", -1, int(bad[0]), float(values.flat[bad[0]]))
        raise ValueError(explain(complaint, [values], None, range(values.ndim)))
    return _plain(values.astype(np.uint8).transpose(axes))


def once_more_if_short(place: Place, fuse: Callable[[], Answer]) -> Answer:
    """Where memory is short, fuse once more without what the library keeps for later."""
    try:
        return fuse()
    except _core.OutOfMemory as error:
        complaint = str(error)  # the exception itself holds the first try's memory
    if not _give_back_cache(place):
        raise _core.OutOfMemory(complaint)
    return fuse()


def run(
    raters: Sequence[Any],
    mask: Any,
    axes: Sequence[int],
    place: Place,
    options: _core.Options,
    dtype: Any,
    out: Array | None,
) -> tuple[Any, _core.Result]:
    """Fuse; return the probability, as the raters' library holds tensors, and what the core says.

    ``axes``: of arrays, in the order in which they lie in memory.
    """
    shape = tuple(raters[0].shape)
    given = [rater.transpose(axes) for rater in raters] if place.library is None else raters
    wide = check_dtype(dtype if out is None else out.dtype) == np.float64
    work = out.transpose(axes) if out is not None and place.library is None else None
    if place.library is not None:
        work = _empty(shape, "float64" if wide else "float32", place)
    elif work is None or not (work.flags.c_contiguous and work.flags.aligned):
        work = np.empty([shape[axis] for axis in axes], np.float64 if wide else np.float32)
    result, array = _core.fuse_on_device(
        [lent(rater, name_of(i, None), place) for i, rater in enumerate(given)],
        [shape[axis] for axis in axes],
        wide,
        work if work is None else lent(work, "out", place),
        mask=mask_on_device(mask, shape, axes, place),
        device=place.device,
        stream=place.stream,
        options=options,
    )
    if work is None:
        return _taken_over(array, str(place.library)), result
    if place.library is not None:
        return work, result
    probability = work.transpose(np.argsort(axes))
    if out is None:
        return probability, result
    if not np.shares_memory(probability, out):
        np.copyto(out, probability)
    return out, result


def _plain(array: Array) -> Array:
    """Return the same in C order and native bytes."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _number_of(device: Any) -> int | str | None:
    if device is None or str(device) in ("cpu", "cuda"):  # PyTorch has an object for it
        return None if device is None else str(device)
    match = re.fullmatch(r"cuda:([0-9]{1,3})", str(device))
    if not match:
        raise ValueError(f"device is {device!r}: it must be 'cpu', 'cuda' or 'cuda:0', 'cuda:1' ...")
    return int(match[1])


def _device_of(value: Any) -> int | None:
    """Return the number of the device on which a tensor lies, None for the CPU."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return None
    try:
        kind, number = value.__dlpack_device__()
    except (BufferError, RuntimeError, TypeError, ValueError):  # of a device that DLPack does not know
        return None
    return int(number) if int(kind) in CUDA else None


def _library_of(tensor: Any) -> str:
    """Return the name of the module that makes such tensors from others': of a subclass, that of its base."""
    for kind in type(tensor).__mro__:
        root = kind.__module__.partition(".")[0]
        name = "jax.numpy" if root in ("jax", "jaxlib") else root
        if hasattr(sys.modules.get(name), "from_dlpack"):
            return name
    return type(tensor).__module__


def _stream_of(library: str, device: int) -> int:
    """Return the handle of the stream on which a library works, 0 for the default one."""
    cuda: Any = getattr(sys.modules.get(library), "cuda", None)
    if hasattr(cuda, "current_stream"):  # PyTorch
        return int(cuda.current_stream(device).cuda_stream)
    if hasattr(cuda, "get_current_stream"):  # CuPy
        with cuda.Device(device):
            return int(cuda.get_current_stream().ptr)
    return 0


def _current(place: Place) -> Any:
    """Make the device the current one of the library, which lends nothing of another."""
    cuda: Any = getattr(sys.modules.get(place.library or ""), "cuda", None)
    if hasattr(cuda, "current_stream"):
        return cuda.device(place.device)
    return cuda.Device(place.device) if hasattr(cuda, "Device") else nullcontext()


def _empty(shape: tuple[int, ...], dtype: str, place: Place) -> Any:
    """Return memory of the library's own for the probability; nothing if it gives none that can be written."""
    library: Any = sys.modules.get(str(place.library))
    cuda: Any = getattr(library, "cuda", None)
    with _current(place):
        if hasattr(cuda, "current_stream"):  # PyTorch
            return library.empty(shape, dtype=getattr(library, dtype), device=f"cuda:{place.device}")
        return library.empty(shape, dtype) if hasattr(cuda, "Device") else None  # CuPy


def _give_back_cache(place: Place) -> bool:
    """Make the library give back memory that it keeps for later; say whether it can."""
    library: Any = sys.modules.get(place.library or "")
    cuda: Any = getattr(library, "cuda", None)
    with _current(place):
        if hasattr(cuda, "empty_cache"):  # PyTorch
            cuda.empty_cache()
        elif hasattr(library, "get_default_memory_pool"):  # CuPy
            library.get_default_memory_pool().free_all_blocks()
        else:
            return False
    return True


def _taken_over(array: Any, library: str) -> Any:
    """Return the probability as a tensor of the library that holds the raters, or as what others can take over."""
    module: Any = sys.modules.get(library)
    return module.from_dlpack(array) if hasattr(module, "from_dlpack") else array
