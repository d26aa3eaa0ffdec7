"""The CUDA backend against the CPU: run where there is a device, or where its kernels were built for the CPU."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import _core
from fastfuse.fusion.backends import cuda as on_device

from ..problems import simulated_raters, soften

needs_device = pytest.mark.skipif(
    not fastfuse.cuda.is_available(), reason=fastfuse.cuda.why_not() or "a device is there"
)
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

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


# --- votes with few values -----------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"prior": "estimate"}, {"prior": 0.2, "init": 0.9}, {"acceleration": "squarem"}]
)
@pytest.mark.parametrize("m", [1, 2, 5, 11])
def test_masks(m: int, options: dict[str, Any], masked: bool) -> None:
    mask = some_mask() if masked else None
    there, here = both(fastfuse.staple, votes_of("binary", m), mask=mask, **options)
    assert_same(there, here, 1e-9)
    assert there.n_iter == here.n_iter


@needs_device
@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f4", ">i2"]
)
def test_types(dtype: str) -> None:
    there, here = both(fastfuse.staple, votes_of("binary", 3).astype(dtype))
    assert_same(there, here, 1e-9)


@needs_device
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_types_of_soft_votes(dtype: str) -> None:
    for kind in ("three-valued", "dense"):
        there, here = both(fastfuse.soft_staple, votes_of(kind, 3, dtype=dtype))
        assert_same(there, here, 1e-9 if kind == "three-valued" else 1e-6)


@needs_device
def test_raters_of_several_types() -> None:
    votes = votes_of("binary", 4)
    mixed = [votes[0].astype(bool), votes[1].astype(np.int16), votes[2], votes[3].astype(np.float16)]
    assert_same(*both(fastfuse.staple, mixed), 1e-9)


@needs_device
@pytest.mark.parametrize("fuse", SOFT)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("m", [2, 4, 7])
def test_three_values(fuse: Any, m_step: str, m: int) -> None:
    votes = votes_of("three-valued", m)
    assert_same(
        *both(fuse, votes, m_step=m_step, prior="estimate", mask=some_mask(), dtype="float64"), 1e-9, 1e-9
    )
    assert_same(*both(fuse, votes, m_step=m_step), 1e-9)


@needs_device
@pytest.mark.parametrize("fuse", SOFT)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("m", [14, 16])
def test_three_values_in_too_many_patterns(fuse: Any, m_step: str, m: int) -> None:
    """More than are counted: in double precision all the same."""
    votes = votes_of("three-valued", m)
    there = fuse(votes, m_step=m_step, max_iter=10, device="cuda")
    here = fuse(votes, m_step=m_step, max_iter=10, dtype="float64")
    for name in RATES:
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=0, atol=1e-9)
    np.testing.assert_allclose(there.probability, here.probability, rtol=0, atol=1e-6)


@needs_device
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize(("votes", "dtype"), [("float64", "float32"), ("float32", "float64")])
def test_double_precision(votes: str, dtype: str, m_step: str) -> None:
    given = votes_of("dense", 7, dtype=votes)
    assert_same(*both(fastfuse.soft_staple, given, m_step=m_step, dtype=dtype, max_iter=10), 1e-12, 1e-7)


@needs_device
@pytest.mark.parametrize("axes", [(2, 1, 0), (1, 2, 0)])
def test_memory_order_is_the_raters(axes: Any) -> None:
    votes = [
        np.ascontiguousarray(vote.transpose(axes)).transpose(np.argsort(axes))
        for vote in votes_of("dense", 3)
    ]
    mask, out = some_mask(), np.empty_like(votes[0])
    there, here = both(fastfuse.soft_staple, votes, mask=mask, max_iter=5)
    assert_same(there, here, 1e-6)
    assert there.probability.strides == here.probability.strides
    assert fastfuse.soft_staple(votes, mask=mask, max_iter=5, out=out, device="cuda").probability is out
    np.testing.assert_array_equal(out, there.probability)
    votes[1][2, 3, 4] = np.nan
    with pytest.raises(ValueError, match=r"rater 1 holds nan at voxel \(2, 3, 4\)"):
        fastfuse.soft_staple(votes, device="cuda")


@needs_device
def test_rater_who_did_not_read_the_case() -> None:
    votes = votes_of("binary", 3)
    there, here = both(fastfuse.staple, [votes[0], None, *votes[1:]])
    assert np.isnan(there.sensitivity[1])
    np.testing.assert_allclose(there.sensitivity, here.sensitivity, atol=1e-9)
    with pytest.raises(ValueError, match="a rater is None: on a device, leave him out"):
        fastfuse.staple([None, *tensors(votes)])


@needs_device
@pytest.mark.parametrize("mask", [np.ones(SHAPE, complex), np.ones(SHAPE, object), "x", 1])
def test_masks_are_checked_as_on_the_cpu(mask: Any) -> None:
    said = []
    for device in ("cpu", "cuda"):
        with pytest.raises((TypeError, ValueError)) as raised:
            fastfuse.staple(votes_of("binary", 2), mask=mask, device=device)
        said.append((raised.type, str(raised.value)))
    assert said[0] == said[1]


@needs_device
def test_a_value_that_no_sample_holds() -> None:
    """It is met by the pass over all voxels, which then starts again."""
    votes = np.zeros((3, 200, 300), np.float32)
    votes[:, 50:90, 50:90] = 1
    votes[1, 61, 59] = 0.25
    votes[2, 61, 60] = 0.75
    assert_same(*both(fastfuse.soft_staple, votes), 1e-9)


@needs_device
@pytest.mark.parametrize("values", [8, 9, 40])
def test_more_values_than_patterns_take(values: int) -> None:
    rng = np.random.default_rng(0)
    votes = (rng.integers(0, values, (3, *SHAPE)) / (values - 1)).astype(np.float32)
    assert_same(*both(fastfuse.soft_staple, votes, m_step="em", max_iter=5), 1e-6)


# --- votes that do not repeat --------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("m", range(1, 17))
def test_dense_masses(m: int) -> None:
    """All layouts of the tables: dummies for few raters, strips for many."""
    votes = votes_of("dense", m)[:, :1, :3] if m > 9 else votes_of("dense", m)[:, :4]
    for m_step in ("em", "paper") if m <= 13 else ("em",):
        options: dict[str, Any] = {"m_step": m_step, "prior": 0.3, "max_iter": 2, "expectation": "enumerate"}
        assert_same(*both(fastfuse.soft_staple, votes, **options), 1e-6)


@needs_device
@pytest.mark.parametrize(("fuse", "m_step"), list(itertools.product(SOFT, ["paper", "em"])))
@pytest.mark.parametrize("options", [{"prior": "estimate"}, {"init": 0.8}, {"performance_prior": (5, 1.5)}])
def test_dense(fuse: Any, m_step: str, options: dict[str, Any]) -> None:
    votes = votes_of("dense", 5)
    assert_same(*both(fuse, votes, m_step=m_step, mask=some_mask(), max_iter=20, **options), 1e-6)


@needs_device
@pytest.mark.parametrize("m", [1, 4, 5, 8, 9, 16])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_dense_products(m: int, m_step: str) -> None:
    votes = votes_of("dense", m)
    options: dict[str, Any] = {"m_step": m_step, "max_iter": 5, "tol": 0}
    assert_same(*both(fastfuse.simplified_soft_staple, votes, **options), 1e-6)
    fine = both(fastfuse.simplified_soft_staple, votes.astype(np.float64), dtype="float64", **options)
    assert_same(*fine, 1e-10, 1e-10)


# --- many raters ---------------------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("m", [20, 23, 64])
@pytest.mark.parametrize("masked", [False, True])
def test_masks_of_many(m: int, masked: bool) -> None:
    """Beyond 22 there are more keys than are counted: EM goes through the voxels."""
    mask = some_mask() if masked else None
    there, here = both(fastfuse.staple, votes_of("binary", m), mask=mask, prior="estimate", dtype="float64")
    assert_same(there, here, 1e-9, 1e-9)


@needs_device
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_products_of_many(m_step: str) -> None:
    """With rates at their limits, 64 factors are smaller than any double."""
    votes = votes_of("dense", 64)
    options: dict[str, Any] = {"m_step": m_step, "max_iter": 5, "dtype": "float64"}
    assert_same(*both(fastfuse.simplified_soft_staple, votes, tol=0, **options), 1e-9, 1e-9)
    votes = np.where(votes_of("dense", 64) > 0.45, 1, 0).astype(np.float32)
    votes[:, :4], votes[:32, 6:] = 0, 1
    assert_same(*both(fastfuse.simplified_soft_staple, votes, **options), 1e-9, 1e-9)


def votes_near_and_far(m: int) -> np.ndarray:
    """Dense votes most of which leave no doubt, some marks, and some voxels on which raters are at odds."""
    rng = np.random.default_rng([5, m])
    votes = votes_of("dense", m, dtype=np.float64).reshape(m, -1)
    votes[:, ::2] = rng.uniform(0, 0.02, (m, votes.shape[1] // 2))
    votes[:, ::7] = rng.uniform(0.98, 1, (m, len(range(0, votes.shape[1], 7))))
    votes[rng.random(votes.shape) < 0.1] = 0
    votes[rng.random(votes.shape) < 0.05] = 1
    return votes.reshape(m, *SHAPE)


@needs_device
@pytest.mark.parametrize("kind", ["dense", "near and far"])
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("m", [1, 4, 5, 11, 17, 64])
def test_characteristic_function(m: int, m_step: str, kind: str) -> None:
    """The same nodes, expansions and bounds as the CPU's: the same to many digits."""
    votes = votes_of("dense", m, dtype=np.float64) if kind == "dense" else votes_near_and_far(m)
    options: dict[str, Any] = {"expectation": "characteristic", "max_iter": 3, "dtype": "float64"}
    there, here = both(fastfuse.soft_staple, votes, m_step=m_step, prior="estimate", **options)
    assert_same(there, here, 1e-12, 1e-12)
    np.testing.assert_allclose(there.log_likelihood, here.log_likelihood, rtol=1e-12)


