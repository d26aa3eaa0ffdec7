"""A map of priors, a margin, raters who do not know a label, and jumps, in the public functions."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse.reference import labels as reference

from ..soft import softmax

pytestmark = pytest.mark.filterwarnings(
    "ignore:(EM has not converged|2 raters do not|no rater|the prior map holds 0 or 1|prior.* covers)"
)

LABELS = [0, 1, 2, 4]
NAMES = {0: "background", 1: "necrosis", 2: "edema", 4: "enhancing"}
SHAPE = (5, 6, 10)
METHODS: dict[str, Any] = {
    "staple": fastfuse.staple,
    "simplified-soft-staple": fastfuse.simplified_soft_staple,
    "soft-staple": fastfuse.soft_staple,
}
Maps = list[NDArray[Any]]


def soft(raters: int = 3, labels: int = 4, seed: int = 0) -> Maps:
    q = softmax(np.random.default_rng(seed), labels, raters, 300)
    return [one.reshape(labels, *SHAPE) for one in q]


def hard(raters: int = 3, seed: int = 0) -> Maps:
    return [np.array(LABELS)[one.argmax(axis=0)] for one in soft(raters, 4, seed)]


def votes_of(method: str) -> tuple[Maps, NDArray[np.float64]]:
    """Return what to fuse, and the same as probabilities (m, K, n)."""
    if method == "staple":
        maps = hard()
        q = np.stack([np.stack([one == label for label in LABELS]) for one in maps]).astype(np.float64)
    else:
        maps = soft()
        q = np.stack(maps)
    return maps, q.reshape(len(maps), len(LABELS), -1)


def atlas(labels: int = 4, seed: int = 3) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    found = np.moveaxis(rng.dirichlet(np.full(labels, 0.8), SHAPE), -1, 0).copy()
    found[:, 0, 0] = np.eye(labels)[0][:, None]
    return found


def stacked(fusion: fastfuse.LabelFusion) -> NDArray[Any]:
    return np.stack([fusion.probability(label).ravel() for label in fusion.labels])


@pytest.mark.parametrize("method", METHODS)
def test_prior_map_against_reference(method: str) -> None:
    votes, q = votes_of(method)
    options: dict[str, Any] = {"performance_prior": (5.0, 0.9), "max_iter": 30}
    mask = np.random.default_rng(1).random(SHAPE) < 0.8
    prior = atlas()
    fusion = METHODS[method](votes, labels=LABELS, prior=prior, mask=mask, dtype="float64", **options)
    inside = mask.ravel()
    pi = reference.clamped(prior.reshape(4, -1)[:, inside])
    wanted = reference.fuse_labels(q[:, :, inside], method, prior=pi, **options)
    np.testing.assert_allclose(stacked(fusion)[:, inside], wanted.probability, rtol=0, atol=1e-11)
    assert not stacked(fusion)[:, ~inside].any()
    np.testing.assert_allclose(fusion.confusion, wanted.confusion, rtol=0, atol=1e-11)
    np.testing.assert_allclose(fusion.prior, pi.mean(axis=1), rtol=0, atol=1e-12)
    won = np.array(LABELS)[reference.winner(wanted.probability)]
    np.testing.assert_array_equal(fusion.label().ravel()[inside], won)
    assert fusion.method == method
    votes_in = q[:, :, inside]
    both = np.einsum("at,iat->ia", wanted.probability, votes_in)
    np.testing.assert_allclose(fusion.ppv, both / votes_in.sum(axis=2), rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_forms_of_a_prior_map(method: str) -> None:
    """A stack, a list, a mapping by label or name, images, single precision, Fortran's order."""
    votes, _ = votes_of(method)
    prior = atlas()
    fit = METHODS[method]
    plain = stacked(fit(votes, labels=NAMES, prior=prior, dtype="float64"))
    images = [nib.Nifti1Image(one, np.eye(4)) for one in prior]
    forms: list[Any] = [
        list(prior),
        np.asfortranarray(prior),
        {label: prior[code] for code, label in reversed(list(enumerate(LABELS)))},
        {NAMES[label]: prior[code] for code, label in enumerate(LABELS)},
        dict(zip(LABELS, images, strict=True)),
        images,
    ]
    for form in forms:
        np.testing.assert_array_equal(stacked(fit(votes, labels=NAMES, prior=form, dtype="float64")), plain)
    single = stacked(fit(votes, labels=NAMES, prior=prior.astype(np.float32), dtype="float64"))
    np.testing.assert_allclose(single, plain, rtol=0, atol=1e-4)
    turned = [np.asfortranarray(one) for one in votes]
    np.testing.assert_allclose(
        stacked(fit(turned, labels=NAMES, prior=prior, dtype="float64")), plain, rtol=0, atol=1e-11
    )


