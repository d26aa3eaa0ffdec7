"""Images and tensors of other libraries are taken with their grid, and given back in kind."""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .images import (
    AntsImage,
    DataArray,
    ItkImage,
    TorchIoImage,
    of_monai,
    of_monai_with_channel,
    of_nibabel,
    of_simpleitk,
)

RNG = np.random.default_rng(3)
SHAPE = (9, 10, 8)
TRUTH = ((np.indices(SHAPE).T - np.array([4, 5, 3])).T ** 2).sum(axis=0) < 13
MASKS = [(TRUTH ^ (RNG.random(SHAPE) < rate)).astype(np.uint8) for rate in (0.02, 0.04, 0.06)]
SIDES = (1.0, 1.5, 4.0)
AFFINE = np.diag([*SIDES, 1.0])
AFFINE[:3, 3] = (-10, 20, 30)
SHIFTED = AFFINE.copy()
SHIFTED[0, 3] += 5


KINDS = {
    "nibabel": of_nibabel,
    "SimpleITK": of_simpleitk,
    "ITK": ItkImage,
    "TorchIO": TorchIoImage,
    "ANTs": AntsImage,
    "MONAI": of_monai,
    "MONAI, with a channel": of_monai_with_channel,
    "xarray": DataArray,
}
IN_ZYX = ("SimpleITK", "ITK")


def in_order(kind: str, array: Any) -> np.ndarray:
    """Return an array with axes x, y, z."""
    values = np.asarray(array).reshape([length for length in np.shape(array) if length != 1])
    return values.transpose(2, 1, 0) if kind in IN_ZYX else values


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_votes_are_those_of_the_image(kind: str) -> None:
    fused = fastfuse.staple([KINDS[kind](mask, AFFINE) for mask in MASKS])
    np.testing.assert_array_equal(in_order(kind, fused.probability), fastfuse.staple(MASKS).probability)
    np.testing.assert_array_equal(in_order(kind, fused.label()), fastfuse.staple(MASKS).label())


def test_grids_are_compared(kind: str) -> None:
    make = KINDS[kind]
    images = [make(mask, AFFINE) for mask in MASKS]
    other = make(MASKS[1], SHIFTED)
    with pytest.raises(fastfuse.GridError, match=r"rater 1 and rater 0 .* 5 mm"):
        fastfuse.staple([images[0], other, images[2]])
    with pytest.raises(fastfuse.GridError, match="mask and rater 0"):
        fastfuse.staple(images, mask=other)


def test_the_random_field_takes_the_size_of_voxels(kind: str) -> None:
    fused = fastfuse.staple([KINDS[kind](mask, AFFINE) for mask in MASKS], mrf=0.5)
    expected = fastfuse.staple(MASKS, mrf=0.5, spacing_mm=SIDES)
    cubes = fastfuse.staple(MASKS, mrf=0.5)
    np.testing.assert_allclose(in_order(kind, fused.probability), expected.probability, atol=1e-6)
    assert not np.allclose(expected.probability, cubes.probability, atol=1e-3)


def test_a_margin_takes_the_size_of_voxels(kind: str) -> None:
    few = [np.zeros(SHAPE, np.uint8) for _ in range(3)]
    for mask in few:
        mask[3, 4, 4] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)  # they agree
        fused = fastfuse.staple([KINDS[kind](mask, AFFINE) for mask in few], roi=1.6)
        assert fused.n_voxels == fastfuse.staple(few, roi=1.6, spacing_mm=SIDES).n_voxels < 30


def test_evaluation_takes_the_size_of_voxels(kind: str) -> None:
    pytest.importorskip("scipy")
    if "channel" in kind or kind == "TorchIO":
        pytest.skip("an evaluation takes three axes")
    make = KINDS[kind]
    found = fastfuse.evaluate(make(MASKS[0], AFFINE), make(MASKS[1], AFFINE))
    expected = fastfuse.evaluate(MASKS[0], MASKS[1], spacing_mm=SIDES)
    assert found.truth_ml == pytest.approx(expected.truth_ml)
    assert found.hd95_mm == pytest.approx(expected.hd95_mm)
    with pytest.raises(fastfuse.GridError, match="the truth and the prediction"):
        fastfuse.evaluate(make(MASKS[0], AFFINE), make(MASKS[1], SHIFTED))


def test_iterators_of_images_keep_their_grid(kind: str) -> None:
    fused = fastfuse.staple((KINDS[kind](mask, AFFINE) for mask in MASKS), mrf=0.5)
    expected = fastfuse.staple([KINDS[kind](mask, AFFINE) for mask in MASKS], mrf=0.5)
    np.testing.assert_array_equal(np.asarray(fused.probability), np.asarray(expected.probability))


def test_masks_with_a_grid_tell_the_size_for_raters_without() -> None:
    image = nib.Nifti1Image(np.ones(SHAPE, np.uint8), AFFINE)
    fused = fastfuse.staple(MASKS, mask=image, mrf=0.5)
    expected = fastfuse.staple(MASKS, mrf=0.5, spacing_mm=SIDES)
    np.testing.assert_allclose(fused.probability, expected.probability, atol=1e-6)


