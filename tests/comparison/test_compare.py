"""``compare``: each row is what the method's own function gives, held against the rest and the truth."""

from __future__ import annotations

import doctest
import re
import warnings
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import fastfuse

from ..border.draws import dice
from ..cli.common import AFFINE, MASKS, case_in, load

SIDES = tuple(np.diag(AFFINE)[:3].tolist())
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = case_in(tmp_path_factory.mktemp("case"))
    return {
        "masks": [load(folder / name) for name in MASKS],
        "image": load(folder / "flair.nii.gz").astype(float),
        "mask": load(folder / "brain.nii.gz"),
        "truth": load(folder / MASKS[0]),
    }


@pytest.fixture(scope="module")
def found(case: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        return fastfuse.compare(
            case["masks"], case["image"], truth=case["truth"], mask=case["mask"], roi=3, spacing_mm=SIDES
        )


def of(found: Any, title: str) -> Any:
    return next(way for way in found.ways if way.title == title)


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """Return the fusions by the public functions."""
    masks, inside = case["masks"], {"mask": case["mask"]}
    near = {**inside, "roi": 3, "spacing_mm": SIDES}
    soft = [
        one.values
        for one in fastfuse.soften([m * case["mask"] for m in masks], case["image"], roi=case["mask"])
    ]
    border = fastfuse.border_staple
    return {
        "mean vote": fastfuse.majority_vote(masks, **inside),
        "staple, no margin, prior mean": fastfuse.staple(masks, **inside),
        "staple, prior mean": fastfuse.staple(masks, **near),
        "staple, prior estimate": fastfuse.staple(masks, prior="estimate", **near),
        "staple, three classes": fastfuse.staple(masks, classes=3, **near),
        "soft-staple, prior mean": fastfuse.soft_staple(soft, **near),
        "soft-staple, prior estimate": fastfuse.soft_staple(soft, prior="estimate", **near),
        "simplified-soft-staple, prior mean": fastfuse.simplified_soft_staple(soft, **near),
        "simplified-soft-staple, prior estimate": fastfuse.simplified_soft_staple(soft, prior="estimate", **near),
        "dilated-staple, prior mean": fastfuse.dilated_staple(masks, case["image"], **near),
        "border-staple": border(masks, **near),
        "border-staple, image": border(masks, case["image"], **near),
        "border-staple, evidence": border(masks, case["image"], evidence=True, **near),
    }  # fmt: skip


def test_each_is_its_own_function(case: dict[str, Any], found: Any) -> None:
    fusions = expected(case)
    inside = case["mask"] > 0
    truth = (case["truth"] > 0) & inside
    for title, fusion in fusions.items():
        way, w = of(found, title), fusion.probability.astype(np.float64)
        assert way.voxels == fusion.label().sum(), title
        assert way.doubtful == np.sum((fusion.probability > 0.1) & (fusion.probability < 0.9)), title
        assert way.scores.dice == pytest.approx(dice(fusion.label() > 0, truth), abs=1e-12), title
        assert way.scores.brier == pytest.approx(((w - truth) ** 2).sum() / truth.sum(), abs=1e-9), title
    assert len(fusions) + 4 == len(found.ways)
    assert found.left_out == {}


def test_fit(case: dict[str, Any], found: Any) -> None:
    """Of the models of these masks over this region: as the fusions tell it."""
    fusions = expected(case)
    told = [
        "staple, prior mean",
        "staple, prior estimate",
        "staple, three classes",
        "border-staple",
        "border-staple, image",
    ]
    for title in told:
        fit = fusions[title].own_fit
        wanted = fit.models[fit.used].log_likelihood_per_mark
        assert of(found, title).log_likelihood == pytest.approx(wanted, abs=1e-9), title
    for title in ("mean vote", "staple, no margin, prior mean", "soft-staple, prior mean", "SIMPLE"):
        assert np.isnan(of(found, title).log_likelihood)


def test_masks_alone(case: dict[str, Any], found: Any) -> None:
    masks, inside = case["masks"], case["mask"]
    best = fastfuse.mean_dice(masks, mask=inside).mask
    cut = fastfuse.majority_vote(masks, mask=inside).label("dice")
    assert of(found, "mean-Dice mask").voxels == best.sum()
    assert of(found, "mean vote, Dice's cut").voxels == cut.sum()
    places = [way.title for way in found.ways]
    pair = places.index("mean-Dice mask"), places.index("mean vote, Dice's cut")
    assert found.dice[pair] == pytest.approx(dice(best > 0, cut > 0))
    for title in ("mean-Dice mask", "shape-based average"):
        way = of(found, title)
        assert way.doubtful is None
        assert np.isfinite(way.scores.dice)
        assert np.isnan([way.scores.brier, way.scores.log, way.scores.ece]).all()


def test_volumes(case: dict[str, Any], found: Any) -> None:
    marks = np.sum([m * case["mask"] for m in case["masks"]], axis=0)
    assert found.disputed == np.sum((marks > 0) & (marks < 4))
    assert found.differing > 0
    assert found.voxel_ml == pytest.approx(np.prod(SIDES) / 1000)
    assert found.truth == np.sum(case["truth"] * case["mask"])
    table = fastfuse.tabulate(case["masks"], mask=case["mask"], roi=3, spacing_mm=SIDES)
    assert found.region == table.voxels
    np.testing.assert_array_equal(np.diag(found.dice), 1)
    np.testing.assert_array_equal(found.dice, found.dice.T)


def test_log_and_calibration(case: dict[str, Any], found: Any) -> None:
    """Voxel by voxel, over the region and the truth beyond it."""
    fusion = fastfuse.staple(case["masks"], mask=case["mask"], roi=3, spacing_mm=SIDES)
    from scipy import ndimage

    inside = case["mask"] > 0
    anywhere = np.any(case["masks"], axis=0) & inside
    near = (ndimage.distance_transform_edt(~anywhere, sampling=SIDES) <= 3) & inside
    truth = (case["truth"] > 0) & inside
    w = np.clip(fusion.probability.astype(np.float64), 1e-3, 1 - 1e-3)
    log = -np.where(truth, np.log(w), np.log(1 - w))[near | truth].sum() / truth.sum()
    p, y = fusion.probability[near].astype(np.float64), truth[near]
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(np.sum((p - y)[bins == k])) for k in range(10)]
    way = of(found, "staple, prior mean")
    assert way.scores.log == pytest.approx(log, abs=1e-9)
    assert way.scores.ece == pytest.approx(np.sum(gaps) / near.sum(), abs=1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_order_of_memory(case: dict[str, Any], found: Any, order: Any) -> None:
    def lying(array: Any) -> Any:
        return np.asarray(array, order=order)

    again = fastfuse.compare(
        [lying(mask) for mask in case["masks"]], lying(case["image"]), truth=case["truth"][...],
        mask=lying(case["mask"]), roi=3, spacing_mm=SIDES,
    )  # fmt: skip
    assert [way.voxels for way in again.ways] == [way.voxels for way in found.ways]


@pytest.mark.parametrize(
    ("number", "out"), [(2, ["staple, three classes", "border-staple"]), (3, ["staple, three classes"])]
)
def test_few_raters(case: dict[str, Any], number: int, out: list[str]) -> None:
    found = fastfuse.compare(case["masks"][:number], spacing_mm=SIDES)
    assert set(out) <= set(found.left_out)
    assert ("border-staple" in found.left_out) == (number == 2)
    assert found.left_out["dilated-staple"] == "needs an image"
    assert np.isnan(found.ways[0].scores.dice)
    assert found.truth is None


@pytest.mark.parametrize("mark", [0, 1])
def test_nobody_and_everybody(mark: int) -> None:
    masks = [np.full((5, 6, 4), mark, np.uint8)] * 4
    found = fastfuse.compare(masks, spacing_mm=(1, 1, 1), truth=masks[0])
    assert {way.voxels for way in found.ways} == {mark * 120}
    assert found.disputed == 0


def test_labels_and_all_of_a_slice() -> None:
    """A label of a map is taken of the truth, too; two axes without a margin need no voxel size."""
    rng = np.random.default_rng(0)
    maps = [np.where(rng.random((9, 8)) < 0.3, 2, 0) for _ in range(3)]
    found = fastfuse.compare(maps, roi="all", select_label=2, truth=maps[0])
    plain = fastfuse.compare([m // 2 for m in maps], roi="all", truth=maps[0] // 2)
    assert [way.voxels for way in found.ways] == [way.voxels for way in plain.ways]
    assert [way.scores for way in found.ways[:2]] == [way.scores for way in plain.ways[:2]]
    assert np.isnan(found.voxel_ml)
    assert "staple, no margin" not in [way.method for way in found.ways]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"raters": [[0, 1]], "roi": "all"}, "there is 1 rater (rater 0): compare takes at least two"),
        ({"raters": [[0, 0.5], [1, 1]], "roi": "all"}, "rater 0: a vote is 0.5: compare takes masks of 0 and 1"),
        ({"raters": [[0, 1], [1, 1]]}, "roi is 4.0, a margin in mm: give spacing_mm"),
        ({"raters": [[0, 1], [1, 1]], "roi": "disputed"}, "roi is 'disputed': it must be 'all' or a margin"),
        ({"raters": [[0, 1], [1, 1]], "roi": -1}, "roi is -1: it must be a margin in mm of at least 0"),
        ({"raters": [[0, 1], [1, 1]], "roi": "all", "truth": [0, 2]}, "truth"),
        ({"raters": [[0, 1], [1, 1]], "roi": "all", "truth": [0, 1, 1]}, "truth has shape (3,)"),
        ({"raters": [[0, 1], [1, np.nan]], "roi": "all"}, "rater 1"),
        ({"raters": [[0, 1], [1, 1]], "roi": "all", "mask": [0, 0]}, "the mask is empty: no voxel to fuse"),
        ({"raters": [[0, 1], [1, 1]], "roi": "all", "image": [0, 1, 1]}, "image has shape (3,)"),
    ],
)  # fmt: skip
def test_refusals(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        fastfuse.compare(**given)


def test_examples() -> None:
    failed, tried = doctest.testmod(import_module("fastfuse.comparison.compare"))
    assert (failed, tried > 1) == (0, True)


def test_what_is_printed_is_a_row_a_way() -> None:
    masks = [[0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 1, 1, 1, 1]]
    found = fastfuse.compare(masks, roi="all", truth=[0, 1, 1, 1, 0])
    lines = repr(found).splitlines()
    assert len(lines) == 1 + len(found.ways)
    assert lines[1].split() == ["mean", "vote", "3", "1.0000"]
    with pytest.raises(ValueError, match="give spacing_mm, the voxel's size along each axis, or roi='all'"):
        fastfuse.compare(masks)
