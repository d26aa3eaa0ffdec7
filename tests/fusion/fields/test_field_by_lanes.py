"""Neighbours that pull each other, on votes that do not repeat: lanes and single voxels give one answer."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from fastfuse import _core, reference

from ...core.common import options_for
from ...doors import fuse_by_name
from .common import assert_one_answer, fused, maps_of

SHAPE = (6, 7, 45)
METHODS = ("soft-staple", "simplified-soft-staple")
M_STEPS = ("paper", "em")
every_way = pytest.mark.parametrize(("method", "m_step"), [(a, b) for a in METHODS for b in M_STEPS])
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def votes_of(
    m: int, shape: tuple[int, ...] = SHAPE, seed: int = 0, dtype: str = "float64"
) -> list[NDArray[Any]]:
    """Return dense votes around a truth, a slab without any, and votes of exactly 0 and 1 here and there."""
    rng = np.random.default_rng(seed)
    logit = np.where(rng.random(shape) < 0.3, 2.0, -2.5)
    raters = [1 / (1 + np.exp(-logit - rng.normal(0, 1.5, shape))) for _ in range(m)]
    for rater in raters:
        rater[rng.random(shape) < 0.1] = 0
        rater[rng.random(shape) < 0.1] = 1
        rater[-1 if len(rater) > 1 else slice(0)] = 0
        rater[..., 33:40] = 0
    return [rater.astype(dtype) for rater in raters]


def assert_near(raters: list[NDArray[Any]], method: str, **values: Any) -> None:
    """Check, in floats, that lanes answer as single voxels do."""
    found, told = fused(raters, method, "lanes", single=True, **values)
    expected, by_voxels = fused(raters, method, "rows", **values)
    assert_allclose(found, expected, atol=1e-6)
    for name in ("sensitivity", "specificity", "prior", "lowest", "highest"):
        assert_allclose(getattr(told, name), getattr(by_voxels, name), atol=1e-6, err_msg=name)
    for name in ("log_likelihood", "marked_by", "seen_by"):
        assert_allclose(getattr(told, name), getattr(by_voxels, name), rtol=1e-6, atol=1e-6, err_msg=name)


# --- as single voxels ----------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("m", range(1, 11))
def test_raters(m: int, method: str, m_step: str) -> None:
    assert_one_answer(votes_of(m), method, "lanes", m_step=m_step)
    assert_near(votes_of(m, dtype="float32"), method, m_step=m_step)


@every_way
@pytest.mark.parametrize(
    "shape",
    [(9, 11, 13), (7, 2100), (1500,), (2, 1), (1,), (1, 9, 1), (4, 1, 5, 40), (5, 40, 1), (3, 3, 3, 3)],
)
def test_shapes(shape: tuple[int, ...], method: str, m_step: str) -> None:
    assert_one_answer(votes_of(4, shape), method, "lanes", m_step=m_step)


@every_way
@pytest.mark.parametrize("roi", ["all", "disputed"])
@pytest.mark.parametrize("kind", [None, "noise", "flat", "single"])
def test_mask_map_and_region(kind: str | None, roi: str, method: str, m_step: str) -> None:
    rng = np.random.default_rng(1)
    shape = (9, 8, 70)
    raters = votes_of(4, shape)
    mask = rng.random(shape) < 0.8
    mask[2] = False
    raters[1][~mask] = np.nan  # nobody looks at these
    mask[4] = True
    raters[1][4] = 0.25
    given = {"mask": mask, "prior_map": maps_of(shape)[kind] if kind else None, "roi": roi}
    assert_one_answer(raters, method, "lanes", m_step=m_step, **given)
    assert_near([rater.astype(np.float32) for rater in raters], method, m_step=m_step, **given)


@every_way
@pytest.mark.parametrize("mrf", [1e-6, 3.0, 30.0, 1e4])
def test_strengths(mrf: float, method: str, m_step: str) -> None:
    """Strong fields have log-odds in many bins, most of them far from 0."""
    assert_one_answer(votes_of(3), method, "lanes", m_step=m_step, mrf=mrf, max_iter=4)
    if mrf < 10:  # a stronger field makes much of the last bit of w
        assert_near(votes_of(3, dtype="float32"), method, m_step=m_step, mrf=mrf, max_iter=4)


@every_way
@pytest.mark.parametrize("init", [1 - 1e-9, 1e-9])
def test_rates_near_the_ends(init: float, method: str, m_step: str) -> None:
    for raters in (votes_of(5), [np.clip(np.round(vote), 1e-6, 1 - 1e-6) for vote in votes_of(5)]):
        assert_one_answer(raters, method, "lanes", m_step=m_step, init=init, max_iter=5)
        assert_one_answer(raters, method, "lanes", m_step=m_step, prior=1e-9, max_iter=5)


@pytest.mark.parametrize("m_step", M_STEPS)
@pytest.mark.parametrize("m", [3, 10])
def test_more_bins_than_are_held(m: int, m_step: str) -> None:
    shape = (10, 20, 70)
    prior = np.random.default_rng(4).random(shape) ** 12 * 0.998 + 0.001
    assert_one_answer(votes_of(m, shape), "soft-staple", "lanes", m_step=m_step, prior_map=prior, max_iter=2)


@every_way
def test_nearly_all_that_is_marked_is_true(method: str, m_step: str) -> None:
    """False positives are a difference of sums: floats would leave no digit of it."""
    rng = np.random.default_rng(2)
    shape = (8, 9, 40)
    raters = [1 - 1e-4 * rng.random(shape, np.float32) for _ in range(4)]
    for rater in raters:
        rater[5:] = 1e-5 * rng.random(rater[5:].shape)
    found, told = fused(raters, method, "lanes", single=True, m_step=m_step)
    expected, by_voxels = fused(raters, method, "rows", m_step=m_step)
    assert_allclose(found, expected, atol=1e-7)
    assert_allclose(1 - np.array(told.specificity), 1 - np.array(by_voxels.specificity), rtol=1e-6)


# --- as the reference ----------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    "options", [{}, {"roi": "disputed"}, {"prior": "estimate", "performance_prior": (5, 1.5)}]
)
def test_reference(options: dict[str, Any], method: str, m_step: str) -> None:
    votes = votes_of(4, (4, 5, 9))
    mask = np.random.default_rng(3).random((4, 5, 9)) < 0.8
    given: dict[str, Any] = {"mask": mask, "mrf": 0.6, "m_step": m_step, "max_iter": 6, "tol": 0, **options}
    found = fuse_by_name(votes, method, dtype="float64", spacing_mm=(1, 2, 0.5), **given)
    expected = reference.fuse(np.stack(votes), method=method, spacing_mm=(1, 2, 0.5), **given)
    assert_allclose(found.probability, expected.probability, rtol=0, atol=1e-11)
    assert_allclose(found.sensitivity, expected.sensitivity, rtol=0, atol=1e-11)
    assert_allclose(found.specificity, expected.specificity, rtol=0, atol=1e-11)
    assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-11)


# --- types, layouts, processors, threads ---------------------------------------------------------------------


@every_way
def test_types_and_layouts(method: str, m_step: str) -> None:
    plain = votes_of(5, (20, 21, 22), dtype="float16")
    expected, _ = fused(plain, method, "lanes", single=True, m_step=m_step)
    for order in (np.asfortranarray, lambda vote: vote[::-1, :, ::-1].copy()[::-1, :, ::-1]):
        others = [order(vote) for vote in plain]
        others[1] = others[1].astype(np.float32)
        others[2] = others[2].astype(">f4")
        found, _ = fused(others, method, "lanes", single=True, m_step=m_step)
        assert_array_equal(found, expected)


@pytest.mark.parametrize("single", [True, False])
@every_way
def test_every_team_gives_the_same_bits(method: str, m_step: str, single: bool) -> None:
    raters = votes_of(4, (40, 41, 62), dtype="float32" if single else "float64")
    mask = np.random.default_rng(1).random(raters[0].shape) < 0.9
    values: dict[str, Any] = {"single": single, "mask": mask, "m_step": m_step, "max_iter": 4}
    alone, first = fused(raters, method, "lanes", threads=1, **values)
    for threads in (2, 3):
        together, told = fused(raters, method, "lanes", threads=threads, **values)
        assert_array_equal(together, alone)
        for name in ("log_likelihood", "sensitivity", "specificity", "marked_by", "neither"):
            assert_array_equal(getattr(told, name), getattr(first, name))


@pytest.mark.parametrize("instruction_set", ["avx2", "baseline"])
def test_other_processors(instruction_set: str) -> None:
    code = f"""
        import os, sys
        os.environ["FASTFUSE_INSTRUCTION_SET"] = {instruction_set!r}
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from tests.fusion.fields.common import assert_one_answer
        from tests.fusion.fields.test_field_by_lanes import METHODS, M_STEPS, assert_near, votes_of
        for m in (1, 4, 7, 10):
            for method in METHODS:
                for m_step in M_STEPS:
                    assert_one_answer(votes_of(m), method, "lanes", m_step=m_step)
                    assert_near(votes_of(m, dtype="float32"), method, m_step=m_step)
        print("agree")
    """
    words = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert (done.stdout, done.stderr) == ("agree\n", "")


# --- what goes in lanes, and what it gives -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "engine", "values"),
    [
        (7, "field_by_lanes", {}),
        (10, "field_by_lanes", {"m_step": "em"}),
        (11, "field", {}),
        (7, "field", {"route": "rows"}),
        (7, "field", {"expectation": "characteristic"}),
        (7, "field", {"missing": "nan"}),
        (7, "field", {"select_label": 1.0}),
        (7, "field_by_lanes", {"method": "simplified-soft-staple"}),
        (20, "field_by_lanes", {"method": "simplified-soft-staple"}),
        (21, "field", {"method": "simplified-soft-staple"}),
        (7, "field", {"method": "simplified-soft-staple", "likelihood": "log_linear"}),
        (7, "field_by_lanes", {"method": "staple"}),
    ],
)
def test_plan(m: int, engine: str, values: dict[str, Any]) -> None:
    options = options_for("soft-staple", mrf=0.3, spacing_mm=[1.0] * 3, route="lanes")
    for name, value in values.items():
        setattr(options, name, value)
    assert _core.plan(votes_of(m), options=options).engine == engine


@pytest.mark.parametrize("m_step", M_STEPS)
@pytest.mark.parametrize("m", [13, 20])
def test_more_raters_of_one_term(m: int, m_step: str) -> None:
    """The rates go to their ends: products that floats would not hold."""
    for raters in (votes_of(m), [np.clip(vote, 0.3, 0.7) for vote in votes_of(m)]):
        assert_one_answer(raters, "simplified-soft-staple", "lanes", m_step=m_step)
        assert_near([vote.astype(np.float32) for vote in raters], "simplified-soft-staple", m_step=m_step)


def test_masks_without_repetition() -> None:
    rng = np.random.default_rng(6)
    raters = [np.float64(rng.random(SHAPE) < 0.3) for _ in range(12)]
    assert_one_answer(raters, "staple", "lanes")


@pytest.mark.parametrize("shape", [(8, 9, 10), (60, 60, 60)])
def test_it_is_what_is_chosen(shape: tuple[int, ...]) -> None:
    """Where the patterns fit a table, too, as those of few voxels do."""
    raters = [vote + 1e-9 for vote in votes_of(5, shape)]
    raters = [np.minimum(vote * np.linspace(0.9, 1, vote.size).reshape(shape), 1) for vote in raters]
    chosen, _ = fused(raters, "soft-staple", "auto", max_iter=2)
    assert_array_equal(chosen, fused(raters, "soft-staple", "lanes", max_iter=2)[0])
    assert (chosen != fused(raters, "soft-staple", "rows", max_iter=2)[0]).any()


def test_known_rates_are_applied() -> None:
    raters = votes_of(4)
    settled, result = fused(raters, "soft-staple", "lanes", max_iter=1000, tol=1e-12)
    options = options_for("soft-staple", mrf=0.4, spacing_mm=[1.0, 2.0, 0.5], route="lanes", tol=1e-12)
    again = np.empty_like(settled)
    _core.apply(result.estimate, raters, again, options=options)
    assert_allclose(again, settled, atol=1e-8)
