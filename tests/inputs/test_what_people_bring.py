"""Images, classes, logits and results that people bring as votes: a refusal says what they are, and a remedy that works."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.errors import lacking

RNG = np.random.default_rng(5)
SHAPE = (12, 13, 11)
BALL = ((np.indices(SHAPE).T - 5).T ** 2).sum(axis=0) < 14
MASKS = [(BALL ^ (RNG.random(SHAPE) < rate)).astype(np.uint8) for rate in (0.01, 0.03, 0.05)]
SOFT = RNG.dirichlet([1.0, 1.0, 1.0], SHAPE)  # the probabilities of three classes, on the last axis


@pytest.mark.parametrize(
    ("classes", "options"),
    [
        ([255 * (1 - MASKS[0]), 255 * MASKS[0]], {"binarize": True}),
        ([255 * (1 - MASKS[0]), 255 * MASKS[0]], {"threshold": 50}),
        ([255 * (1 - MASKS[0]), 255 * MASKS[0]], {"scale": 255}),
        ([7 * (1 - MASKS[0]), 7 * MASKS[0]], {"binarize": True}),
        ([7 * (1 - MASKS[0]), 3 * MASKS[0]], {"threshold": 2}),
        ([np.rint(100 * SOFT[..., k]).astype(np.uint8) for k in range(3)], {"scale": 100}),
        ([np.rint(255 * SOFT[..., k]).astype(np.uint8) for k in range(3)], {"threshold": 100}),
        ([np.rint(100 * SOFT[..., k]).astype(np.uint8) for k in range(3)], {"scale": "auto"}),
        ([1000 * SOFT[..., k] for k in range(3)], {"scale": 1000}),
    ],
)
@pytest.mark.parametrize("fuse", [fastfuse.soft_staple, fastfuse.majority_vote])
def test_classes_are_found_though_they_are_scaled(classes: Any, options: dict[str, Any], fuse: Any) -> None:
    with pytest.raises(
        ValueError, match=r"(votes|both) sum to \d+ at every voxel.*(one class of each|give one of them)"
    ):
        fuse(classes, **options)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize(
    ("high", "options"),
    [(255, {"binarize": True}), (7, {"binarize": True}), (255, {"scale": 255}), (100, {"threshold": 50})],
)
def test_scaled_classes_of_each_rater(high: int, options: dict[str, Any], axis: int) -> None:
    raters = [np.stack([1 - mask, mask], axis=axis) * np.uint8(high) for mask in MASKS]
    remedy = r"rater\[1\]" if axis == 0 else r"rater\[..., 1\]"
    with pytest.raises(ValueError, match=rf"sums to \d+ along axis .* everywhere.*{remedy}"):
        fastfuse.majority_vote(raters, **options)
    kept = [np.take(rater, 1, axis) for rater in raters]
    np.testing.assert_array_equal(
        fastfuse.majority_vote(kept, **options).probability, fastfuse.majority_vote(MASKS).probability
    )


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("classes", [2, 4, 12])
@pytest.mark.parametrize("each", [False, True])
def test_classes_in_half_precision(kind: str, classes: int, each: bool) -> None:
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(RNG.normal(size=(classes, *SHAPE)) * 2)
    softmax = torch.softmax(logits, 0).to(getattr(torch, kind))
    with pytest.raises(ValueError, match=r"classes do|two classes of one rater"):
        fastfuse.soft_staple([softmax, softmax] if each else softmax, **({} if each else {"axis": 0}))


def images_of_no_numbers() -> list[tuple[Any, str]]:
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(MASKS[0])
    vector = sitk.Compose(image, image)
    return [
        (sitk.LabelImageToLabelMap(image), "SimpleITK.LabelMapToLabel"),
        (sitk.Compose(*2 * [sitk.Cast(image, sitk.sitkFloat32)]), "VectorIndexSelectionCast"),
        (vector, "VectorIndexSelectionCast"),
        (sitk.Cast(image, sitk.sitkComplexFloat32), "ComplexToModulus"),
    ]


@pytest.mark.parametrize("which", range(4))
def test_images_of_simpleitk_without_numbers(which: int) -> None:
    pytest.importorskip("scipy")
    image, remedy = images_of_no_numbers()[which]
    for call in (
        lambda: fastfuse.staple([image, image]),
        lambda: fastfuse.staple(MASKS, mask=image),
        lambda: fastfuse.soften(MASKS, image),
        lambda: fastfuse.evaluate(image, MASKS[0], spacing_mm=(1, 1, 1)),
    ):
        with pytest.raises((TypeError, ValueError), match=remedy):
            call()


@pytest.mark.parametrize("broken", ["zeros", "column", "nan", "inf"])
@pytest.mark.parametrize("library", ["torch", "nibabel"])
def test_an_affine_that_is_none(broken: str, library: str) -> None:
    pytest.importorskip("scipy")
    from .images import of_monai, of_nibabel

    affine = np.diag([1.0, 2, 3, 1])
    if broken == "zeros":
        affine[:] = 0
    elif broken == "column":
        affine[:, 1] = 0
    else:
        affine[1, 1] = float(broken)
    if library == "torch":
        images = [of_monai(mask, affine) for mask in MASKS]
    else:  # which makes none with such an affine, but lets one be written into
        images = [of_nibabel(mask, np.eye(4)) for mask in MASKS]
        for image in images:
            image.affine[:] = affine
    for call in (
        lambda: fastfuse.staple(images),
        lambda: fastfuse.staple(images, mrf=0.5),
        lambda: fastfuse.soft_staple(images, roi=2.0),
        lambda: fastfuse.evaluate(images[0], images[1]),
        lambda: fastfuse.evaluate(images[0], MASKS[1]),
    ):
        with pytest.raises(fastfuse.GridError, match=r"affine is not an invertible matrix.*spacing_mm"):
            call()


def test_what_is_not_finite_has_a_remedy_that_works() -> None:
    pytest.importorskip("scipy")
    broken = MASKS[0].astype(np.float32)
    broken[3, 4, 5] = np.inf
    for options in ({}, {"missing": "nan"}):
        with pytest.raises(ValueError, match=r"inf at voxel \(3, 4, 5\).*numpy.nan_to_num.*nan for no vote"):
            fastfuse.soft_staple([broken, *MASKS[1:]], **options)
    mended = np.where(np.isinf(broken), np.nan, broken)
    fastfuse.soft_staple([mended, *MASKS[1:]], missing="nan")
    with pytest.raises(ValueError, match=r"missing='nan'"):
        fastfuse.soft_staple([mended, *MASKS[1:]])
    for options in ({}, {"binarize": True}, {"scale": 1}, {"select_label": 1}, {"threshold": 0.5}):
        with pytest.raises(ValueError, match=r"the prediction holds nan at voxel .*numpy.nan_to_num.*mask"):
            fastfuse.evaluate(mended, MASKS[1], **options)
    fastfuse.evaluate(np.nan_to_num(mended), MASKS[1])
    fastfuse.evaluate(mended, MASKS[1], mask=np.isfinite(mended))


def test_results_are_no_votes() -> None:
    pytest.importorskip("scipy")
    fusion = fastfuse.staple(MASKS)
    soft = fastfuse.conditional_dilation(MASKS[0], RNG.random(SHAPE))
    for result, remedy in ((fusion, "Fusion: pass its .probability"), (soft, "SoftMask: pass its .values")):
        for call in (
            lambda result=result: fastfuse.soft_staple([result, result]),
            lambda result=result: fastfuse.evaluate(result, MASKS[0]),
        ):
            with pytest.raises(TypeError, match=remedy):
                call()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_other_results_are_no_votes_either() -> None:
    """Whatever a function returns is named, and not read as an array of objects."""
    pytest.importorskip("scipy")
    maps = [np.uint8(MASKS[0]) * 2] * 3
    holding = {
        ".label()": fastfuse.staple(maps, labels="all"),
        ".probability": fastfuse.border_staple(MASKS, roi="all"),
        ".mask": fastfuse.mean_dice(MASKS),
        ".votes(labels), or give labels=": fastfuse.soften_labels(maps, RNG.random(SHAPE))[0],
    }
    table = fastfuse.tabulate(MASKS)
    for result, remedy in [(one, f"pass its {what}") for what, one in holding.items()] + [
        (one, "which holds no votes") for one in (table, fastfuse.estimate(table), fastfuse.agreement(MASKS))
    ]:
        with pytest.raises(TypeError, match=rf"^rater 1 is an? {type(result).__name__}.*{re.escape(remedy)}"):
            fastfuse.staple([MASKS[0], result, MASKS[1]])  # type: ignore[list-item]


@pytest.mark.parametrize("kind", ["boolean", "Int8", "Float32"])
def test_na_of_pandas_is_nan(kind: str) -> None:
    """NumPy makes objects of a table, and of truth values, in which something is NA."""
    pandas = pytest.importorskip("pandas")
    votes = np.array([[1, np.nan, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0]])
    expected = fastfuse.majority_vote(votes, axis=1, missing="nan").probability
    table = pandas.DataFrame(votes).astype(kind)
    for given in ({"raters": table, "axis": 1}, {"raters": [table[column] for column in table]}):
        np.testing.assert_array_equal(
            fastfuse.majority_vote(**given, missing="nan").probability,
            expected,  # type: ignore[arg-type]
        )
        with pytest.raises(ValueError, match="missing='nan' takes nan for no vote"):
            fastfuse.majority_vote(**given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="of type object"):
        fastfuse.majority_vote(table.astype(object), axis=1, missing="nan")


def test_logits_are_named() -> None:
    logits = [RNG.normal(size=SHAPE).astype(np.float32) * 4 for _ in range(3)]
    with pytest.raises(ValueError, match=r"[Oo]f logits.*a sigmoid"):
        fastfuse.soft_staple(logits)
    fastfuse.majority_vote([1 / (1 + np.exp(-one)) for one in logits])


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_a_tensor_of_one_number_is_a_prior() -> None:
    torch = pytest.importorskip("torch")
    expected = fastfuse.staple(MASKS, prior=0.25).probability
    np.testing.assert_array_equal(fastfuse.staple(MASKS, prior=torch.tensor(0.25)).probability, expected)


def test_a_package_that_cannot_be_loaded_is_not_missing() -> None:
    missing = ModuleNotFoundError("No module named 'scipy'", name="scipy")
    assert "needs scipy: pip install '.[evaluate]'" in str(lacking("it", missing, "evaluate"))
    for name in ("_ufuncs", "scipy.special._ufuncs", None):
        broken = ImportError("libopenblas.so: failed to map segment from shared object", name=name)
        assert "failed to map segment" in str(lacking("it", broken, "evaluate"))
        assert "pip" not in str(lacking("it", broken, "evaluate"))


@pytest.mark.filterwarnings("ignore:rater:fastfuse.FusionWarning")
def test_growth_is_doubted_as_the_command_does() -> None:
    """An image that is a mask, and masks that grow too far; masks of a few voxels may."""
    two = BALL.astype(np.float32)
    for call in (
        lambda: fastfuse.conditional_dilation(MASKS[0], two),
        lambda: fastfuse.soften(MASKS, two),
        lambda: fastfuse.dilated_staple(MASKS, two),
    ):
        with pytest.warns(fastfuse.FusionWarning, match="holds 0 and 1 only, as a mask does"):
            call()
    block = np.zeros((20, 20, 20), np.uint8)
    block[8:13, 8:13, 8:13] = 1
    bright = RNG.random(block.shape) * 0.001 + 1.0
    bright[0] = 0
    for call in (
        lambda: fastfuse.conditional_dilation(block, bright),
        lambda: fastfuse.soften([block, block], bright),
        lambda: fastfuse.dilated_staple([block, block], bright),
    ):
        with pytest.warns(fastfuse.FusionWarning, match="grown far beyond the size asked"):
            call()
