"""Fusion on a CUDA device: tensors in place, NumPy's arrays by copies there and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ... import _core
from ...errors import reason_of, said
from ...inputs.arrays import Array, as_companion, name_of, transposed
from ...inputs.checks import check_dtype, check_spacings
from ...inputs.libraries import device_of, is_torch, plain_tensor
from ...inputs.output_array import check_out
from ...inputs.raters import Raters
from ..case import Case
from ..messages import complaint_about_mask
from ..option_checks import is_map
from ..options import DECLARED, Options
from ..registry import Method
from ..votes import Votes
from . import core
from .devices import NOBODY_WAITS, Place, consumer_stream, current
from .found import Found

Answer = TypeVar("Answer")
OF_THE_CPU = tuple(one for one in DECLARED if not one.on_device)


class Cuda:
    """A CUDA device."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._of_tensors = place.library is not None

    def place(self, votes: Votes, options: Options) -> Case:
        """Take tensors on the device as they are, anything else as arrays of one shape."""
        self._check_options(votes, options)
        case = self._case_of_tensors(votes, options) if self._of_tensors else Case.of(votes, options)
        _check_number(case.given.count)
        if votes.out is not None:
            check_out(votes.out, votes.dtype, case.shape)
        return case

    def fuse(self, case: Case, method: Method, options: Options) -> tuple[Case, Any, Found]:
        """Fuse on the device; where its memory is short, once more without what the library keeps for later."""
        if method.of_levels:
            raise ValueError(
                f"{method.name} runs on the CPU only: bring the votes there, or give device='cpu'"
            )
        asked = core.core_options(method, options, case.spacings)

        def fused(placed: Case) -> tuple[Any, Found]:
            return _once_more_if_short(self._place, lambda: self._run(placed, asked))

        case, (probability, found) = core.explained(case, fused, seen=not self._of_tensors)
        return case, probability, found

    def _check_options(self, votes: Votes, options: Options) -> None:
        """Refuse what only the CPU does."""
        given = [one.name for one in OF_THE_CPU if one.differs(getattr(options, one.name))]
        if votes.present is not None:
            given.append("present")
        if given:
            raise ValueError(
                f"{given[0]} is set: that runs on the CPU only; leave it out, or give device='cpu'"
            )
        if is_map(options.prior):
            raise ValueError("prior is a map: that runs on the CPU only; give a number, or device='cpu'")
        if votes.out is not None and self._of_tensors:
            raise ValueError("out is set: votes on a device have their probability there; leave it out")

    def _case_of_tensors(self, votes: Votes, options: Options) -> Case:
        """Take tensors of one shape.

        Raises
        ------
        ValueError
            Naming the rater, if shapes differ, or one is None.
        """
        tensors = list(votes.raters)
        if any(tensor is None for tensor in tensors):
            raise ValueError("a rater is None: on a device, leave them out of the list")
        names = [name_of(i, votes.names) for i in range(len(tensors))]
        shapes = [tuple(tensor.shape) for tensor in tensors]
        shape = shapes[0]
        for name, other in zip(names, shapes, strict=True) if len(set(shapes)) > 1 else ():
            if other != shape:
                raise ValueError(
                    f"{name} has shape {other}, {names[0]} has shape {shape}: "
                    f"{transposed(name, other, shape) or 'resample to one grid'}"
                )
        if not shape or 0 in shape:
            raise ValueError(f"the raters' arrays are empty: shape {shape}")
        given = Raters(tensors, list(range(len(tensors))), len(tensors), names)
        sides = check_spacings(options.spacing_mm, len(shape))
        return Case(given, shape, range(len(shape)), votes.mask, None, [], sides, votes, [*votes.doubts])

    def _run(self, case: Case, options: _core.Options) -> tuple[Any, Found]:
        """Fuse; return the probability as the raters' library holds tensors, and what the core found."""
        place, axes = self._place, case.axes
        out: Any = case.votes.out
        wide = check_dtype(case.votes.dtype if out is None else out.dtype) == np.float64
        lengths = [case.shape[axis] for axis in axes]
        with current(place):
            work = self._memory(out, lengths, axes, wide=wide)
            raters = case.given.arrays if self._of_tensors else case.in_memory_order().raters
            *lent, written = _all_lent([*raters, work], [*case.given.names, "out"], place)
            mask = self._lent_mask(case)
        result, array = _core.fuse_on_device(
            lent,
            lengths,
            wide,
            written,
            mask=mask,
            device=place.device,
            stream=place.stream,
            options=options,
        )
        found = Found.of(result)
        if self._of_tensors:
            return (_taken_over(array, str(place.library)) if work is None else work), found
        probability = work.transpose(np.argsort(axes))
        if out is None:
            return probability, found
        if not np.shares_memory(probability, out):
            np.copyto(out, probability)
        return out, found

    def _memory(self, out: Array | None, lengths: list[int], axes: Any, *, wide: bool) -> Any:
        """Return where the core writes: the library's memory, the caller's array if it fits, or a new one."""
        if self._of_tensors:
            return _empty(tuple(lengths), "float64" if wide else "float32", self._place)
        seen = None if out is None else out.transpose(axes)
        if seen is not None and seen.flags.c_contiguous and seen.flags.aligned:
            return seen
        return np.empty(lengths, np.float64 if wide else np.float32)

    def _lent_mask(self, case: Case) -> Any:
        """Return the mask as the core takes it: a byte a voxel, a capsule or an array."""
        mask = case.mask
        if mask is None:
            return None
        if self._of_tensors and not isinstance(mask, (np.ndarray, list, tuple)):
            if tuple(mask.shape) != case.shape:
                raise ValueError(f"mask has shape {tuple(mask.shape)}, the raters have shape {case.shape}")
            return _lent_as_mask(mask, self._place)
        values = as_companion(mask, "mask", case.shape)
        bad = np.flatnonzero((values != 0) & (values != 1))
        if bad.size:
            raise ValueError(said(complaint_about_mask(values, case.titles, int(bad[0]))))
        return _plain(values.astype(np.uint8).transpose(case.axes))