@pytest.mark.filterwarnings("ignore:few raters give label")
def test_a_prior_map_tells_where_votes_do_not() -> None:
    """Two raters who disagree everywhere about two labels: the map says which."""
    maps = [np.full(SHAPE, 1), np.full(SHAPE, 2), np.zeros(SHAPE, int)]
    prior = np.full((3, *SHAPE), 0.05)
    prior[1, :2] = prior[2, 2:] = 0.9
    found = fastfuse.staple(maps, labels=[0, 1, 2], prior=prior).label()
    assert (found[:2] == 1).all()
    assert (found[2:] == 2).all()


@pytest.mark.parametrize("method", METHODS)
def test_two_labels_with_a_map_are_masks_with_a_map(method: str) -> None:
    votes = soft(labels=2)
    prior = atlas(2).astype(np.float32)
    upper = [one[1] for one in votes]
    given: Any = votes
    if method == "staple":
        upper = [(one > 0.5).astype(np.uint8) for one in upper]
        given = [one * 7 for one in upper]
    labels = [0, 7] if method == "staple" else [3, 7]
    plain = METHODS[method](upper, prior=prior[1])
    found = METHODS[method](given, labels=labels, prior=prior)
    np.testing.assert_array_equal(found.probability(7), plain.probability)
    np.testing.assert_array_equal(found.sensitivity[:, 1], plain.sensitivity)
    assert found.prior[1] == plain.prior


@pytest.mark.parametrize("method", METHODS)
def test_what_was_clamped_is_said(method: str) -> None:
    votes, _ = votes_of(method)
    with pytest.warns(
        fastfuse.FusionWarning, match=r"the prior map holds 0 or 1: 10 voxels clamped to \[1e-06, 1 - 1e-06\]"
    ):
        METHODS[method](votes, labels=LABELS, prior=atlas())


def changed(place: tuple[int, ...], value: float) -> NDArray[np.float64]:
    prior = np.full((4, *SHAPE), 0.25)
    prior[place] = value
    return prior


BAD: list[tuple[Any, dict[str, Any], str]] = [
    (changed((2, 1, 2, 3), 1.5), {}, r"the prior map of label 2 holds 1.5 at voxel \(1, 2, 3\): a prior is a prob"),
    (changed((3, 4, 2, 3), np.nan), {}, r"the prior map of label 4 holds nan at voxel \(4, 2, 3\)"),
    (changed((0, 1, 2, 3), 0.4), {}, r"the prior map sums to 1.15 at voxel \(1, 2, 3\), not to 1: of the labels 0, 1, 2, 4"),
    (atlas(3), {}, r"prior has shape \(3, 5, 6, 10\): a map of 4 labels has shape \(4, 5, 6, 10\)"),
    (list(atlas(3)), {}, "prior holds 3 maps, and there are 4 labels"),
    ({0: atlas()[0], 1: atlas()[1], 2: atlas()[2]}, {}, "prior has no map for label 4: give one for each"),
    ({0: atlas()[0], 9: atlas()[1]}, {}, "prior names label 9: the labels are 0, 1, 2, 4"),
    ({label: atlas()[0, 1:] for label in LABELS}, {}, r"the prior of label 0 has shape \(4, 6, 10\)"),
    (atlas(), {"labels": [4, 2, 1, 0]}, r"labels is \[4, 2, 1, 0\], not in ascending order: give a mapping"),
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("prior", "options", "said"), BAD)
def test_bad_maps_are_refused_by_name(method: str, prior: Any, options: dict[str, Any], said: str) -> None:
    votes, _ = votes_of(method)
    with pytest.raises(ValueError, match=said):
        METHODS[method](votes, prior=prior, **{"labels": LABELS, **options})
    if "at voxel" in said:  # not where it does not count
        mask = np.ones(SHAPE, bool)
        mask[:, 2, 3] = False
        METHODS[method](votes, prior=prior, mask=mask, labels=LABELS)


def test_images_on_other_grids_are_refused() -> None:
    images = [nib.Nifti1Image(one.astype(np.int16), np.eye(4)) for one in hard()]
    beside = np.diag([1.0, 1, 1, 1])
    beside[0, 3] = 7
    prior = {label: nib.Nifti1Image(one, beside) for label, one in zip(LABELS, atlas(), strict=True)}
    with pytest.raises(fastfuse.GridError, match="the prior of label 0"):
        fastfuse.staple(images, labels=LABELS, prior=prior)


def test_majority_takes_no_map() -> None:
    with pytest.raises(
        ValueError, match=r"prior is an array of shape \(.{,30}\): majority has no such option"
    ):
        fastfuse.fuse(hard(), "majority", labels=LABELS, prior=atlas())