@needs_device
@pytest.mark.parametrize("doubt", [1e-12, 1e-9, 1e-5])
def test_characteristic_function_where_hardly_anybody_doubts(doubt: float) -> None:
    """Chernoff's bound then looks at e^{tS} with so large a t that it overflows."""
    rater, voxel = np.indices((24, 48))
    votes = np.where(rater < voxel % 24, 1.0, doubt)  # so many are sure, and one way or the other
    votes[:, 24:] = np.where(rater[:, 24:] < voxel[:, 24:] % 24, 0.0, 1 - doubt)
    options: dict[str, Any] = {"m_step": "em", "init": 0.9, "prior": 0.5, "max_iter": 1, "dtype": "float64"}
    assert_same(*both(fastfuse.soft_staple, votes, **options), 1e-12, 1e-12)


@needs_device
@pytest.mark.parametrize("m", [2, 7, 13])
def test_characteristic_function_equals_the_masses(m: int) -> None:
    votes = votes_of("dense", m)[:, :2]
    options: dict[str, Any] = {"device": "cuda", "m_step": "em", "mask": some_mask()[:2], "max_iter": 4}
    there, here = (
        fastfuse.soft_staple(votes, expectation=kind, **options) for kind in ("characteristic", "enumerate")
    )
    assert_same(there, here, 1e-6)


