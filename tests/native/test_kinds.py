"""A consensus comes back as what the raters were given as, with the same values and place."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import GridError

RNG = np.random.default_rng(7)
TRUTH = RNG.random((6, 7, 8)) < 0.3
MASKS = [(TRUTH ^ (RNG.random(TRUTH.shape) < 0.1)).astype(np.uint8) for _ in range(3)]
AFFINE = np.array([[0, -2, 0, 5], [3, 0, 0, 7], [0, 0, 4, 9], [0, 0, 0, 1.0]])
LPS = np.diag([-1, -1, 1])
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
Maker = Callable[[np.ndarray], Any]


def of_nibabel(mask: np.ndarray) -> Any:
    image = nib.Nifti1Image(mask, AFFINE)
    image.header.set_xyzt_units("mm")
    return image


def of_sitk(mask: np.ndarray) -> Any:
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(mask.T)
    sides = np.linalg.norm(AFFINE[:3, :3], axis=0)
    image.SetSpacing(sides.tolist())
    image.SetDirection((LPS @ AFFINE[:3, :3] / sides).ravel().tolist())
    image.SetOrigin((LPS @ AFFINE[:3, 3]).tolist())
    return image


def of_torch(mask: np.ndarray) -> Any:
    return pytest.importorskip("torch").from_numpy(mask)


def of_monai(mask: np.ndarray) -> Any:
    data = pytest.importorskip("monai.data", exc_type=ImportError)
    return data.MetaTensor(of_torch(mask)[None], affine=of_torch(AFFINE), meta={"patient": "P1"})


def of_torchio(mask: np.ndarray) -> Any:
    tio = pytest.importorskip("torchio", exc_type=ImportError)
    return tio.LabelMap(tensor=of_torch(mask)[None], affine=AFFINE)


def of_xarray(mask: np.ndarray) -> Any:
    xarray = pytest.importorskip("xarray")
    return xarray.DataArray(mask, dims=("x", "y", "z"), coords={"x": np.arange(6) * 2.0})


def of_jax(mask: np.ndarray) -> Any:
    return pytest.importorskip("jax.numpy").asarray(mask)


def of_cupy(mask: np.ndarray) -> Any:
    return pytest.importorskip("cupy").asarray(mask)


def voxels(image: Any) -> np.ndarray:
    """Return an image's values with axes x, y, z."""
    if hasattr(image, "GetSpacing"):
        return pytest.importorskip("SimpleITK").GetArrayFromImage(image).T
    values = image.dataobj if hasattr(image, "dataobj") else getattr(image, "data", image)
    return np.asarray(values).reshape(TRUTH.shape)


@pytest.mark.parametrize(
    "of", [of_nibabel, of_sitk, of_torch, of_monai, of_torchio, of_xarray, of_jax, of_cupy, np.array]
)
def test_the_same_kind_comes_out(of: Maker) -> None:
    raters = [of(mask) for mask in MASKS]
    expected = fastfuse.staple(MASKS)
    fusion = fastfuse.staple(raters)
    for given, values in (({}, expected.probability), ({"label": True, "cut": 0.4}, expected.label(0.4))):
        found = fusion.as_input(**given)
        if of is of_torchio:  # whose probabilities and labels are interpolated in different ways
            assert type(found).__name__ == ("LabelMap" if given else "ScalarImage")
        else:
            assert type(found) is type(raters[0])
        got = voxels(found)
        assert got.dtype == values.dtype
        np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize("of", [of_nibabel, of_sitk, of_monai, of_torchio])
def test_images_keep_their_place(of: Maker) -> None:
    raters = [of(mask) for mask in MASKS]
    fusion = fastfuse.staple(raters)
    found = fusion.as_input()
    if of is of_sitk:
        for what in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(found, what)() == getattr(raters[0], what)()
    else:
        np.testing.assert_array_equal(found.affine, AFFINE)
    image = fusion.to_nifti()
    np.testing.assert_allclose(image.affine, AFFINE)
    np.testing.assert_array_equal(image.get_fdata(), fastfuse.staple(MASKS).probability)
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-5)
    if of is of_monai:
        assert found.meta["patient"] == "P1"


@pytest.mark.parametrize("given", [{"cut": 0.4}, {"cut": 0.5}, {"ties": "background"}])
def test_a_cut_is_of_the_mask_alone(given: Any) -> None:
    """A probability that was asked for with a cut would be taken for the mask."""
    (name,) = given
    fusion = fastfuse.staple([of_nibabel(mask) for mask in MASKS])
    for outlet in (fusion.as_input, fusion.to_nifti):
        with pytest.raises(ValueError, match=f"{name} is .*, and label is False: .*give label=True"):
            outlet(**given)
        assert outlet(label=True, **given).get_data_dtype() == np.uint8


def test_probability_stays_an_array() -> None:
    """The type of what calls returned before has not changed."""
    assert type(fastfuse.staple([of_nibabel(mask) for mask in MASKS]).probability) is np.ndarray


