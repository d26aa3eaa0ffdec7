"""Votes for the CUDA backend, and the comparison of its results with the CPU's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse

from ...problems import simulated_raters, soften

needs_device = pytest.mark.skipif(
    not fastfuse.cuda.is_available(), reason=fastfuse.cuda.why_not() or "a device is there"
)

SHAPE = (9, 10, 13)
SOFT = (fastfuse.soft_staple, fastfuse.simplified_soft_staple)
RATES = ("sensitivity", "specificity", "prior")
AGREEMENT = ("volume", "n_read", "ppv", "npv", "dice")


def votes_of(kind: str, m: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    rng = np.random.default_rng([seed, m])
    masks = simulated_raters(rng, m, int(np.prod(SHAPE)))
    return soften(rng, masks, kind).reshape(m, *SHAPE).astype(dtype)


def some_mask(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE) < 0.6


def assert_same(
    there: fastfuse.Fusion, here: fastfuse.Fusion, theta: float, probability: float = 1e-6
) -> None:
    np.testing.assert_allclose(there.probability, here.probability, rtol=0, atol=probability)
    assert there.probability.dtype == here.probability.dtype
    for name in RATES:
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=0, atol=theta)
    for name in AGREEMENT:
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=2e-6, atol=1e-12)
    assert (there.n_voxels, there.converged, there.method) == (here.n_voxels, here.converged, here.method)


def both(fuse: Any, votes: Any, **options: Any) -> tuple[fastfuse.Fusion, fastfuse.Fusion]:
    return fuse(votes, device="cuda", **options), fuse(votes, device="cpu", **options)


# --- tensors and arrays --------------------------------------------------------------------------------------


def on_a_card(values: np.ndarray) -> Any:
    """Return the values in a card's memory, as PyTorch's tensor; None where the kernels run on the CPU."""
    try:
        import torch
    except ImportError:
        return None
    return torch.from_numpy(values).to("cuda:0") if torch.cuda.is_available() else None


def on_host(tensor: Any) -> np.ndarray:
    """Return what any library's tensor on the device holds."""
    held = tensor.values if isinstance(tensor, Tensor) else tensor
    if isinstance(held, np.ndarray):
        return held
    if on_a_card(np.zeros(1)) is None:
        return np.from_dlpack(held)
    import torch

    return torch.from_dlpack(held).cpu().numpy()


class Tensor:
    """A tensor of another library on device 0; its memory is the card's, if there is one."""

    def __init__(self, values: np.ndarray) -> None:
        lent = on_a_card(values)
        self.values, self.asked = values if lent is None else lent, []
        self.shape, self.dtype = values.shape, values.dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int | None = None, **_: Any) -> Any:
        self.asked.append(stream)
        return self.values.__dlpack__()


def tensors(votes: Any) -> list[Any]:
    """Return tensors on the device: PyTorch's where it has one, stand-ins where the kernels run on the CPU."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        return [torch.from_numpy(np.ascontiguousarray(vote)).to("cuda:0") for vote in votes]
    return [Tensor(np.ascontiguousarray(vote)) for vote in votes]