@needs_device
@pytest.mark.parametrize("prior", [1e-300, 1 - 1e-12])
@pytest.mark.parametrize("init", ["vote", 0.5001, 1 - 1e-12])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_characteristic_function_at_its_limits(m_step: str, init: Any, prior: float) -> None:
    votes = votes_near_and_far(20)
    options: dict[str, Any] = {"m_step": m_step, "init": init, "prior": prior, "max_iter": 2}
    assert_same(*both(fastfuse.soft_staple, votes, dtype="float64", **options), 1e-9, 1e-9)


@needs_device
@pytest.mark.parametrize("kind", ["binary", "three-valued", "dense"])
def test_majority(kind: str) -> None:
    assert_same(*both(fastfuse.majority_vote, votes_of(kind, 3), mask=some_mask()), 1e-7)


@needs_device
@pytest.mark.parametrize("fuse", SOFT)
def test_extreme_rates_need_doubles(fuse: Any) -> None:
    """Sixteen raters who always agree: floats would lose the products of 1e-12."""
    m = 16 if fuse is fastfuse.simplified_soft_staple else 10
    truth = np.random.default_rng(0).random(SHAPE) < 0.4
    votes = np.repeat(np.where(truth, 1 - 1e-7, 1e-7)[None].astype(np.float32), m, axis=0)
    votes[0].flat[:40] = 0.5
    there, here = both(fuse, votes, max_iter=8, m_step="em")
    assert_same(there, here, 1e-6)


@needs_device
@pytest.mark.parametrize(("kind", "m"), [("binary", 3), ("three-valued", 3), ("dense", 3), ("dense", 18)])
@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 5, 255, 256, 1023, 1025])
def test_ends_of_volumes(kind: str, m: int, voxels: int) -> None:
    votes = votes_of(kind, m).reshape(m, -1)[:, -voxels:]
    fuse = fastfuse.staple if kind == "binary" else fastfuse.soft_staple
    there, here = both(fuse, list(votes), max_iter=4)
    assert_same(there, here, 1e-6)


@needs_device
@pytest.mark.parametrize("fuse", [fastfuse.staple, *SOFT])
@pytest.mark.parametrize("value", [0, 1])
def test_all_agree(fuse: Any, value: int) -> None:
    assert_same(*both(fuse, np.full((3, *SHAPE), value, np.float32)), 0, 0)