@pytest.mark.parametrize("of", [np.array, list])
def test_arrays_take_the_place_of_an_image(of: Maker) -> None:
    fusion = fastfuse.majority_vote([of(mask.tolist()) if of is list else of(mask) for mask in MASKS])
    with pytest.raises(ValueError, match="Give like"):
        fusion.to_nifti()
    image = fusion.to_nifti(like=of_nibabel(MASKS[0]), label=True)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(image.dataobj, fusion.label())
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_an_image_of_simpleitk_tells_the_axes_of_arrays() -> None:
    backwards = [np.ascontiguousarray(mask.T) for mask in MASKS]
    image = fastfuse.staple(backwards).to_nifti(like=of_sitk(MASKS[0]))
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    np.testing.assert_array_equal(image.get_fdata(), fastfuse.staple(MASKS).probability)


def test_like_may_be_a_file(tmp_path: Any) -> None:
    nib.save(of_nibabel(MASKS[0]), tmp_path / "flair.nii.gz")
    image = fastfuse.staple(MASKS).to_nifti(like=tmp_path / "flair.nii.gz")
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_like_must_lie_where_the_raters_do() -> None:
    fusion = fastfuse.staple([of_nibabel(mask) for mask in MASKS])
    with pytest.raises(GridError, match="like"):
        fusion.to_nifti(like=nib.Nifti1Image(MASKS[0], np.eye(4)))
    with pytest.raises(GridError, match=r"like has \(2, 7, 8\) voxels .* the consensus \(6, 7, 8\)"):
        fusion.to_nifti(like=nib.Nifti1Image(MASKS[0][:2], AFFINE))
    with pytest.raises(TypeError, match="like is of type ndarray, which says no place"):
        fusion.to_nifti(like=MASKS[0])


def test_volumes_of_several_channels_are_no_image() -> None:
    fusion = fastfuse.staple(np.stack([np.stack([mask, mask]) for mask in MASKS]), axis=0)
    with pytest.raises((ValueError, GridError)):
        fusion.to_nifti(like=of_nibabel(MASKS[0]))


def test_an_image_that_cannot_be_made_is_named() -> None:
    class OtherImage:
        spacing, origin, direction = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3)

        def __init__(self, mask: np.ndarray) -> None:
            self.values, self.shape = mask, mask.shape

        def numpy(self) -> np.ndarray:
            return self.values

    fusion = fastfuse.staple([OtherImage(mask) for mask in MASKS])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"OtherImage.*to_nifti"):
        fusion.as_input()
    np.testing.assert_array_equal(fusion.to_nifti().get_fdata(), fusion.probability)


def test_a_pickled_fusion_keeps_its_kind() -> None:
    fusion = pickle.loads(pickle.dumps(fastfuse.staple([of_nibabel(mask) for mask in MASKS])))
    np.testing.assert_array_equal(fusion.as_input().affine, AFFINE)


def test_results_are_taken_apart_as_dataclasses() -> None:
    """What the core holds is copied too, wherever it lies in a result."""
    fusion = fastfuse.staple(MASKS)
    estimate = fastfuse.estimate(fastfuse.tabulate(MASKS), "border-staple")
    for result in (fusion, estimate, fastfuse.staple([*MASKS, MASKS[0]], classes=3)):
        parts = dataclasses.asdict(result)  # type: ignore[call-overload]
        np.testing.assert_array_equal(parts["sensitivity"], result.sensitivity)
        for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            assert repr(twin) == repr(result)
            assert repr(twin.fit) == repr(result.fit)
    np.testing.assert_array_equal(
        copy.deepcopy(estimate).apply(MASKS, roi="all").probability,
        estimate.apply(MASKS, roi="all").probability,
    )


def test_results_tell_their_class_and_no_volume() -> None:
    assert repr(fastfuse.staple([*MASKS, MASKS[0]], classes=3)).startswith("ClassFusion(staple, 4 raters")
    assert repr(fastfuse.border_staple(MASKS, roi="all")).startswith("BorderFusion(border-staple, 3 raters")
    best = fastfuse.mean_dice(MASKS)
    size = f"shape (6, 7, 8), {best.mask.sum()} voxels"
    assert (
        repr(best)
        == f"MeanDice({size}, mean {best.mean:.4g}, dice {np.array2string(best.dice, precision=4)})"
    )


def test_votes_are_not_kept_in_memory() -> None:
    import weakref

    masks = [mask.copy() for mask in MASKS]
    first = weakref.ref(masks[0])
    fusion = fastfuse.staple(masks)
    masks.clear()
    assert first() is None
    assert fusion.probability.shape == TRUTH.shape


def test_an_estimate_that_is_applied_knows_the_kind() -> None:
    raters = [of_nibabel(mask) for mask in MASKS]
    fusion = fastfuse.estimate(fastfuse.tabulate(raters), "staple").apply(raters)
    np.testing.assert_array_equal(fusion.as_input().affine, AFFINE)