def test_dilated_staple_and_soften_see_grids(kind: str) -> None:
    if "channel" in kind or kind == "TorchIO":
        pytest.skip("a dilation takes three axes")
    make = KINDS[kind]
    images, flair = [make(mask, AFFINE) for mask in MASKS], RNG.random(SHAPE).astype(np.float32)
    fused = fastfuse.dilated_staple(images, make(flair, AFFINE), mrf=0.3)
    expected = fastfuse.dilated_staple(MASKS, flair, mrf=0.3, spacing_mm=SIDES)
    np.testing.assert_allclose(in_order(kind, fused.probability), expected.probability, atol=1e-6)
    with pytest.raises(fastfuse.GridError, match="image"):
        fastfuse.dilated_staple(images, make(flair, SHIFTED))
    with pytest.raises(fastfuse.GridError, match="image"):
        fastfuse.soften(images, make(flair, SHIFTED))


def test_one_image_is_no_list_of_raters(kind: str) -> None:
    image = KINDS[kind](MASKS[0], AFFINE)
    if kind in ("MONAI", "MONAI, with a channel", "xarray"):
        pytest.skip("it is an array, which may hold several raters")
    with pytest.raises(TypeError, match="raters is one image: give a list of images"):
        fastfuse.staple(image)


def test_axes_in_two_orders_are_told_apart() -> None:
    pytest.importorskip("SimpleITK")
    cube = [(RNG.random((6, 6, 6)) < 0.4).astype(np.uint8) for _ in range(2)]
    with pytest.raises(
        fastfuse.GridError,
        match=r"rater 1 has the axes z, y, x, rater 0 has x, y, z.*GetArrayFromImage.*lie on one grid",
    ):
        fastfuse.staple([of_nibabel(cube[0], AFFINE), of_simpleitk(cube[1], AFFINE)])


def test_planes_of_simpleitk() -> None:
    sitk = pytest.importorskip("SimpleITK")
    planes = [sitk.GetImageFromArray(mask[..., 3]) for mask in MASKS]
    for plane in planes:
        plane.SetSpacing((1.0, 3.0))
    fused = fastfuse.staple(planes, mrf=0.5)
    expected = fastfuse.staple([mask[..., 3] for mask in MASKS], mrf=0.5, spacing_mm=(3, 1))
    np.testing.assert_allclose(fused.probability, expected.probability, atol=1e-6)
    planes[1].SetOrigin((4.0, 0.0))
    with pytest.raises(fastfuse.GridError, match="rater 1 and rater 0"):
        fastfuse.staple(planes)


def test_images_of_several_values_a_voxel_are_refused() -> None:
    sitk = pytest.importorskip("SimpleITK")
    pillow = pytest.importorskip("PIL.Image")
    vector = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    with pytest.raises(ValueError, match="rater 0 has 3 values a voxel"):
        fastfuse.staple([vector, vector])
    colour = pillow.fromarray(np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="rater 0 has 3 values a voxel"):
        fastfuse.staple([colour, colour])
    image = of_monai(np.stack(MASKS), AFFINE)
    with pytest.raises(ValueError, match=r"rater 0 has 3 channels: give one of them, as rater\[1:2\] is"):
        fastfuse.soft_staple([image, image])
    np.testing.assert_array_equal(  # as a stack of raters, it is one
        fastfuse.soft_staple(image).probability, fastfuse.soft_staple(MASKS).probability
    )


def test_images_of_pillow() -> None:
    pillow = pytest.importorskip("PIL.Image")
    planes = [pillow.fromarray(mask[..., 3]) for mask in MASKS]
    expected = fastfuse.staple([mask[..., 3] for mask in MASKS])
    np.testing.assert_array_equal(fastfuse.staple(planes).probability, expected.probability)
    with pytest.raises(TypeError, match="raters is one image"):
        fastfuse.staple(planes[0])


class PixelByPixel:
    """An image that NumPy can only read value by value, in a shape of one axis."""

    shape = (2, 3)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> int:
        return [0, 1, 1, 0, 1, 0][i]


def test_what_numpy_would_read_value_by_value_is_refused() -> None:
    image: Any = PixelByPixel()
    with pytest.raises(
        TypeError, match=r"rater 0 has shape \(2, 3\), and NumPy reads shape \(6,\); convert it"
    ):
        fastfuse.staple([image, image])


def test_units_in_nibabels_header() -> None:
    images = [nib.Nifti1Image(mask, np.diag([1e-3, 1e-3, 4e-3, 1])) for mask in MASKS]
    for image in images:
        image.header.set_xyzt_units("meter")
    fused = fastfuse.staple(images, roi=0.5)
    assert fused.n_voxels == fastfuse.staple(MASKS, roi=0.5, spacing_mm=(1, 1, 4)).n_voxels < MASKS[0].size


@pytest.mark.parametrize("make", [of_nibabel, of_monai])
def test_sheared_images_are_refused_where_distances_count(make: Any) -> None:
    sheared = AFFINE.copy()
    sheared[1, 2] = 1.5
    images = [make(mask, sheared) for mask in MASKS]
    fastfuse.staple(images)
    for options in ({"mrf": 0.5}, {"roi": 3}):
        with pytest.raises(fastfuse.GridError, match=r"rater 0.*not at right angles"):
            fastfuse.staple(images, **options)


