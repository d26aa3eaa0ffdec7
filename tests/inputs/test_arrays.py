"""Every kind and layout of array gives the same consensus."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..doors import fuse_by_name
from ..problems import SOFT, simulated_raters, soften

SHAPE = (17, 21, 13)


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    return simulated_raters(np.random.default_rng(0), 5, int(np.prod(SHAPE))).reshape(5, *SHAPE)


@pytest.fixture(scope="module")
def votes(masks: np.ndarray) -> np.ndarray:
    """Soft votes that every float type can hold."""
    return np.where(soften(np.random.default_rng(1), masks, "three-valued") == 0.3, 0.25, masks)


DTYPES = [
    "?",
    "u1",
    "i1",
    "u2",
    "i2",
    "u4",
    "i4",
    "u8",
    "i8",
    "f2",
    "f4",
    "f8",
    ">u2",
    ">i4",
    ">i8",
    ">f2",
    ">f4",
    ">f8",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(masks: np.ndarray, dtype: str) -> None:
    expected = fastfuse.staple(masks, dtype="float64")
    fused = fastfuse.staple([mask.astype(dtype) for mask in masks], dtype="float64")
    np.testing.assert_array_equal(fused.probability, expected.probability)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("fuse", SOFT)
def test_soft_dtypes(votes: np.ndarray, fuse: Any, dtype: str) -> None:
    expected = fuse(votes, dtype="float64")
    np.testing.assert_array_equal(
        fuse(votes.astype(dtype), dtype="float64").probability, expected.probability
    )


@pytest.mark.filterwarnings("ignore:rater 0 and rater 1 hold the same votes")
def test_half_precision_is_read_exactly() -> None:
    """Every float16 in [0, 1], denormal ones too."""
    halves = np.arange(0x3C01, dtype=np.uint16).view(np.float16)
    fused = fastfuse.majority_vote([halves, halves], dtype="float64")
    np.testing.assert_array_equal(fused.probability, halves.astype(np.float64))


def test_any_nonzero_byte_is_true(masks: np.ndarray) -> None:
    """Booleans of foreign code may hold other bytes than 0 and 1."""
    odd = [(mask * 254).astype(np.uint8).view(bool) for mask in masks]
    np.testing.assert_array_equal(fastfuse.staple(odd).probability, fastfuse.staple(masks).probability)


def test_mixed_dtypes(masks: np.ndarray) -> None:
    mixed = [mask.astype(dtype) for mask, dtype in zip(masks, ["?", "u1", ">f4", "i8", "f2"], strict=True)]
    np.testing.assert_array_equal(fastfuse.staple(mixed).probability, fastfuse.staple(masks).probability)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=2)[::2, :, ::3],
    "reversed": lambda a: np.ascontiguousarray(a[::-1, :, ::-1])[::-1, :, ::-1],
    "transposed": lambda a: np.ascontiguousarray(a.transpose(1, 2, 0)).transpose(2, 0, 1),
    "inner of a record": lambda a: _field(a),
    "unaligned": lambda a: _unaligned(a),
    "read-only": lambda a: _read_only(a),
}


def _field(a: np.ndarray) -> np.ndarray:
    record = np.zeros(a.shape, [("pad", "u1"), ("vote", a.dtype)])
    record["vote"] = a
    return record["vote"]


def _unaligned(a: np.ndarray) -> np.ndarray:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    shifted = raw[1:].view(a.dtype).reshape(a.shape)
    shifted[...] = a
    return shifted


def _read_only(a: np.ndarray) -> np.ndarray:
    copy = a.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize("route", ["patterns", "lanes", "rows"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(votes: np.ndarray, layout: str, route: str) -> None:
    prior = np.random.default_rng(2).choice([0.2, 0.4], SHAPE)
    mask = np.random.default_rng(3).random(SHAPE) < 0.8
    expected = fastfuse.soft_staple(votes, prior=prior, mask=mask, dtype="float64")
    change = LAYOUTS[layout]
    fused = fuse_by_name(
        [change(vote.astype(np.float32)) for vote in votes],
        "soft-staple",
        prior=change(prior),
        mask=change(mask),
        dtype="float64",
        route=route,
    )
    np.testing.assert_allclose(fused.probability, expected.probability, rtol=0, atol=1e-12)


def test_each_rater_in_his_own_layout(votes: np.ndarray) -> None:
    mixed = [change(vote) for change, vote in zip(LAYOUTS.values(), votes, strict=False)]
    expected = fastfuse.simplified_soft_staple(votes, dtype="float64")
    fused = fastfuse.simplified_soft_staple(mixed, dtype="float64")
    np.testing.assert_allclose(fused.probability, expected.probability, rtol=0, atol=1e-12)


def test_memory_order_of_the_result_is_the_first_raters(votes: np.ndarray) -> None:
    assert fastfuse.soft_staple(votes).probability.flags.c_contiguous
    assert fastfuse.soft_staple([np.asfortranarray(vote) for vote in votes]).probability.flags.f_contiguous


@pytest.mark.parametrize(
    "shape", [(1000,), (40, 25), (10, 1, 100), (1, 1000), (5, 4, 10, 5), (2, 5, 2, 5, 2, 5)]
)
def test_any_number_of_dimensions(shape: tuple[int, ...]) -> None:
    flat = simulated_raters(np.random.default_rng(0), 4, 1000)
    fused = fastfuse.staple(flat.reshape(4, *shape))
    assert fused.probability.shape == shape
    np.testing.assert_array_equal(fused.probability.ravel(), fastfuse.staple(flat).probability)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_broadcast_rater(masks: np.ndarray) -> None:
    plane = masks[0, :, :, :1]
    broadcast = np.broadcast_to(plane, SHAPE)
    fused = fastfuse.staple([masks[1], broadcast, masks[2]])
    expected = fastfuse.staple([masks[1], broadcast.copy(), masks[2]])
    np.testing.assert_array_equal(fused.probability, expected.probability)


def test_torch(votes: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    expected = fastfuse.soft_staple(votes).probability
    tensors = [torch.from_numpy(vote) for vote in votes]
    np.testing.assert_array_equal(fastfuse.soft_staple(tensors).probability, expected)
    np.testing.assert_array_equal(fastfuse.soft_staple(torch.stack(tensors)).probability, expected)
    with pytest.raises(TypeError, match=r"rater 0 cannot be read as an array.*; convert it to NumPy"):
        fastfuse.soft_staple([tensors[0].to_sparse()])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", ["strided", "jagged"])
@pytest.mark.parametrize("in_list", [False, True])
def test_nested_tensors_are_refused(layout: str, in_list: bool) -> None:
    torch = pytest.importorskip("torch")
    nested = torch.nested.nested_tensor([torch.ones(3), torch.ones(3)], layout=getattr(torch, layout))
    for call in (fastfuse.majority_vote, fastfuse.staple):
        with pytest.raises(TypeError, match=r"rater.* cannot be read as an array \(a nested tensor\)"):
            call([nested, nested] if in_list else nested)


class DlpackOnly:
    """An array of a library that speaks DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class AnswersOnce:
    """An object whose second answer differs: it must be asked once."""

    def __init__(self, array: np.ndarray) -> None:
        self._answers = [array]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._answers.pop()


