"""The chart of how EM went: of what EM climbs where that is written, and words on why it may fall where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse
from fastfuse.reference.labels import fuse_labels, one_hot
from fastfuse.report.html.fusion import _falls

from .common import Page, fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SHAPE = (24, 24, 12)


def maps(seed: int) -> list[np.ndarray]:
    """Return five maps of four nested labels, each by a border of its own."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=SHAPE), 2)
    ends = np.quantile(field, [0.5, 0.7, 0.9])
    noise = [ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5) for _ in range(5)]
    return [np.digitize(field + one * 0.05 * (1 + i), ends).astype(np.uint8) for i, one in enumerate(noise)]


def drawn(page: Page) -> np.ndarray:
    """Return the heights of the line, upward."""
    (line,) = page.all("polyline")
    return -np.array(
        [[float(one) for one in point.split(",")] for point in line.attributes["points"].split()]
    )[:, 1]


def told(page: Page) -> str:
    return page.one("section", id="convergence").text


def test_of_label_maps_what_em_climbs_is_drawn(tmp_path: Path) -> None:
    """The likelihood alone falls; with the rates' prior it is the reference's objective, and does not."""
    given = maps(3)
    paths = [tmp_path / f"r{i}.nii" for i in range(5)]
    for path, one in zip(paths, given, strict=True):
        nib.save(nib.Nifti1Image(one, np.eye(4)), path)
    prior = (2000.0, 0.5)
    page, facts, _ = fused(tmp_path, paths=paths, labels="all", mask=None, performance_prior=prior, roi="all")
    likelihood, belief = np.array(facts["log_likelihood"]), np.array(facts["log_prior"])
    assert np.diff(likelihood).min() < -1e-3
    votes = one_hot(np.array(given).reshape(5, -1).astype(int), 4)
    wanted = fuse_labels(votes, performance_prior=prior, tol=facts["options"]["tol"], max_iter=1000)
    np.testing.assert_allclose(likelihood + belief, wanted.objective, rtol=1e-11)
    assert np.diff(drawn(page)).min() >= 0
    assert "plus the log-density of the rates under the performance prior" in told(page)
    assert "EM climbs the sum; the log-likelihood alone may fall." in told(page)
    for values in (likelihood, belief, likelihood + belief):
        assert f"{values[-1]:,.4f}" in told(page)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "staple"}, None),
        ({"method": "staple", "performance_prior": (500.0, 300.0)}, "EM climbs this plus the log-density of the rates under the performance prior, which"),
        ({"method": "staple", "mrf": 2.0}, "The random field (mrf) is approximated by a mean field"),
        ({"method": "soft-staple"}, "On soft votes the paper’s M-step need not climb"),
        ({"method": "soft-staple", "m_step": "em"}, None),
        ({"method": "border-staple", "image": "flair.nii.gz"}, "The shares of the levels are smoothed"),
    ],
)  # fmt: skip
def test_why_the_likelihood_of_masks_may_fall_is_told(
    tmp_path: Path, options: dict[str, Any], words: str | None
) -> None:
    if "image" in options:
        options = {**options, "image": tmp_path / options["image"]}
    page, facts, _ = fused(tmp_path, **options)
    assert "Log-likelihood of the votes after each iteration" in told(page)
    if words is None:
        assert "fall" not in told(page)
        assert np.diff(facts["log_likelihood"]).min() >= -1e-9
    else:
        assert words in told(page)


def test_that_decided_voxels_are_not_drawn_is_told() -> None:
    facts = {"options": {"performance_prior": [221.0, 0.9]}, "method": "staple", "decisions": {}}
    (said,) = _falls(facts, penalised=True)
    assert said == "EM climbs the sum; the log-likelihood alone may fall."  # they are in log_prior
    (said,) = _falls({**facts, "options": {}}, penalised=False)
    assert said.startswith("EM climbs this plus the log-likelihood of the votes on decided voxels")


def test_figures_draw_what_em_climbs() -> None:
    plots = pytest.importorskip("fastfuse.plots", reason="needs matplotlib")
    fusion = fastfuse.staple(maps(3), labels="all", performance_prior=(2000.0, 0.5))
    climbed = fusion.log_likelihood + fusion.log_prior
    trace = climbed.max() - climbed
    np.testing.assert_array_equal(plots.convergence(fusion).lines[0].get_ydata(), trace[trace > 0])
    assert np.diff(trace).max() <= 1e-9