@pytest.mark.parametrize("method", ["simplified-soft-staple", "soft-staple"])
def test_a_network_without_a_class(method: str) -> None:
    """Soft votes: the class keeps its sensitivity only where it is said that the network does not know it."""
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 6000, p=[0.6, 0.2, 0.1, 0.1])
    q = []
    for rater in range(5):
        said = np.where(rng.random(6000) < 0.85, truth, rng.integers(0, 4, 6000))
        if rater >= 2:
            said = np.where(said == 3, 0, said)
        q.append(0.9 * np.eye(4)[said].T + 0.1 * np.eye(4)[0][:, None])
    options: dict[str, Any] = {"labels": LABELS}
    unknown = {rater: [0, 1, 2] for rater in (2, 3, 4)}
    with pytest.warns(fastfuse.FusionWarning, match=r"few raters give label 4 \(2 of 5\)"):
        lost = METHODS[method](q, **options)
    kept = METHODS[method](q, knows=unknown, **options)
    found, told = ((one.label()[truth == 3] == 4).mean() for one in (lost, kept))
    assert told > 0.77  # both who know it see it
    if method == "simplified-soft-staple":
        assert found < 0.01
    assert np.isnan([kept.confusion[2:, 3], kept.dice[2:, 3, None], kept.ppv[2:, 3, None]][0]).all()
    codes = {rater: [0, 1, 2] for rater in unknown}
    wanted = reference.fuse_labels(np.stack(q), method, knows=codes, max_iter=5, performance_prior=(5.0, 0.9))
    ours = METHODS[method](
        q, knows=unknown, max_iter=5, performance_prior=(5.0, 0.9), dtype="float64", **options
    )
    np.testing.assert_allclose(stacked(ours), wanted.probability, rtol=0, atol=1e-11)
    with pytest.raises(ValueError, match=r"rater 0 holds label 4 at .*knows says that they do not know it"):
        METHODS[method](q, knows={0: [0, 1, 2]}, **options)


def test_itk_and_jumps_of_soft_votes() -> None:
    votes = soft(5)
    wanted = reference.fuse_labels(
        np.stack(votes).reshape(5, 4, -1),
        "simplified-soft-staple",
        init="itk",
        performance_prior=(5.0, 0.9),
        max_iter=30,
    )
    options: dict[str, Any] = {"labels": LABELS, "performance_prior": (5.0, 0.9), "dtype": "float64"}
    found = fastfuse.simplified_soft_staple(votes, init="itk", max_iter=30, **options)
    np.testing.assert_allclose(stacked(found), wanted.probability, rtol=0, atol=1e-11)
    slow, quick = (
        fastfuse.simplified_soft_staple(votes, m_step="em", tol=1e-9, acceleration=kind, **options)  # type: ignore[call-overload]
        for kind in ("none", "squarem")
    )
    assert quick.n_iter < slow.n_iter
    np.testing.assert_allclose(stacked(quick), stacked(slow), rtol=0, atol=1e-5)


def lesion(label: int = 1, side: int = 24) -> Maps:
    """Return label maps of a small structure in a large volume."""
    rng = np.random.default_rng(0)
    maps = []
    for _ in range(4):
        one = np.zeros((side,) * 3, np.uint8)
        one[9:14, 9:14, 9:14] = label
        one[11:13, 11:13, 11:13] = label + 1
        one[rng.random(one.shape) < 0.02] *= 0
        maps.append(one)
    return maps


