"""The core is the reference: on tables, on voxels, with images; for every number of threads."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import _core
from fastfuse.reference import border as reference

from .draws import SPACING, contours, rows

CLOSE = 1e-9


def fitted(table: Any, **options: Any) -> Any:
    asked = _core.Options()
    asked.method = "border-staple"
    for name, value in options.items():
        setattr(asked, name, value)
    return _core.estimate(table, options=asked)


def assert_same(result: Any, expected: reference.ReferenceBorder) -> None:
    border = result.estimate.latent
    assert result.iterations == expected.n_iter
    for name, values in {
        "offset": expected.offset,
        "sharpness": expected.sharpness,
        "false_marks": expected.false_marks,
        "lost": 1 - expected.finds,
        "weights": expected.weights,
        "anchor": expected.anchor,
    }.items():
        np.testing.assert_allclose(border[name], values, rtol=0, atol=CLOSE, err_msg=name)
    np.testing.assert_allclose(result.sensitivity, expected.sensitivity, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(result.specificity, expected.specificity, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("seed", range(100))
def test_tables_have_the_reference_s_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, counts = rows(rng)
    table = _core.VoteTable(votes.T.copy(), counts)
    steps = int(rng.integers(1, 60))
    held = table.counts > 0  # row 0 may hold no voxel
    expected = reference.border_staple(
        table.patterns[held].T.copy(), table.counts[held], max_iter=steps, tol=0
    )
    assert_same(fitted(table, max_iter=steps, tol=0.0), expected)


def test_it_stops_where_the_reference_does() -> None:
    votes, counts = rows(np.random.default_rng(3))
    table = _core.VoteTable(votes.T.copy(), counts)
    held = table.counts > 0
    expected = reference.border_staple(table.patterns[held].T.copy(), table.counts[held], max_iter=1000)
    result = fitted(table, max_iter=1000, tol=1e-4)
    assert expected.converged
    assert result.converged
    assert_same(result, expected)


def all_rows(drawn: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the region as a mask, and the votes in it as columns."""
    from scipy import ndimage

    near = ndimage.distance_transform_edt(~np.any(drawn.masks, axis=0), sampling=SPACING) <= 4
    region = near & (drawn.brain > 0)
    return region, np.array([mask[region] for mask in drawn.masks], np.float64)


@pytest.fixture(scope="module")
def with_image() -> tuple[Any, np.ndarray, np.ndarray, reference.ReferenceBorder, np.ndarray]:
    """Return drawn raters, the region, the votes in it, the reference's fit, and its consensus by evidence."""
    from fastfuse.fusion.border.heights import heights_of

    drawn = contours([1.5, 1.0, 0.8, 0.5, 0.0])
    region, votes = all_rows(drawn)
    heights = heights_of(drawn.image, drawn.masks, SPACING, mask=drawn.brain, present=[], label=None)
    h = np.full(region.shape, np.nan)
    h.flat[heights.voxel] = heights.height
    known = ~np.isnan(h[region])
    sums = np.where(known, h[region], 0), known.astype(float)
    beyond = ~region & ~np.isnan(h)
    unmarked = int(np.flatnonzero(votes.sum(axis=0) == 0)[0])
    sums[0][unmarked] += h[beyond].sum()
    sums[1][unmarked] += np.count_nonzero(beyond)
    expected = reference.border_staple(votes, heights=sums, max_iter=30, tol=0)
    return (
        drawn,
        region,
        votes,
        expected,
        reference.with_evidence(expected, np.arange(votes.shape[1]), h[region]),
    )


@pytest.mark.parametrize("side", [0.3, 0.4, 0.6, 1.2])
def test_heights_of_sides_in_single_precision(side: float) -> None:
    """Ten voxels of 0.6 mm are 6 mm, where heights end, though a header holds 0.60000002."""
    from fastfuse.fusion.border.heights import heights_of

    ball = np.linalg.norm(np.indices((52, 52, 52)) - 25.5, axis=0) < 4
    image = 100 + 60 * ball + np.arange(52.0)
    exact, single = (
        heights_of(image, [ball] * 3, [size] * 3, mask=None, present=[], label=None)
        for size in (side, float(np.float32(side)))
    )
    assert exact.lesions
    np.testing.assert_array_equal(single.voxel, exact.voxel)
    np.testing.assert_array_equal(single.height, exact.height)


