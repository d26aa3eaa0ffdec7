"""Numbers to compute with: float32, or half precision where the hardware multiplies it faster."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...errors import FastfuseError

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
BFLOAT16_CAPABILITY = (8, 0)  # of CUDA: Ampere
HALVES = (torch.float16, torch.bfloat16)
SIGMOIDS = {torch.sigmoid, Tensor.sigmoid, torch.special.expit, torch.softmax, Tensor.softmax}


def precision_of(device: torch.device, wanted: str, *, predicting: bool = False) -> torch.dtype:
    """Return the type that convolutions compute in; losses, weights and the last sigmoid are float32 with any.

    Parameters
    ----------
    device : torch.device
    wanted : {"float32", "bfloat16", "float16", "auto"}
        "auto": bfloat16 where the processor or the card multiplies it; else float16 with CUDA, else float32.

    predicting : bool
        Take float32 where the device has not what is wanted: the network was trained on another one.

    Raises
    ------
    FastfuseError
        For float16 without CUDA, and for half precision on a device that is neither CPU nor CUDA.
    """
    if wanted == "auto":
        return _fastest(device)
    if predicting and (wanted == "float16" or device.type != "cpu") and device.type != "cuda":
        return torch.float32
    if wanted == "float16" and device.type != "cuda":
        raise FastfuseError(
            f"training.precision is float16 and the device {device}: float16 is for CUDA alone, elsewhere it is slower "
            "than float32; take auto, bfloat16 or float32"
        )
    if wanted != "float32" and device.type not in ("cpu", "cuda"):
        raise FastfuseError(f"training.precision is {wanted} and the device {device}: take float32 there")
    found: torch.dtype = getattr(torch, wanted)
    return found


@contextmanager
def computing_in(device: torch.device, precision: torch.dtype) -> Iterator[None]:
    """Compute convolutions in this type, and sigmoids in float32."""
    if precision == torch.float32:
        yield
        return
    with torch.autocast(device.type, precision), _WideSigmoids():
        yield


class _WideSigmoids(TorchFunctionMode):
    """Brings what a sigmoid is taken of to float32, in whatever network: autocast leaves it in half precision.

    There the gradient of a sure prediction is 0: in float16 from a logit of 8.4 on, in bfloat16 from 6.3 on.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        _: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if function in SIGMOIDS:
            args, given = [_wide(one) for one in args], {name: _wide(one) for name, one in given.items()}
        return function(*args, **given)


def _wide(thing: Any) -> Any:
    return thing.float() if isinstance(thing, Tensor) and thing.dtype in HALVES else thing


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        able = torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY
        return torch.bfloat16 if able else torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bfloat16() else torch.float32


@cache
def cpu_has_bfloat16() -> bool:
    """Tell whether the processor has instructions for bfloat16 (AVX512-BF16, AMX-BF16); without, it is slow."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # of newer PyTorch
    if capabilities is not None:
        found = capabilities()
        return any(found.get(flag) for flag in BFLOAT16_FLAGS)
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return bool(BFLOAT16_FLAGS & set(text.split()))
