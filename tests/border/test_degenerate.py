"""Input that is degenerate: finite numbers and a warning, or a refusal with the reason."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastfuse

from .draws import SPACING, Drawn, contours, dice

SHIFTS = [0.6, 0.3, 0.0, -0.2, 0.1]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours(SHIFTS)


def border(drawn: Drawn, masks: Any, **options: Any) -> Any:
    return fastfuse.border_staple(masks, **{"mask": drawn.brain, "spacing_mm": SPACING, **options})


def one_voxel(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[20, 20, 10] = 1
    return mask


CASES: dict[str, tuple[Callable[[list[Any]], list[Any]], str]] = {
    "nobody": (lambda masks: [0 * mask for mask in masks], "nobody marks anything"),
    "everybody": (lambda masks: [0 * mask + 1 for mask in masks], "everybody marks everything"),
    "identical": (lambda masks: masks[:1] * 4, "no voxel is in doubt"),
    "one voxel": (
        lambda masks: [one_voxel(masks[0].shape)] * 2 + [0 * masks[0]],
        "rater 2 marks nothing",
    ),
    "inverted": (lambda masks: [*masks, 1 - masks[0]], "rater 5 does worse than chance"),
    "inverted of four": (lambda masks: [*masks[:3], 1 - masks[3]], "rater 3 does worse than chance"),
    "empty": (lambda masks: [*masks, 0 * masks[0]], "rater 5 marks nothing"),
    "full": (lambda masks: [*masks, 0 * masks[0] + 1], "rater 5 marks everything"),
}


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_finite_and_warned_of(name: str, image: bool, drawn: Drawn) -> None:
    make, said = CASES[name]
    with pytest.warns(fastfuse.FusionWarning, match=said):
        fusion = border(drawn, make(drawn.masks), image=drawn.image if image else None, evidence=image)
    assert np.isfinite(fusion.probability).all()
    assert ((fusion.probability >= 0) & (fusion.probability <= 1)).all()
    for values in (fusion.offsets, fusion.sharpness, fusion.false_marks, fusion.finds, fusion.anchor):
        assert np.isfinite(values).all()
    if name not in ("nobody", "everybody"):  # where one of both is not defined
        assert np.isfinite(fusion.sensitivity).all()
        assert np.isfinite(fusion.specificity).all()
    if name in ("empty", "full", "inverted"):
        assert dice(fusion.label(), drawn.truth) > 0.8


@pytest.mark.parametrize("make", [lambda masks: 1 - masks[0], lambda masks: np.roll(masks[0], 12, 0)])
def test_who_is_worse_than_chance_is_told_with_the_rates_of_the_result(make: Any, drawn: Drawn) -> None:
    """The model's rates never add up to less than 1: they stand beside those by the votes, which do."""
    with pytest.warns(fastfuse.FusionWarning, match="rater 5 does worse than chance") as caught:
        fusion = border(drawn, [*drawn.masks, make(drawn.masks)])
    said = next(str(one.message) for one in caught if "worse than chance" in str(one.message))
    told = f"sensitivity {fusion.sensitivity[5]:.3f}, specificity {fusion.specificity[5]:.3f}"
    assert told in said.partition("; the result has the model's")[2]
    marked = fusion.ppv[5] * fusion.volume[5]  # Σ w q
    missed = (1 - fusion.npv[5]) * (fusion.n_read[5] - fusion.volume[5])  # Σ w (1 - q)
    assert f"(sensitivity {marked / (marked + missed):.3f} +" in said


def test_nobody_and_everybody(drawn: Drawn) -> None:
    with pytest.warns(fastfuse.FusionWarning, match="probability is 0 everywhere"):
        assert not border(drawn, [0 * mask for mask in drawn.masks]).probability.any()
    with pytest.warns(fastfuse.FusionWarning, match="everybody marks everything"):
        fusion = border(drawn, [0 * mask + 1 for mask in drawn.masks])
    np.testing.assert_array_equal(fusion.probability, drawn.brain)


