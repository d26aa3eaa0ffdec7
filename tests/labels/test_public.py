"""labels= in the public functions: what they return, what does not apply is refused by name, and types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse

from .test_fuse import assert_same_bits, binary, brats


def test_each_function_takes_labels() -> None:
    _, maps = brats()
    staple = fastfuse.staple(maps, labels="all")
    votes = fastfuse.majority_vote(maps, labels="all")
    assert isinstance(staple, fastfuse.LabelFusion)
    assert (staple.method, votes.method) == ("staple", "majority")
    for fusion, name in ((staple, "staple"), (votes, "majority")):
        by_name = fastfuse.fuse(maps, name, labels="all")  # type: ignore[call-overload]
        np.testing.assert_array_equal(by_name.label(), fusion.label())
        np.testing.assert_array_equal(by_name.confusion, fusion.confusion)


def test_options_reach_the_core() -> None:
    """Each changes the result, or is named by it."""
    rng = np.random.default_rng(1)
    maps = [np.where(rng.random(3000) < 0.5, 3, rng.integers(0, 4, 3000)) for _ in range(4)]
    plain = fastfuse.staple(maps, labels="all")
    others: list[dict[str, Any]] = [
        {"init": "vote"},
        {"candidates": "all"},
        {"confusion": "class"},
        {"performance_prior": None},
        {"performance_prior": (3, 0.5)},
        {"prior": "estimate"},
        {"prior": [0.1, 0.2, 0.3, 0.4]},
        {"prior": {3: 0.1, 2: 0.2, 1: 0.3, 0: 0.4}},
        {"tol": 1e-2},
        {"acceleration": "squarem"},
    ]
    for options in others:
        assert not np.array_equal(
            fastfuse.staple(maps, labels="all", **options).confusion, plain.confusion
        ), options
    assert fastfuse.staple(maps, labels="all", dtype="float64").confidence().dtype == np.float64
    np.testing.assert_array_equal(
        fastfuse.staple(maps, labels="all", prior=[0.4, 0.3, 0.2, 0.1]).confusion,
        fastfuse.staple(maps, labels="all", prior={3: 0.1, 2: 0.2, 1: 0.3, 0: 0.4}).confusion,
    )


@pytest.mark.parametrize("options", [{}, {"prior": "estimate"}, {"prior": 0.3}, {"max_iter": 3}])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_two_labels_give_the_bits_of_masks(options: dict[str, Any]) -> None:
    masks = list(binary(8))
    plain = fastfuse.staple(masks, **options)
    if options.get("prior") == 0.3:
        options = {"prior": [0.7, 0.3]}
    assert_same_bits(fastfuse.staple(masks, labels=[0, 1], **options), plain)
    assert_same_bits(fastfuse.staple([one * 7 for one in masks], labels="all", **options), plain)


NOT_FOR_MAPS: dict[str, Any] = {
    "mrf": 0.2,
    "select_label": 2,
    "binarize": True,
    "threshold": 1.0,
    "scale": 255,
    "device": "cuda",
}


@pytest.mark.parametrize("name", NOT_FOR_MAPS)
def test_what_does_not_apply_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is .*: label maps take no such option; leave it out"):
        fastfuse.staple(brats()[1], labels="all", **{name: NOT_FOR_MAPS[name]})


def test_out_is_refused() -> None:
    _, maps = brats()
    with pytest.raises(
        ValueError, match="out is given: volumes of label maps are made when they are asked for"
    ):
        fastfuse.staple(maps, labels="all", out=np.empty(maps[0].shape, np.float32))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "value"),
    [("candidates", "all"), ("confusion", "class"), ("knows", {0: [1]}), ("undecided", 9), ("init", "itk")],
)
def test_what_is_for_label_maps_alone(name: str, value: Any) -> None:
    with pytest.raises(
        ValueError, match=f"^{name} is .*: it is for label maps; give labels too, as labels='all'"
    ):
        fastfuse.staple(list(binary(0)), **{name: value})


@pytest.mark.parametrize("method", ["soft-staple", "simplified-soft-staple"])
def test_soft_methods_on_label_maps_are_staple(method: Any) -> None:
    _, maps = brats()
    fusion, staple = fastfuse.fuse(maps, method, labels="all"), fastfuse.staple(maps, labels="all")
    assert fusion.method == method
    np.testing.assert_array_equal(fusion.confusion, staple.confusion)
    np.testing.assert_array_equal(fusion.label(), staple.label())


def test_options_of_the_other_method() -> None:
    _, maps = brats()
    with pytest.raises(
        ValueError, match=r"weights is .*: staple has no such option; leave it out, or choose majority"
    ):
        fastfuse.fuse(maps, "staple", labels="all", weights=[1, 1, 1, 2])
    with pytest.raises(ValueError, match="candidates is 'all': majority has no such option"):
        fastfuse.fuse(maps, "majority", labels="all", candidates="all")
    with pytest.raises(ValueError, match="prior is 'estimate': majority has no such option"):
        fastfuse.fuse(maps, "majority", labels="all", prior="estimate")


def test_warnings_point_to_the_caller() -> None:
    _, maps = brats(2)
    with pytest.warns(fastfuse.FusionWarning, match="2 raters do not determine") as caught:
        fastfuse.staple(maps, labels="all")
    assert caught[0].filename == __file__
    with pytest.warns(fastfuse.FusionWarning, match="2 raters do not determine") as caught:
        fastfuse.fuse(maps, "staple", labels="all")
    assert caught[0].filename == __file__


NAN = np.nan


@pytest.mark.parametrize("way", ["nan", "present"])
@pytest.mark.parametrize("fuse", [fastfuse.majority_vote, fastfuse.staple])
@pytest.mark.parametrize("votes", [[3, 5, NAN, 5, 3], [5, 5, NAN, 5, 5], [3, 3, NAN, 3, 3]])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_where_nobody_votes_one_of_two_labels_is_not_certain(votes: list[float], fuse: Any, way: str) -> None:
    """No label has a probability there, as of more labels and of masks; by EM that found a prior, each has its prior."""
    maps = [np.array(votes)] * 3
    given: dict[str, Any] = {"missing": "nan"}
    if way == "present":
        given = {"present": [~np.isnan(one) for one in maps]}
        maps = [np.nan_to_num(one, nan=3).astype(np.uint8) for one in maps]
    found = fuse(maps, labels=[3, 5], **given)
    table = fastfuse.tabulate(maps, labels=[3, 5], **given)
    applied = fastfuse.estimate(table, found.method).apply(maps, **given)
    for one in (found, applied):
        lower, upper = one.probability(3)[2], one.probability(5)[2]
        if fuse is fastfuse.staple and 3 in votes and 5 in votes:
            assert (lower, upper) == pytest.approx(one.prior)
            continue
        assert (lower, upper, one.label()[2], one.confidence()[2]) == (0, 0, 0, 0)
        read = [0, 1, 3, 4]
        np.testing.assert_array_equal(one.label()[read], np.array(votes)[read])
