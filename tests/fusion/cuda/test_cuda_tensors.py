"""The CUDA backend on tensors and arrays of any layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import _core
from fastfuse.fusion.backends import cuda as on_device

from .on_device import SHAPE, Tensor, assert_same, both, needs_device, on_host, some_mask, tensors, votes_of
from .test_cuda import tensors_on_cpu

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


# --- tensors and arrays --------------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("device", [None, "cuda", "cuda:0"])
@pytest.mark.parametrize("kind", ["binary", "dense"])
def test_tensors_in_place(kind: str, device: str | None) -> None:
    votes, mask = votes_of(kind, 4), some_mask()
    fuse = fastfuse.staple if kind == "binary" else fastfuse.soft_staple
    given, inside = tensors(votes), tensors([mask])[0]
    there = fuse(given, mask=inside, device=device)
    here = fuse(votes, mask=mask, device="cpu")
    if isinstance(given[0], Tensor):
        assert given[0].asked == [1]
        found = on_host(there.probability)
    else:
        assert there.probability.is_cuda
        found = there.probability.cpu().numpy()
    np.testing.assert_allclose(found, here.probability, atol=1e-6)
    np.testing.assert_allclose(there.sensitivity, here.sensitivity, atol=1e-6)


@needs_device
@pytest.mark.parametrize("kind", ["binary", "three-valued", "dense"])
@pytest.mark.parametrize("m", [3, 20])
def test_second_device(kind: str, m: int) -> None:
    """Which is not the current one. The CPU, running the kernels, stands for two."""
    fuse = fastfuse.staple if kind == "binary" else fastfuse.soft_staple
    try:
        there = fuse(votes_of(kind, m), device="cuda:1", max_iter=3)
    except fastfuse.FastfuseError as error:
        if "invalid device" in str(error):
            pytest.skip("there is one device")
        raise
    np.testing.assert_array_equal(
        there.probability, fuse(votes_of(kind, m), device="cuda:0", max_iter=3).probability
    )
    with pytest.raises(fastfuse.FastfuseError, match="invalid device"):
        fuse(votes_of(kind, m), device="cuda:99")


@needs_device
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_out(dtype: Any, order: Any) -> None:
    votes, out = votes_of("dense", 3), np.full(SHAPE, 7, dtype, order=order)
    there = fastfuse.soft_staple(votes, out=out, device="cuda")
    assert there.probability is out
    np.testing.assert_allclose(out, fastfuse.soft_staple(votes).probability, atol=1e-6)


@needs_device
def test_arrays_of_any_layout() -> None:
    votes = np.asfortranarray(votes_of("three-valued", 3))[:, ::2, ::-1]
    assert_same(*both(fastfuse.soft_staple, votes), 1e-9)


@needs_device
def test_what_is_asked_of_the_probability() -> None:
    """It is lent where it lies."""
    probability = fastfuse.staple([Tensor(vote) for vote in votes_of("binary", 2)]).probability
    device = probability.__dlpack_device__()
    for asked in ({"max_version": (1, 0)}, {"dl_device": device, "copy": False, "stream": None}):
        assert type(probability.__dlpack__(**asked)).__name__ == "PyCapsule"
    for asked in ({"dl_device": (device[0], 5)}, {"copy": True}):
        with pytest.raises(BufferError, match="lent where it lies"):
            probability.__dlpack__(**asked)


@needs_device
@pytest.mark.parametrize("kind", ["binary", "dense"])
def test_memory_of_the_library_itself(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Where it gives memory that can be written, the probability lies there."""
    votes = [Tensor(vote) for vote in votes_of(kind, 3)]
    mine = Tensor(np.full(SHAPE, 7, np.float32))
    monkeypatch.setattr(on_device, "_empty", lambda shape, dtype, place: mine)
    there = fastfuse.soft_staple(votes)
    assert there.probability is mine
    here = fastfuse.soft_staple(votes_of(kind, 3))
    np.testing.assert_allclose(on_host(mine), here.probability, atol=1e-6)


@needs_device
@pytest.mark.parametrize("times", [1, 2])
def test_memory_that_a_library_keeps(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """It is asked for once."""
    votes, core, asked = tensors(votes_of("binary", 2)), _core.fuse_on_device, []

    def short_of_memory(*given: Any, **options: Any) -> Any:
        asked.append("memory")
        if len(asked) <= times:
            raise _core.OutOfMemory("CUDA, asking for 7 MiB on device 0: out of memory")
        return core(*given, **options)

    monkeypatch.setattr(_core, "fuse_on_device", short_of_memory)
    monkeypatch.setattr(on_device, "_give_back_cache", lambda place: place.device == 0)
    if times == 1:
        assert fastfuse.staple(votes).converged
    else:
        with pytest.raises(fastfuse.FastfuseError, match="out of memory"):
            fastfuse.staple(votes)
    assert len(asked) == 2


@needs_device
def test_strided_tensor_is_refused() -> None:
    given = tensors(votes_of("binary", 2))
    strided = [
        tensor.transpose(0, 2) if hasattr(tensor, "is_cuda") else Tensor(tensor.values.T) for tensor in given
    ]
    with pytest.raises(ValueError, match="rater 0 is not contiguous"):
        fastfuse.staple(strided)


@needs_device
def test_places_that_do_not_go_together() -> None:
    votes = votes_of("binary", 2)
    there = tensors(votes)
    with pytest.raises(ValueError, match=r"several places \(rater 0 on cuda:0, rater 1 on the CPU\)"):
        fastfuse.staple([there[0], votes[1]])
    with pytest.raises(ValueError, match=r"device is 'cpu', and rater 0 lies on cuda:0"):
        fastfuse.staple(there, device="cpu")
    with pytest.raises(ValueError, match="device is 'cuda:3', and rater 0 lies on cuda:0"):
        fastfuse.staple(there, device="cuda:3")
    with pytest.raises(ValueError, match="mask does not lie on cuda:0"):
        fastfuse.staple(there, mask=tensors_on_cpu(some_mask()))
    with pytest.raises(ValueError, match="out is set"):
        fastfuse.staple(there, out=np.zeros(SHAPE, np.float32))


# --- bad input -----------------------------------------------------------------------------------------------


@needs_device
def test_tensors_of_a_subclass() -> None:
    """Of one whose library makes no tensors, the probability is what any library can take over."""

    class Special(Tensor):
        pass

    there = fastfuse.staple([Special(vote) for vote in votes_of("binary", 2)])
    assert on_host(there.probability).shape == SHAPE