def test_one_voxel_in_all() -> None:
    with pytest.warns(fastfuse.FusionWarning):
        fusion = fastfuse.border_staple([[1], [0], [1], [1], [1]], spacing_mm=(1,))
    assert 0 < fusion.probability[0] < 1


@pytest.mark.parametrize(
    ("raters", "number"), [((0, 1), 2), ((0,), 1), ((0, 1, None), 2), ((0, 1, "nowhere"), 2)]
)
def test_two_raters_are_refused(raters: tuple[Any, ...], number: int, drawn: Drawn) -> None:
    masks = [drawn.masks[i] if isinstance(i, int) else None for i in raters]
    options: dict[str, Any] = {}
    if "nowhere" in raters:
        masks[2] = np.full(drawn.truth.shape, np.nan)
        options["missing"] = "nan"
    with pytest.raises(ValueError, match=f"three raters or more, and has those of {number}: two do not tell"):
        border(drawn, masks, **options)
    known = [mask for mask in masks if mask is not None]
    table = fastfuse.tabulate(known, missing="nan")
    with pytest.raises(ValueError, match="three raters or more"):
        fastfuse.estimate(table, "border-staple")


def test_copies_that_leave_too_few(drawn: Drawn) -> None:
    """Refused without the copies, told with them; where enough differ they count once, which is told."""
    a, b, c, d = drawn.masks[:4]
    for masks in ([a, b, a.copy()], [a, b, b, a, a.astype(float)]):
        with pytest.warns(
            fastfuse.FusionWarning, match="2 differ, the others are copies: border-staple needs 3"
        ):
            border(drawn, masks)
    with pytest.warns(fastfuse.FusionWarning, match="3 differ, the others are copies: classes=3 needs 4"):
        fastfuse.staple([a, b, c, a], classes=3, mask=drawn.brain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "rater 0 and rater [34] hold the same votes")
        border(drawn, [a, b, c, a])
        fastfuse.staple([a, b, c, d, a], classes=3, mask=drawn.brain)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_where_halves_of_raters_weigh_the_same_their_order_does_not_matter() -> None:
    """Four alike and two alike, of whom one may be twice as sharp as the median: their weights tie, up to rounding."""
    rng = np.random.default_rng(0)
    some, more = (rng.random((2, 8, 9, 10)) < [[[[0.03]]], [[[0.35]]]]).astype(np.uint8)
    straight = fastfuse.border_staple([some, some, some, more, some, more], roi="all", dtype="float64")
    turned = fastfuse.border_staple([some, more, more, some, some, some], roi="all", dtype="float64")
    assert turned.n_iter == straight.n_iter
    np.testing.assert_allclose(turned.offsets[:2], straight.offsets[[0, 3]], rtol=0, atol=1e-9)
    np.testing.assert_allclose(turned.probability, straight.probability, rtol=0, atol=1e-9)


@pytest.mark.parametrize("raters", [3, 4])
def test_three_and_four_raters_have_no_false_marks(raters: int, drawn: Drawn) -> None:
    fusion = border(drawn, drawn.masks[:raters])
    np.testing.assert_array_equal(fusion.false_marks, np.zeros(raters))
    np.testing.assert_array_equal(fusion.finds, np.ones(raters))
    assert dice(fusion.label(), drawn.truth) > 0.8


