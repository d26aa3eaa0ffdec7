"""How tensors are lent to the CUDA backend: by DLPack's rules, each on the stream of its library, given back once."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import types
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.backends import cuda as on_device

from .on_device import SHAPE, Tensor, needs_device, on_host, some_mask, votes_of

pytestmark = [needs_device, pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")]

Lend = Callable[[np.ndarray], Any]


class Managed(ctypes.Structure):
    """DLPack's DLManagedTensor."""

    _fields_ = [
        ("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32), ("dtype", ctypes.c_uint8 * 4),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64),
        ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ]  # fmt: skip


def managed_in(capsule: Any) -> Managed:
    pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_in.restype, pointer_in.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return Managed.from_address(pointer_in(capsule, b"dltensor"))


class Counted(Tensor):
    """A tensor that counts how often it is given back."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(values)
        self.lent, self.given_back, self.kept = 0, 0, []

    def __dlpack__(self, *, stream: int | None = None, **asked: Any) -> Any:
        capsule = super().__dlpack__(stream=stream, **asked)
        managed = managed_in(capsule)
        give_back = type(managed.deleter)(ctypes.cast(managed.deleter, ctypes.c_void_p).value)
        self.lent += 1

        def counted(address: int) -> None:
            self.given_back += 1
            give_back(address)

        managed.deleter = type(give_back)(counted)
        self.kept += [managed.deleter, give_back]
        return capsule


@pytest.fixture
def lend(monkeypatch: pytest.MonkeyPatch) -> Lend:
    """Make tensors of PyTorch: on the card, or taken for such where the CPU runs the kernels."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        return lambda values: torch.from_numpy(values).to("cuda:0")
    stream = types.SimpleNamespace(cuda_stream=0)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.Tensor, "get_device", lambda tensor: 0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(
        on_device, "_empty", lambda shape, dtype, place: torch.empty(shape, dtype=getattr(torch, dtype))
    )
    return torch.from_numpy  # type: ignore[no-any-return]


# --- PyTorch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bool", "uint8", "float16", "float32", "float64"])
def test_plain_tensors_take_the_quick_way(monkeypatch: pytest.MonkeyPatch, lend: Lend, kind: str) -> None:
    votes, mask = votes_of("binary", 3).astype(kind), some_mask()
    given = [lend(vote) for vote in votes]

    def slow(*_: Any, **__: Any) -> Any:
        raise AssertionError("the slow way")

    monkeypatch.setattr("torch.Tensor.__dlpack__", slow)
    there = fastfuse.staple(given, mask=lend(mask))
    here = fastfuse.staple(votes, mask=mask)
    np.testing.assert_allclose(there.probability.cpu().numpy(), here.probability, atol=1e-6)
    np.testing.assert_allclose(there.sensitivity, here.sensitivity, atol=1e-9)


def test_tensors_with_gradients_and_bfloat16(lend: Lend) -> None:
    """As on the CPU: a network's outputs are taken as they come."""
    import torch

    votes = votes_of("dense", 3)
    outputs = [lend(vote).requires_grad_() * 1 for vote in votes]
    there = fastfuse.soft_staple(outputs, max_iter=5)
    assert not there.probability.requires_grad
    here = fastfuse.soft_staple(votes, max_iter=5)
    np.testing.assert_allclose(there.probability.cpu().numpy(), here.probability, atol=1e-6)
    halves = [lend(vote).to(torch.bfloat16) for vote in votes]
    rounded = [torch.from_numpy(vote).to(torch.bfloat16).float().numpy() for vote in votes]
    there, here = (fastfuse.soft_staple(given, max_iter=5) for given in (halves, rounded))
    np.testing.assert_allclose(there.probability.cpu().numpy(), here.probability, atol=1e-6)


def test_negated_views_are_refused(lend: Lend) -> None:
    """DLPack would lend them with the other sign."""
    import torch

    negated = torch.complex(lend(votes_of("dense", 1)[0]), -lend(votes_of("dense", 1)[0])).conj().imag
    assert negated.is_neg()
    with pytest.raises(TypeError, match=r"rater 1 cannot be lent by DLPack \(its negative bit is set"):
        fastfuse.soft_staple([lend(votes_of("dense", 1)[0]), negated])


def test_subclasses_and_views_of_one_slice(lend: Lend) -> None:
    """Steps along an axis of length 1 mean nothing."""
    import torch

    class Special(torch.Tensor):
        pass

    votes = votes_of("binary", 3)[:, :1]
    given = [
        torch.as_strided(lend(np.ascontiguousarray(vote)), vote.shape, (7, SHAPE[2], 1)).as_subclass(Special)
        for vote in votes
    ]
    there, here = fastfuse.staple(given), fastfuse.staple(votes)
    np.testing.assert_allclose(there.sensitivity, here.sensitivity, atol=1e-9)


# --- any library -----------------------------------------------------------------------------------------------


def test_each_library_is_told_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who works on the stream need not wait for it; tensors of others may still be on their way on another one."""

    class Own(Tensor):
        pass

    cuda = types.SimpleNamespace(
        current_stream=lambda device: types.SimpleNamespace(cuda_stream=0),
        device=lambda device: nullcontext(),
    )
    library: Any = types.ModuleType("ownlibrary")
    library.from_dlpack, library.cuda, library.float32 = None, cuda, np.float32
    library.empty = lambda shape, dtype, device: Own(np.zeros(shape, dtype))
    monkeypatch.setitem(sys.modules, "ownlibrary", library)
    Own.__module__ = "ownlibrary.tensors"
    votes, mask = votes_of("binary", 3), Tensor(some_mask())
    given = [Own(votes[0]), Tensor(votes[1]), Own(votes[2])]
    there = fastfuse.staple(given, mask=mask)
    assert [tensor.asked for tensor in given] == [[-1], [1], [-1]]
    assert mask.asked == [1]
    here = fastfuse.staple(votes, mask=some_mask())
    np.testing.assert_allclose(on_host(there.probability), here.probability, atol=1e-6)


@pytest.mark.parametrize("wrong", ["nothing", "vote", "strided", "type"])
def test_tensors_are_given_back_once(wrong: str) -> None:
    votes = list(votes_of("dense", 3))
    if wrong == "vote":
        votes[1][2, 3, 4] = np.nan
    if wrong == "strided":
        votes[1] = np.asfortranarray(votes[1])
    if wrong == "type":
        votes[1] = votes[1] + 0j
    tensors = [Counted(vote) for vote in votes]
    if wrong == "nothing":
        fastfuse.soft_staple(tensors, max_iter=2)
    else:
        with pytest.raises((ValueError, TypeError)):
            fastfuse.soft_staple(tensors)
    gc.collect()
    assert [(tensor.lent, tensor.given_back) for tensor in tensors] == [(1, 1)] * 3


def test_the_probability_is_lent_with_its_strides() -> None:
    """Takers may rely on them since DLPack 1.2."""
    probability = fastfuse.staple([Tensor(vote) for vote in votes_of("binary", 2)]).probability
    capsule = probability.__dlpack__()
    lent = managed_in(capsule)
    assert lent.strides
    assert lent.shape[: lent.ndim] == list(SHAPE)
    assert lent.strides[: lent.ndim] == [SHAPE[1] * SHAPE[2], SHAPE[2], 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_is_told_so() -> None:
    words = "import os, fastfuse; fastfuse.cuda.why_not(); os.fork() or print(fastfuse.cuda.why_not(), flush=True)"
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", words], capture_output=True, text=True, check=True, timeout=300
    )
    assert "forked after its parent used CUDA" in said.stdout