def test_other_arrays(votes: np.ndarray) -> None:
    expected = fastfuse.soft_staple(votes).probability
    for wrap in (DlpackOnly, AnswersOnce, np.ndarray.tolist, memoryview):
        np.testing.assert_array_equal(
            fastfuse.soft_staple([wrap(vote) for vote in votes]).probability, expected
        )
    np.testing.assert_array_equal(fastfuse.soft_staple(DlpackOnly(votes)).probability, expected)
    np.testing.assert_array_equal(fastfuse.soft_staple(vote for vote in votes).probability, expected)


def test_nibabel_images(masks: np.ndarray) -> None:
    images = [nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)) for mask in masks]
    np.testing.assert_array_equal(fastfuse.staple(images).probability, fastfuse.staple(masks).probability)
    with pytest.raises(TypeError, match="raters is one image"):
        fastfuse.staple(images[0])


def test_select_label(masks: np.ndarray) -> None:
    labels = [np.where(mask == 1, 3, 7 * (mask[::-1] == 1)).astype(np.int16) for mask in masks]
    expected = fastfuse.staple(masks)
    for fuse in (fastfuse.staple, *SOFT):
        np.testing.assert_allclose(fuse(labels, select_label=3).probability, expected.probability, atol=1e-6)
    negative = [np.where(mask == 1, -2, 0) for mask in masks]
    np.testing.assert_array_equal(
        fastfuse.staple(negative, select_label=-2).probability, expected.probability
    )


def test_mask_counts_nothing_outside(votes: np.ndarray) -> None:
    mask = np.random.default_rng(5).random(SHAPE) < 0.5
    inside = fastfuse.soft_staple(votes[:, mask], dtype="float64")
    for kind in (bool, np.uint8, np.float32):
        fused = fastfuse.soft_staple(votes, mask=mask.astype(kind), dtype="float64")
        np.testing.assert_allclose(fused.probability[mask], inside.probability, rtol=0, atol=1e-12)
        assert (fused.probability[~mask] == 0).all()
        assert fused.n_voxels == mask.sum()
        np.testing.assert_allclose(fused.volume, votes[:, mask].sum(axis=1))


def test_result(votes: np.ndarray) -> None:
    fused = fastfuse.soft_staple(votes)
    assert fused.probability.dtype == np.float32
    assert fastfuse.soft_staple(votes, dtype=np.float64).probability.dtype == np.float64
    assert fused.sensitivity.shape == fused.specificity.shape == (5,)
    assert fused.log_likelihood.shape == (fused.n_iter,)
    assert fused.label().dtype == np.uint8
    np.testing.assert_array_equal(fused.label(0.25), fused.probability >= 0.25)
    assert "soft-staple, 5 raters" in repr(fused)
    assert fused != fastfuse.soft_staple(votes), "results are compared by identity"
    assert hash(fused)


def test_cut_includes_its_own_value() -> None:
    fused = fastfuse.majority_vote([[1, 0, 0, 0], [1, 1, 0, 0]])
    assert fused.label(0.5).tolist() == [1, 1, 0, 0]
    assert fused.label(1.0).tolist() == [1, 0, 0, 0]
