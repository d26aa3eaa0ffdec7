"""The plan of a fusion: plain data from votes, options and a look at some blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse import _core

from .common import options_for

SHAPE = (8, 32, 64)


def masks(raters: int = 3) -> list[NDArray[Any]]:
    rng = np.random.default_rng(0)
    return [(rng.random(SHAPE) < 0.3).astype(np.uint8) for _ in range(raters)]


def probabilities(raters: int = 3, dtype: Any = np.float32) -> list[NDArray[Any]]:
    rng = np.random.default_rng(0)
    return [rng.random(SHAPE).astype(dtype) for _ in range(raters)]


@pytest.mark.parametrize(
    ("method", "values", "model"),
    [
        ("majority", {}, "mean_vote"),
        ("staple", {}, "product"),
        ("simplified-soft-staple", {}, "product"),
        ("simplified-soft-staple", {"likelihood": "log_linear"}, "log_linear"),
        ("soft-staple", {}, "cheaper"),
        ("soft-staple", {"expectation": "enumerate"}, "enumerated"),
        ("soft-staple", {"expectation": "characteristic"}, "characteristic"),
    ],
)
def test_model(method: str, values: dict[str, Any], model: str) -> None:
    for m_step in ("paper", "em"):
        plan = _core.plan(masks(), options=options_for(method, m_step=m_step, **values))
        assert (plan.model, plan.m_step) == (model, m_step)


@pytest.mark.parametrize(
    ("route", "engine", "otherwise"),
    [
        ("auto", "table", "lanes"),
        ("patterns", "table", "lanes"),
        ("lanes", "lanes", "lanes"),
        ("rows", "voxels", "voxels"),
    ],
)
def test_engine_of_votes_that_repeat(route: str, engine: str, otherwise: str) -> None:
    plan = _core.plan(masks(), options=options_for("staple", route=route))
    assert (plan.engine, plan.otherwise) == (engine, otherwise)


def test_engine_of_votes_that_do_not_repeat() -> None:
    options = options_for("simplified-soft-staple")
    assert _core.plan(probabilities(), options=options).engine == "lanes"
    options.likelihood = "log_linear"
    plan = _core.plan(probabilities(), options=options)
    assert (plan.engine, plan.fine) == ("lanes", True)


def test_lanes_take_no_label_to_select() -> None:
    plan = _core.plan(masks(), options=options_for("majority", route="lanes", select_label=1.0))
    assert plan.engine == "voxels"


@pytest.mark.parametrize("raters", [3, 20, 64])
def test_lanes_take_missing_votes(raters: int) -> None:
    options = options_for("majority", route="lanes", missing="nan")
    assert _core.plan(probabilities(raters), options=options).engine == "lanes"


def test_masses() -> None:
    assert _core.plan(masks(), options=options_for("staple")).masses == "never"
    soft = options_for("soft-staple")
    assert _core.plan(masks(), options=soft).masses == "when_cheaper"
    assert _core.plan(masks(), prior_map=np.full(SHAPE, 0.5), options=soft).masses == "never"


def test_precision() -> None:
    options = options_for("simplified-soft-staple")
    assert not _core.plan(probabilities(), options=options).fine
    assert _core.plan(probabilities(), wide=True, options=options).fine
    assert _core.plan(probabilities(dtype=np.float64), options=options).fine
    assert _core.plan(probabilities(), prior_map=np.full(SHAPE, 0.5), options=options).fine


@pytest.mark.parametrize(
    ("method", "engine", "more"),
    [
        ("staple", "field_by_table", {}),
        ("soft-staple", "field_by_table", {}),
        ("soft-staple", "field", {"expectation": "characteristic"}),
        ("majority", "table", {}),
    ],
)
def test_neighbours(method: str, engine: str, more: dict[str, Any]) -> None:
    for prior in (None, np.full(SHAPE, 0.5)):
        options = options_for(method, mrf=1.0, spacing_mm=[1.0, 1.0, 1.0], **more)
        plan = _core.plan(masks(), prior_map=prior, options=options)
        assert (plan.engine, plan.masses) == (engine, "never")


@pytest.mark.parametrize(
    "name",
    [
        "method",
        "m_step",
        "expectation",
        "likelihood",
        "prior",
        "init",
        "roi",
        "missing",
        "intervals",
        "acceleration",
        "route",
    ],
)
def test_unknown_words(name: str) -> None:
    options = _core.Options()
    before = getattr(options, name)
    with pytest.raises(ValueError, match=f"no {name} other"):
        setattr(options, name, "other")
    assert getattr(options, name) == before