def _check_number(raters: int) -> None:
    """Refuse more raters than a device takes."""
    if raters > _core.most_device_raters:
        raise ValueError(
            f"there are {raters} raters: a device takes at most {_core.most_device_raters}; fuse on the CPU"
        )


def _all_lent(values: Sequence[Any], names: Sequence[str], place: Place) -> list[Any]:
    """Return arrays and None as they are, tensors as DLPack's capsules, ready on the stream; the device is the current one."""
    streams = {kind: consumer_stream(place, kind) for kind in set(map(type, values))}
    return [_lent(value, name, streams[type(value)]) for value, name in zip(values, names, strict=True)]


def _lent(value: Any, name: str, stream: int) -> Any:
    if value is None or isinstance(value, np.ndarray):
        return None if value is None else _plain(value)
    try:
        return _lent_by_torch(value, stream) if is_torch(value) else value.__dlpack__(stream=stream)
    except Exception as error:
        raise TypeError(f"{name} cannot be lent by DLPack ({reason_of(error)})") from error


def _lent_by_torch(value: Any, stream: int) -> Any:
    """Lend a tensor of PyTorch, whose ``__dlpack__`` refuses gradients, and would lend a negated view as it is not."""
    torch: Any = sys.modules["torch"]
    value = plain_tensor(value)
    if value.is_neg():
        raise BufferError("its negative bit is set: take tensor.resolve_neg()")
    plain = type(value) is torch.Tensor and value.layout is torch.strided and not value.is_conj()
    if plain and stream == NOBODY_WAITS:
        return torch.utils.dlpack.to_dlpack(value)  # __dlpack__ takes longer to find all this out
    return value.__dlpack__(stream=stream)


def _lent_as_mask(mask: Any, place: Place) -> Any:
    if device_of(mask) != place.device:  # of raters that has been found out
        raise ValueError(f"mask does not lie on cuda:{place.device}, as the raters do: bring it there")
    dtype = str(getattr(mask, "dtype", "unknown")).rpartition(".")[2]
    if dtype not in ("bool", "uint8"):
        raise TypeError(f"mask holds elements of type {dtype}: on a device a mask is bool or uint8")
    return _all_lent([mask], ["mask"], place)[0]


def _once_more_if_short(place: Place, fuse: Callable[[], Answer]) -> Answer:
    """Where memory is short, fuse once more without what the library keeps for later."""
    try:
        return fuse()
    except _core.OutOfMemory as error:
        complaint = str(error)  # the exception itself holds the first try's memory
    if not _give_back_cache(place):
        raise _core.OutOfMemory(complaint)
    return fuse()


def _plain(array: Array) -> Array:
    """Return the same in C order and native bytes."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _empty(shape: tuple[int, ...], dtype: str, place: Place) -> Any:
    """Return memory of the library's own, on the current device; nothing if it gives none that can be written."""
    library: Any = sys.modules.get(str(place.library))
    cuda: Any = getattr(library, "cuda", None)
    if hasattr(cuda, "current_stream"):  # PyTorch
        return library.empty(shape, dtype=getattr(library, dtype), device=f"cuda:{place.device}")
    return library.empty(shape, dtype) if hasattr(cuda, "Device") else None  # CuPy


def _give_back_cache(place: Place) -> bool:
    """Make the library give back memory that it keeps for later; say whether it can."""
    library: Any = sys.modules.get(place.library or "")
    cuda: Any = getattr(library, "cuda", None)
    with current(place):
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