@pytest.mark.parametrize("route", ["patterns", "rows"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_consensus_with_an_image(with_image: Any, route: str, threads: int) -> None:
    """Voxel by voxel, with the anchor at half maximum, and with evidence."""
    from fastfuse.fusion.options import Options
    from fastfuse.fusion.pipeline import fuse_votes
    from fastfuse.fusion.registry import method_called
    from fastfuse.fusion.votes import Votes

    drawn, region, votes, expected, by_evidence = with_image
    for evidence, wanted in ((False, expected.probability), (True, by_evidence)):
        given = Votes(drawn.masks, mask=drawn.brain, image=drawn.image, dtype="float64")
        options = Options(
            roi=4.0,
            spacing_mm=SPACING,
            tol=1e-300,
            max_iter=30,
            evidence=evidence,
            route=route,
            threads=threads,
        )
        fusion, _ = fuse_votes(given, method_called("border-staple"), options)
        assert fusion.anchor_from == "image"
        assert fusion.anchor == pytest.approx(expected.anchor, abs=CLOSE)
        np.testing.assert_allclose(fusion.probability[region], wanted, rtol=0, atol=CLOSE)
        assert not fusion.probability[~region].any()
        w = fusion.probability[region]
        np.testing.assert_allclose(fusion.ppv, (votes * w).sum(axis=1) / votes.sum(axis=1), rtol=1e-9)
        np.testing.assert_allclose(
            fusion.npv, ((1 - votes) * (1 - w)).sum(axis=1) / (1 - votes).sum(axis=1), rtol=1e-9
        )


def test_same_bits_for_every_number_of_threads() -> None:
    drawn = contours([1.5, 1.0, 0.8, 0.5, 0.0])
    soft = [
        np.float32(0.65) * mask + np.float32(0.35) * other
        for mask, other in zip(drawn.masks, drawn.masks[::-1], strict=True)
    ]
    for raters in (drawn.masks, soft):
        first, *others = [
            fastfuse.border_staple(
                raters, drawn.image, evidence=True, mask=drawn.brain, spacing_mm=SPACING, threads=threads
            )
            for threads in (1, 2, 3)
        ]
        for other in others:
            np.testing.assert_array_equal(other.probability, first.probability)
            np.testing.assert_array_equal(other.offsets, first.offsets)
            np.testing.assert_array_equal(other.log_likelihood, first.log_likelihood)


@pytest.mark.filterwarnings("ignore:stopped at max_iter")
def test_dense_soft_votes_go_voxel_by_voxel() -> None:
    """A network's probabilities, of which no two are the same, need no table."""
    rng = np.random.default_rng(1)
    depth = rng.normal(-1, 3, 3000)
    votes = 1 / (1 + np.exp(-(depth + rng.normal(0, 1, (5, 3000)) - rng.normal(0, 1, (5, 1)))))
    expected = reference.border_staple(votes, max_iter=40, tol=0)
    fusion = fastfuse.border_staple(
        votes, roi="all", spacing_mm=(1,), max_iter=40, tol=1e-300, dtype="float64"
    )
    np.testing.assert_allclose(fusion.probability, expected.probability, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(fusion.offsets, expected.offset, rtol=0, atol=CLOSE)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX timers")
def test_it_can_be_interrupted() -> None:
    """Dense votes take minutes; Ctrl-C ends them at once."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    votes = np.random.default_rng(0).random((8, 400_000), np.float32)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            fastfuse.border_staple(votes, roi="all", spacing_mm=(1,), tol=1e-300, threads=2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_whole_volume() -> None:
    rng = np.random.default_rng(0)
    masks = np.zeros((5, 12, 12, 12), np.uint8)
    masks[:, 4:7, 4:7, 4:7] = rng.random((5, 3, 3, 3)) < 0.7
    whole = fastfuse.border_staple(list(masks), roi="all")
    near = fastfuse.border_staple(list(masks), spacing_mm=(1, 1, 1))
    by_name = fastfuse.fuse(list(masks), "border-staple", spacing_mm=(1, 1, 1))
    assert whole.n_voxels == 12**3
    assert near.n_voxels == by_name.n_voxels < 12**3
