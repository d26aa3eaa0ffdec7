"""The CUDA backend against the CPU, where there is a device or where the CPU runs its kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .on_device import (
    RATES,
    SHAPE,
    SOFT,
    Tensor,
    assert_same,
    both,
    needs_device,
    some_mask,
    tensors,
    votes_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


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
    with pytest.raises(ValueError, match="a rater is None: on a device, leave them out"):
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


# --- tensors and arrays --------------------------------------------------------------------------------------


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
        fastfuse.staple(votes_of("binary", 65), axis=0, device="cuda")


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
    with pytest.raises(ValueError, match=r"r1\.nii\.gz holds 0\.5"):
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