@needs_device
@pytest.mark.parametrize(("kind", "m"), [("three-valued", 6), ("dense", 6), ("dense", 20)])
@pytest.mark.parametrize("fuse", SOFT)
def test_same_bits(fuse: Any, kind: str, m: int) -> None:
    votes = votes_of(kind, m)
    first, second = (fuse(votes, device="cuda", m_step="em", max_iter=5) for _ in range(2))
    np.testing.assert_array_equal(first.probability, second.probability)
    np.testing.assert_array_equal(first.log_likelihood, second.log_likelihood)


# --- tensors and arrays --------------------------------------------------------------------------------------


class Tensor:
    """A tensor of another library on device 0."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.asked = values, []
        self.shape, self.dtype = values.shape, values.dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int) -> Any:
        self.asked.append(stream)
        return self.values.__dlpack__()


def tensors(votes: Any) -> list[Any]:
    """Return tensors on the device: PyTorch's where it has one, stand-ins where the kernels run on the CPU."""
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        return [torch.from_numpy(np.ascontiguousarray(vote)).to("cuda:0") for vote in votes]
    return [Tensor(np.ascontiguousarray(vote)) for vote in votes]


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
        found = np.from_dlpack(there.probability)
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
    np.testing.assert_allclose(mine.values, here.probability, atol=1e-6)


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


def tensors_on_cpu(mask: np.ndarray) -> Any:
    return pytest.importorskip("torch").from_numpy(mask)


# --- bad input -----------------------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "nan .*finite"), (-0.5, r"-0\.5 .*\[0, 1\]"), (7, r"7 .*\[0, 1\]")]
)
def test_bad_votes(kind: str, value: float, message: str) -> None:
    votes = votes_of(kind, 3)
    votes[1, 2, 3, 4] = votes[2, 5, 5, 5] = value
    with pytest.raises(ValueError, match=rf"rater 1 holds {message}") as raised:
        fastfuse.soft_staple(votes, device="cuda")
    assert "(2, 3, 4)" in str(raised.value)
    mask = np.ones(SHAPE, bool)
    mask[2, 3, 4] = mask[5, 5, 5] = False
    fastfuse.soft_staple(votes, mask=mask, device="cuda")


@needs_device
def test_bad_masks() -> None:
    for m in (3, 30):
        votes = votes_of("binary", m)
        votes[1, 2, 3, 4] = 0.5
        with pytest.raises(ValueError, match=r"rater 1 holds 0\.5 at voxel \(2, 3, 4\): staple takes masks"):
            fastfuse.staple(votes, device="cuda")
    for kind in ("three-valued", "dense"):
        mask = np.ones(SHAPE, np.uint8)
        mask[1, 1, 1] = 3
        with pytest.raises(ValueError, match=r"the mask holds 3 at voxel \(1, 1, 1\)"):
            fastfuse.soft_staple(votes_of(kind, 3), mask=mask, device="cuda")
        with pytest.raises(ValueError, match="the mask is empty"):
            fastfuse.soft_staple(votes_of(kind, 3), mask=0 * mask, device="cuda")


@needs_device
@pytest.mark.parametrize(
    "options",
    [
        {"roi": "disputed"}, {"roi": 3.0}, {"missing": "nan"}, {"present": [None, None]}, {"mrf": 0.5},
        {"intervals": "bootstrap"}, {"select_label": 1},
    ],
)  # fmt: skip
def test_options_of_the_cpu(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is set: that runs on the CPU only"):
        fastfuse.staple(votes_of("binary", 2), device="cuda", **options)


@needs_device
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32, np.float64, bool])
def test_masks_of_any_type(dtype: Any) -> None:
    """Those that are arrays, beside tensors too, and lists."""
    votes, mask = votes_of("binary", 3), some_mask()
    here = fastfuse.staple(votes, mask=mask)
    for given in (votes, tensors(votes)):
        for inside in (mask.astype(dtype), mask.astype(dtype).tolist()):
            there = fastfuse.staple(given, mask=inside, device="cuda")
            assert there.n_voxels == here.n_voxels
            np.testing.assert_allclose(there.sensitivity, here.sensitivity, atol=1e-9)


@needs_device
def test_more_raters_than_a_device_takes() -> None:
    with pytest.raises(ValueError, match="there are 65 raters: a device takes at most 64"):
        fastfuse.staple(votes_of("binary", 65), device="cuda")