def test_refusals(drawn: Drawn) -> None:
    for options, said in {
        "spacing_mm": (None, "give spacing_mm"),
        "roi": ("disputed", "border-staple needs the voxels on which all agree"),
        "intervals": ("information", "give 'lesions', or 'bootstrap'"),
        "evidence": (True, "it is that of an image"),
        "image": (drawn.image[1:], "image has shape"),
    }.items():
        value, message = said
        with pytest.raises(ValueError, match=message):
            border(drawn, drawn.masks, **{options: value})


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (lambda drawn: (drawn.image - 120) / 40, "its median in the brain is -"),
        (
            lambda drawn: drawn.image - np.quantile(drawn.image[drawn.brain > 0], 0.4),
            "it is below 0 at .* HU plus 1000 of CT",
        ),
        (lambda drawn: np.where(drawn.brain, 100.0, 0), "it holds 0 and 100 only, as a mask does"),
        (lambda drawn: drawn.masks[0], "it holds 0 and 1 only, as a mask does"),
        (lambda drawn: drawn.image * np.nan, "its median in the brain is 0"),
        (lambda drawn: 300 - drawn.image, "no lesion has 8 voxels of core"),
    ],
    ids=["z-scores", "HU", "flat", "a mask", "nan", "dark"],
)
def test_an_image_that_tells_nothing(image: Any, said: str, drawn: Drawn) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=f"image tells no anchor.*{said}"):
        fusion = border(drawn, drawn.masks, image=image(drawn))
    with pytest.warns(fastfuse.FusionWarning, match="image tells no anchor.* and evidence is not used"):
        border(drawn, drawn.masks, image=image(drawn), evidence=True)
    assert fusion.anchor_from == "votes"
    np.testing.assert_array_equal(fusion.probability, border(drawn, drawn.masks).probability)


def test_what_lies_below_0_without_a_mask(drawn: Drawn) -> None:
    """Air of -1000, as of CT, counts as no brain, and lesions' surroundings at -100 as well; small values of an interpolation are none."""
    ringing = np.where(drawn.brain, drawn.image, -0.5)
    assert fastfuse.border_staple(drawn.masks, ringing, spacing_mm=SPACING).anchor_from == "image"
    lesions = drawn.masks[0] > 0
    ct = np.where(drawn.brain, np.where(lesions, 40.0, -100.0), -1000.0) + drawn.image / 10
    with pytest.warns(fastfuse.FusionWarning, match="image tells no anchor.*it is below 0 at"):
        fastfuse.border_staple(drawn.masks, ct, spacing_mm=SPACING)
    assert fastfuse.border_staple(drawn.masks, ct + 1000, spacing_mm=SPACING).anchor_from == "image"


def test_ct_of_a_brain_in_its_mask(drawn: Drawn) -> None:
    """Noise puts some of the fluid below 0 HU, which changes no contrast of what is in the mask."""
    rng = np.random.default_rng(0)
    hu = 30 + drawn.image / drawn.image[drawn.brain > 0].max() * 40 + rng.normal(0, 4, drawn.image.shape)
    hu[rng.random(hu.shape) < 0.05] = -12
    fusion = fastfuse.border_staple(drawn.masks, hu, mask=drawn.brain, spacing_mm=SPACING)
    assert fusion.anchor_from == "image"


def test_without_scipy(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(
        fastfuse.FastfuseError, match=r"image of border-staple needs scipy: pip install '.*\[evaluate\]'"
    ):
        border(drawn, drawn.masks, image=drawn.image)


def test_a_label_map_as_image(drawn: Drawn) -> None:
    """It tells lesions apart, but not by brightness."""
    labels = drawn.brain.astype(np.uint8) + drawn.masks[2]
    with pytest.warns(fastfuse.FusionWarning, match="image .*holds 0, 1, 2 only, as a label map does"):
        border(drawn, drawn.masks, image=labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_the_image_leaves_out_are_said(value: float, drawn: Drawn) -> None:
    image = drawn.image.copy()
    marked = np.argwhere(np.sum(drawn.masks, axis=0) == 2)
    image[tuple(marked[:3].T)] = value
    image[0, 0, 0] = value  # far from the marks: nothing is told of it
    with pytest.warns(fastfuse.FusionWarning, match="image is nan or infinite at 3 voxels near the marks"):
        border(drawn, drawn.masks, image=image)