def test_four_axes_of_simpleitk() -> None:
    """Their sizes are not known one by one."""
    sitk = pytest.importorskip("SimpleITK")
    series = sitk.JoinSeries([of_simpleitk(mask, AFFINE) for mask in MASKS])
    fused = fastfuse.staple(series, axis=0)
    np.testing.assert_array_equal(
        in_order("SimpleITK", fused.probability), fastfuse.staple(MASKS).probability
    )
    with pytest.raises(ValueError, match=r"rater 0.*give spacing_mm"):
        fastfuse.staple(series, axis=0, mrf=0.5)


def test_a_size_that_is_not_clear_is_asked_for() -> None:
    """A slice with the affine of a volume; coordinates in uneven steps, or without a unit."""
    slices = [of_monai(mask[4:5], AFFINE) for mask in MASKS]
    with pytest.raises(ValueError, match=r"rater 0 .*which voxel size belongs.*give spacing_mm"):
        fastfuse.staple(slices, mrf=0.5)
    fastfuse.staple(slices)
    uneven = [DataArray(mask, AFFINE) for mask in MASKS]
    for array in uneven:
        array.coords["z"].values = np.arange(8.0) ** 2
    with pytest.raises(ValueError, match="give spacing_mm"):
        fastfuse.staple(uneven, mrf=0.5)
    unknown = [DataArray(mask, AFFINE) for mask in MASKS]
    for array in unknown:
        array.coords["z"].attrs = {}
    with pytest.raises(ValueError, match="not said to be in mm: give spacing_mm"):
        fastfuse.staple(unknown, roi=2)
    fastfuse.staple(unknown, mrf=0.5)  # for which ratios are enough


TENSORS = {
    "plain": lambda torch, array: torch.from_numpy(array).float(),
    "with gradient": lambda torch, array: torch.from_numpy(array).float().requires_grad_(True),
    "of a graph": lambda torch, array: torch.from_numpy(array).float().requires_grad_(True) * 1,
    "bfloat16": lambda torch, array: torch.from_numpy(array).to(torch.bfloat16),
    "bfloat16 with gradient": lambda torch, array: (
        torch.from_numpy(array).to(torch.bfloat16).requires_grad_()
    ),
    "half": lambda torch, array: torch.from_numpy(array).half(),
    "bool": lambda torch, array: torch.from_numpy(array).bool(),
    "strided": lambda torch, array: torch.from_numpy(array.transpose(2, 0, 1).copy()).permute(1, 2, 0),
}


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("what", TENSORS)
def test_torch_in_gives_torch_out(what: str, stacked: bool) -> None:
    torch = pytest.importorskip("torch")
    tensors: Any = [TENSORS[what](torch, mask) for mask in MASKS]
    expected = fastfuse.soft_staple(MASKS)
    fused = fastfuse.soft_staple(torch.stack(tensors) if stacked else tensors)
    assert isinstance(fused.probability, torch.Tensor)
    assert fused.probability.dtype == torch.float32
    assert not fused.probability.requires_grad
    np.testing.assert_array_equal(fused.probability.numpy(), expected.probability)
    for ties in ("foreground", "background"):
        label = fused.label(ties=ties)
        assert isinstance(label, torch.Tensor)
        assert label.dtype == torch.uint8
        np.testing.assert_array_equal(label.numpy(), expected.label(ties=ties))
    assert isinstance(fused.sensitivity, np.ndarray)
    assert f"shape {tuple(tensors[0].shape)}," in repr(fused)


@pytest.mark.filterwarnings("ignore:rater 0 has no vote")
def test_every_fusion_of_tensors_gives_one() -> None:
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(mask) for mask in MASKS]
    rates = fastfuse.estimate(fastfuse.tabulate(tensors))
    flair = torch.from_numpy(RNG.random(SHAPE))
    for fused in (
        fastfuse.staple(tensors),
        fastfuse.simplified_soft_staple([None, *tensors]),
        fastfuse.majority_vote(tensors, dtype="float64"),
        fastfuse.fuse(tensors, "staple", mask=flair > 0.2, prior=flair * 0.5 + 0.2),
        fastfuse.dilated_staple(tensors, flair),
        rates.apply(tensors),
    ):
        assert isinstance(fused.probability, torch.Tensor)
    for raters in ([*tensors[:2], MASKS[2]], MASKS):
        assert isinstance(fastfuse.staple(raters).probability, np.ndarray)
    out = np.empty(SHAPE, np.float32)
    assert fastfuse.staple(tensors, out=out).probability.numpy().base is not None
    np.testing.assert_array_equal(out, fastfuse.staple(MASKS).probability)


def test_companions_may_have_gradients() -> None:
    torch = pytest.importorskip("torch")
    prior = torch.full(SHAPE, 0.25, dtype=torch.bfloat16).requires_grad_()
    fused = fastfuse.staple(MASKS, prior=prior)
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(MASKS, prior=0.25).probability)
