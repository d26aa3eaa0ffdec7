"""What a page says that rates are is what they are: with the consensus's file and the masks, all can be computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ...cli.common import MASKS, case_in, load
from ..common import Page, fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SHARE = "The share of true foreground that a rater marks, by the consensus's probabilities as truth; votes between 0 and 1 are marks in part."
NETWORKS = [f"network_{i}.nii.gz" for i in range(3)]


def term(page: Page, name: str) -> str:
    terms = page.all("dt")
    return page.all("dd")[-len(terms) :][[one.text for one in terms].index(name)].text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "staple"}, ""),
        ({"method": "staple", "mrf": 0.2, "prior": "estimate"}, ""),
        ({"method": "majority"}, ""),
        ({"method": "soft-staple", "soft": True}, ""),
        ({"method": "simplified-soft-staple", "likelihood": "log_linear", "soft": True}, ""),
        ({"method": "soft-staple", "soft": True, "m_step": "em"}, "By the true maximiser"),
        ({"method": "border-staple"}, "By border-STAPLE it is the model's"),
        ({"method": "staple", "performance_prior": (40, 2)}, "counts of the performance prior are added"),
        ({"method": "staple", "classes": 3}, "half of the border counts"),
        ({"method": "staple", "roi": "disputed"}, "of voxels in dispute"),
    ],
)
def test_a_sensitivity_that_is_no_share_of_the_consensus_is_said_to_be_none(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    case_in(tmp_path)
    given = dict(options)
    names = NETWORKS if given.pop("soft", False) else MASKS
    page, facts, _ = fused(tmp_path, paths=[tmp_path / name for name in names], **given)
    inside, truth = load(tmp_path / "brain.nii.gz") != 0, load(tmp_path / "consensus.nii.gz").astype(float)
    off = 0.0
    for name, one in zip(names, facts["raters"], strict=True):
        vote = load(tmp_path / name).astype(float)[inside]
        held = truth[inside]
        off = max(off, abs((held * vote).sum() / held.sum() - one["sensitivity"]))
        assert 2 * (held * vote).sum() / (held.sum() + vote.sum()) == pytest.approx(one["dice"], abs=2e-5)
    shares = off < 5e-5  # the four decimals of the page
    assert shares or said
    assert term(page, "Sensitivity") == SHARE if not said else said in term(page, "Sensitivity")
    assert ("or of none outside" in term(page, "Specificity")) == (options["method"] == "border-staple")
    assert ("of voxels in dispute, all else" in page.one("section", id="raters").text) == (
        options.get("roi") == "disputed"
    )


def test_of_three_raters_a_fit_tells_nothing(tmp_path: Path) -> None:
    case_in(tmp_path)
    for count in (3, 4):
        page, facts, _ = fused(
            tmp_path, paths=[tmp_path / name for name in MASKS[:count]], method="staple", prior="estimate"
        )
        expected = facts["fit"]["models"]["staple"]["expected"]
        perfect = np.allclose(expected, facts["fit"]["observed"], rtol=1e-3, atol=2)
        assert perfect == (count == 3)
        assert ("fits any votes: that it fits tells nothing" in term(page, "Fit")) == (count == 3)


@pytest.mark.parametrize("most", [1, 1000])
def test_a_rate_outside_of_its_interval_is_explained(most: int, tmp_path: Path) -> None:
    page, facts, _ = fused(tmp_path, method="staple", intervals="bootstrap", replicates=20, max_iter=most)
    ends = [
        (one[what], one[f"{what}_95"]) for one in facts["raters"] for what in ("sensitivity", "specificity")
    ]
    outside = any(not low <= rate <= high for rate, (low, high) in ends)
    assert outside == (most == 1)
    assert (
        "A rate lies outside of its interval: EM has not converged" in page.one("section", id="raters").text
    ) == outside


@pytest.mark.parametrize("prior", ["auto", None, (300, 0.8)])
def test_a_prior_of_labels_is_no_share_either(prior: Any, tmp_path: Path) -> None:
    page, facts, _ = fused(tmp_path, labels="all", mask=None, performance_prior=prior)
    off = 0.0
    for rater in facts["raters"]:
        for one in rater["labels"]:
            recall = (
                one["dice"] * one["ppv"] / (2 * one["ppv"] - one["dice"])
            )  # as soft Dice is the harmonic mean of both
            off = max(off, abs(recall - one["sensitivity"]))
    said, held = term(page, "Sensitivity"), facts["options"]["performance_prior"]
    assert prior == "auto" or (held is None) == (prior is None)
    assert (off < 5e-5) == (held is None)
    assert ("no prior" in said) == (held is not None)
    if held is not None:
        assert f"adds {held[0]:,.4g} voxels to each label, of which the share {held[1]:g} is right" in said