def ball(marked: NDArray[np.bool_], margin: float, spacing: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return what lies within the margin of what is marked, by all distances."""
    places = np.argwhere(marked) * spacing
    every = np.indices(marked.shape).reshape(3, -1).T * spacing
    near = [np.min(((places - place) ** 2).sum(axis=1)) <= margin**2 + 1e-9 for place in every]
    return np.reshape(near, marked.shape)


@pytest.mark.parametrize("method", METHODS)
def test_a_margin_is_a_mask(method: str) -> None:
    maps = lesion(side=20)
    spacing = (1.0, 2.0, 1.5)
    region = ball(np.any(np.stack(maps) != 0, axis=0), 4.0, spacing)
    votes: Any = maps
    if method != "staple":
        votes = [np.stack([one == label for label in range(3)]) * 0.9 + 0.1 / 3 for one in maps]
        votes = [one.astype(np.float64) for one in votes]
        for one in votes:  # 0.067 beside background: nothing marked
            one /= one.sum(axis=0)
    fit = METHODS[method]
    found = fit(votes, labels=[0, 1, 2], roi=4.0, spacing_mm=spacing)
    wanted = fit(votes, labels=[0, 1, 2], mask=region)
    np.testing.assert_array_equal(stacked(found), stacked(wanted))
    np.testing.assert_array_equal(found.confusion, wanted.confusion)
    assert found.n_voxels == region.sum() < region.size
    whole = fit(votes, labels=[0, 1, 2])
    assert whole.prior[0] > found.prior[0]
    half = np.zeros(region.shape, bool)
    half[:12] = True
    masked = fit(votes, labels=[0, 1, 2], roi=4.0, spacing_mm=spacing, mask=half)
    there = ball(np.any(np.stack(maps) != 0, axis=0) & half, 4.0, spacing) & half
    assert masked.n_voxels == there.sum()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_margin_of_two_labels_is_that_of_masks(order: Any) -> None:
    maps = [np.asarray(one > 0, dtype=np.uint8, order=order) for one in lesion()]
    plain = fastfuse.staple(maps, roi=3.0, spacing_mm=(1, 2, 1))
    found = fastfuse.staple(maps, labels=[0, 1], roi=3.0, spacing_mm=(1, 2, 1))
    np.testing.assert_array_equal(found.probability(1), plain.probability)
    np.testing.assert_array_equal(found.sensitivity[:, 1], plain.sensitivity)
    soft_maps = [np.asarray(one * np.float32(0.75), order=order) for one in maps]
    votes = [np.stack([1 - one, one]) for one in soft_maps]
    plain = fastfuse.simplified_soft_staple(soft_maps, roi=3.0, spacing_mm=(1, 2, 1))
    found = fastfuse.simplified_soft_staple(votes, labels=[0, 1], roi=3.0, spacing_mm=(1, 2, 1))
    np.testing.assert_array_equal(found.probability(1), plain.probability)
    assert found.n_voxels == plain.n_voxels


def test_a_margin_takes_missing_votes_fields_of_view_and_headers() -> None:
    maps = lesion()
    far = [one.astype(np.float32) for one in maps]
    far[0][0, 0, 0] = np.nan
    found = fastfuse.staple(far, labels=[0, 1, 2], roi=2.0, spacing_mm=(1, 1, 1), missing="nan")
    wanted = fastfuse.staple(maps, labels=[0, 1, 2], roi=2.0, spacing_mm=(1, 1, 1))
    assert found.n_voxels == wanted.n_voxels
    strayed = [one.copy() for one in maps]
    strayed[0][0, 0, 0] = 1
    looked = np.ones(maps[0].shape, bool)
    looked[:3] = False
    beside = fastfuse.staple(
        strayed, labels=[0, 1, 2], roi=2.0, spacing_mm=(1, 1, 1), present=[looked, None, None, None]
    )
    assert beside.n_voxels == wanted.n_voxels
    affine = np.diag([1.0, 2, 1.5, 1])
    images = [nib.Nifti1Image(one, affine) for one in maps]
    by_header = fastfuse.staple(images, labels=[0, 1, 2], roi=4)
    by_hand = fastfuse.staple(maps, labels=[0, 1, 2], roi=4.0, spacing_mm=(1, 2, 1.5))
    np.testing.assert_array_equal(by_header.label(), by_hand.label())
    assert by_header.n_voxels == by_hand.n_voxels


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"roi": "disputed"}, "roi is 'disputed': label maps take a margin in mm, or 'all'"),
        ({"roi": -1, "spacing_mm": (1, 1, 1)}, "roi is -1"),
        ({"roi": 5.0}, "roi is 5.0, a margin in mm: give spacing_mm"),
        ({"roi": 5.0, "spacing_mm": (1, 1)}, "spacing_mm"),
        (
            {"roi": 5.0, "spacing_mm": (1, 1, 1), "labels": [1, 2, 3]},
            "roi is 5, a margin .*label 0, background, is none",
        ),
    ],
)
def test_margins_that_are_refused(options: dict[str, Any], said: str) -> None:
    maps: Maps = lesion()
    if "labels" in options:
        maps = [one + 1 for one in maps]
    with pytest.raises(ValueError, match=said):
        fastfuse.staple(maps, **{"labels": [0, 1, 2], **options})
    with pytest.raises(ValueError, match=r"roi is 5.0: majority has no such option"):
        fastfuse.fuse(lesion(), "majority", labels=[0, 1, 2], roi=5.0)


@pytest.mark.parametrize("method", METHODS)
def test_margin_and_map_together(method: str) -> None:
    votes, _ = votes_of(method)
    options: dict[str, Any] = {
        "labels": LABELS,
        "prior": atlas(),
        "dtype": "float64",
        "acceleration": "squarem",
    }
    one = METHODS[method](votes, roi=1000.0, spacing_mm=(1, 1, 1), **options)
    np.testing.assert_array_equal(stacked(one), stacked(METHODS[method](votes, **options)))
