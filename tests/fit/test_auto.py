"""``method="auto"`` takes the model that fits: by the rule of ``fusion/fit/choice.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse

from ..border.draws import SPACING, Drawn, contours
from .draws import flips

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SHIFTS = [0.6, 0.3, 0.0, -0.2, 0.1, -0.5, 0.4, 0.2, -0.3]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours(SHIFTS, shape=(64, 64, 32))


def of_contours(drawn: Drawn, raters: int, method: str = "auto", **options: Any) -> Any:
    fuse: Any = fastfuse.fuse
    return fuse(drawn.masks[:raters], method, mask=drawn.brain, spacing_mm=SPACING, **options)


@pytest.mark.parametrize("raters", [3, 4, 5, 7, 9])
def test_contours_with_an_image_are_for_border_staple(raters: int, drawn: Drawn) -> None:
    fusion = of_contours(drawn, raters, image=drawn.image)
    expected = of_contours(drawn, raters, "border-staple", image=drawn.image)
    assert fusion.method == "border-staple"
    assert fusion.anchor_from == "image"
    np.testing.assert_array_equal(fusion.probability, expected.probability)


@pytest.mark.parametrize("raters", [5, 7, 9])
def test_contours_alone_are_for_three_classes(raters: int, drawn: Drawn) -> None:
    fusion = of_contours(drawn, raters)
    expected = of_contours(drawn, raters, "staple", classes=3, roi=4.0)
    assert isinstance(fusion, fastfuse.ClassFusion)
    np.testing.assert_array_equal(fusion.probability, expected.probability)


def test_four_contours_are_for_border_staple(drawn: Drawn) -> None:
    assert of_contours(drawn, 4).method == "border-staple"


@pytest.mark.parametrize("raters", [1, 2, 3])
def test_few_raters_have_staple(raters: int, drawn: Drawn) -> None:
    """The votes of three fit STAPLE whatever they are."""
    fusion = of_contours(drawn, raters)
    expected = of_contours(drawn, raters, "staple", prior="estimate", roi=4.0)
    assert fusion.method == "staple"
    np.testing.assert_array_equal(fusion.probability, expected.probability)


@pytest.mark.parametrize("raters", [3, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("seed", range(3))
def test_independent_flips_are_for_staple(raters: int, seed: int) -> None:
    _, masks = flips(raters, seed)
    table = fastfuse.tabulate(masks)
    estimate = fastfuse.estimate(table, "auto")
    expected = fastfuse.estimate(table, "staple", prior="estimate")
    assert estimate.method == "staple"
    assert estimate.fit is not None
    assert estimate.fit.used == estimate.fit.best == "staple"
    np.testing.assert_array_equal(estimate.sensitivity, expected.sensitivity)


def test_independent_flips_with_an_image_are_for_staple() -> None:
    truth, masks = flips(5)
    shape = (60, 50, 20)
    volumes = [mask.reshape(shape) for mask in masks]
    image = 100 + 50 * truth.reshape(shape)
    fusion = fastfuse.fuse(volumes, "auto", image=image, evidence=True, spacing_mm=(1, 1, 1))
    assert fusion.method == "staple"
    assert fusion.fit is not None
    assert fusion.fit.best == "staple"


@pytest.mark.parametrize("numbers", [0, 40])
def test_of_many_raters_the_count_of_free_levels_decides_nothing(
    numbers: int, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a rough count: between no number and a free one for each share, contours are contours and flips are flips."""
    monkeypatch.setattr("fastfuse.fusion.fit.result.OF_LEVELS", numbers)
    assert of_contours(drawn, 7, image=drawn.image).method == "border-staple"
    test_independent_flips_with_an_image_are_for_staple()


def test_the_wrong_choice_costs() -> None:
    """Squared errors over the truth's voxels: each model's own raters, and those of the other."""
    truth, masks = flips(5)
    table = fastfuse.tabulate(masks)
    errors = {}
    for method, options in {"staple": {"prior": "estimate"}, "border-staple": {}}.items():
        here = {} if method == "staple" else {"spacing_mm": (1,)}
        fusion = fastfuse.estimate(table, method, **options).apply(masks, **here)  # type: ignore[arg-type]
        errors[method] = float(((fusion.probability - truth) ** 2).sum() / truth.sum())
    assert errors["staple"] < 0.8 * errors["border-staple"]


def test_soft_votes_are_refused(drawn: Drawn) -> None:
    """As marks by chance, votes are independent, whatever raters do."""
    soft = [0.3 * mask for mask in drawn.masks[:5]]
    with pytest.raises(
        ValueError, match=r"there is the vote 0\.3: its test is of votes 0 and 1; name the method"
    ):
        fastfuse.fuse(soft, "auto", spacing_mm=SPACING)
    fusion = fastfuse.fuse(soft, "auto", spacing_mm=SPACING, threshold=0.3)
    assert fusion.method == "staple"
    with pytest.raises(ValueError, match=r"there is the vote 0\.3"):
        fastfuse.estimate(fastfuse.tabulate(soft), "auto")


def test_what_auto_does_not_take(drawn: Drawn) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"prior": "estimate"}, "prior is 'estimate': auto has no such option"),
        ({"prior": "mean"}, "prior is 'mean': auto has no such option, as auto chooses"),
        ({"classes": 2}, "classes is 2: auto has no such option, as auto chooses"),
        ({"mrf": 0.3}, "mrf is 0.3: auto has no such option"),
        ({"classes": 3}, "classes is 3: auto has no such option"),
        ({"roi": "disputed"}, "roi is 'disputed': auto needs the voxels on which all agree"),
        ({"intervals": "information"}, "intervals is 'information': auto has none"),
        ({"evidence": True}, "evidence is set: it is that of an image"),
        ({"labels": "all"}, "labels is 'all': auto has no such option"),
    ]
    for options, said in refused:
        with pytest.raises(ValueError, match=said):
            of_contours(drawn, 5, **options)
    with pytest.raises(ValueError, match="classes is 2: auto has no such option"):
        fastfuse.estimate(fastfuse.tabulate(drawn.masks), "auto", classes=2)
    dense = np.random.default_rng(0).random((5, 60, 60, 40))
    with pytest.raises(ValueError, match=r"method is 'auto': the votes hardly repeat .* take the mean"):
        fastfuse.fuse(dense, "auto", spacing_mm=(1, 1, 1))
    with pytest.raises(TypeError, match="exchanged"):
        fastfuse.fuse("auto", drawn.masks)  # type: ignore[call-overload]


def test_intervals_are_of_the_model_that_was_taken(drawn: Drawn) -> None:
    fusion = of_contours(drawn, 5, intervals="bootstrap", replicates=5, image=drawn.image)
    assert fusion.method == "border-staple"
    assert np.isfinite(fusion.intervals.sensitivity).all()


def test_votes_that_tell_nothing() -> None:
    """All the same, nobody, everybody: as STAPLE says of them."""
    mask = np.zeros((8, 8, 4), np.uint8)
    for filled in (0, 1):
        fusion = fastfuse.fuse([mask + filled] * 5, "auto", spacing_mm=(1, 1, 1))
        assert (fusion.probability == filled).all()
    mask[2:5, 2:5] = 1
    fusion = fastfuse.fuse([mask] * 5, "auto", spacing_mm=(1, 1, 1))
    np.testing.assert_array_equal(fusion.label(), mask)