@needs_device
def test_tensors_of_a_subclass() -> None:
    """Of one whose library makes no tensors, the probability is what any library can take over."""

    class Special(Tensor):
        pass

    there = fastfuse.staple([Special(vote) for vote in votes_of("binary", 2)])
    assert np.from_dlpack(there.probability).shape == SHAPE


@needs_device
def test_other_limits() -> None:
    with pytest.raises(ValueError, match="prior is a map"):
        fastfuse.staple(votes_of("binary", 2), device="cuda", prior=np.full(SHAPE, 0.5))
    with pytest.raises(fastfuse.FastfuseError, match=r"'enumerate' takes at most 16 raters"):
        fastfuse.soft_staple(votes_of("dense", 17), device="cuda", expectation="enumerate")


# --- everywhere ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", 0, "CPU", "cuda:3000000000", "cuda:\u0661"])
def test_no_device(device: Any) -> None:
    with pytest.raises(ValueError, match=r"device is .*: it must be 'cpu', 'cuda' or 'cuda:0'"):
        fastfuse.staple(votes_of("binary", 2), device=device)


@pytest.mark.skipif(fastfuse.cuda.is_available(), reason="CUDA is there")
def test_without_cuda_one_sentence_says_why() -> None:
    assert fastfuse.cuda.why_not()
    with pytest.raises(fastfuse.FastfuseError, match=r"device is 'cuda': .*CUDA"):
        fastfuse.staple(votes_of("binary", 2), device="cuda")
    with pytest.raises(fastfuse.FastfuseError, match="CUDA"):
        fastfuse.staple([Tensor(vote) for vote in votes_of("binary", 2)])
    with pytest.raises(fastfuse.FastfuseError, match=r"rater 0 lies on cuda:0: .*; or fuse on the CPU"):
        fastfuse.staple([Tensor(vote) for vote in votes_of("binary", 2)])


def test_files(tmp_path: Path) -> None:
    """With CUDA the same, without it the same sentence before anything is read."""
    paths = []
    for i, vote in enumerate(votes_of("binary", 3)):
        paths.append(tmp_path / f"r{i}.nii.gz")
        nib.save(nib.Nifti1Image(3 * vote.astype(np.uint8), np.eye(4)), paths[-1])
    options: dict[str, Any] = {"method": "staple", "select_label": 3}
    if not fastfuse.cuda.is_available():
        with pytest.raises(fastfuse.FastfuseError, match="device is 'cuda'"):
            fastfuse.fuse_files(["absent.nii"], tmp_path / "c.nii", device="cuda")
        return
    there = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", device="cuda", **options)
    assert_same(there, fastfuse.fuse_files(paths, tmp_path / "d.nii.gz", device="cpu", **options), 1e-9)
    vote = np.full(SHAPE, 0.5, np.float32)
    nib.save(nib.Nifti1Image(vote, np.eye(4)), paths[1])
    with pytest.raises(ValueError, match=r"r1\.nii\.gz\) holds 0\.5"):
        fastfuse.fuse_files(paths, tmp_path / "e.nii.gz", device="cuda", method="staple")


def test_cpu_is_as_without() -> None:
    votes = votes_of("binary", 2)
    torch = pytest.importorskip("torch")
    for device in ("cpu", torch.device("cpu")):
        np.testing.assert_array_equal(
            fastfuse.staple(votes, device=device).probability, fastfuse.staple(votes).probability
        )


@needs_device
@pytest.mark.parametrize("option", [{"replicates": 1}, {"seed": -1}, {"spacing_mm": (1,)}])
@pytest.mark.parametrize("of_tensors", [False, True])
def test_options_are_checked_as_on_the_cpu(option: dict[str, Any], of_tensors: bool) -> None:
    votes = votes_of("binary", 2)
    with pytest.raises(ValueError, match=f"{next(iter(option))} is "):
        fastfuse.staple(tensors(votes) if of_tensors else votes, device="cuda", **option)


@needs_device
def test_grids_of_images_are_compared() -> None:
    mask = votes_of("binary", 1)[0].astype(np.uint8)
    images = [nib.Nifti1Image(mask, np.diag([side, 1, 1, 1])) for side in (1, -1)]
    with pytest.raises(fastfuse.GridError, match="axis 0 is flipped"):
        fastfuse.staple(images, device="cuda")


@needs_device
def test_dilated_staple_on_a_device() -> None:
    image = np.linspace(0, 1, int(np.prod(SHAPE))).reshape(SHAPE)
    there, here = (
        fastfuse.dilated_staple(image > [[[[0.7]]], [[[0.8]]]], image, device=d) for d in ("cuda", "cpu")
    )
    np.testing.assert_array_equal(there.probability, here.probability)
