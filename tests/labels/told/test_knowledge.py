"""Labels that one rater alone knows, or few give: what is told, and what the remedy does."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import LabelFusion

SHARES = np.array([0.7, 0.15, 0.1, 0.05])
VOXELS = 20000


def raters(knowing: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and votes of raters who err independently, of whom so many know label 3."""
    rng = np.random.default_rng(5)
    truth = rng.choice(4, VOXELS, p=SHARES)
    said = np.where(rng.random((count, VOXELS)) < 0.85, truth, rng.choice(4, (count, VOXELS), p=SHARES))
    said[knowing:][said[knowing:] == 3] = 0
    return truth, said


def fused(votes: np.ndarray, **options: Any) -> tuple[LabelFusion, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fusion = fastfuse.staple(votes, labels=range(4), **options)
    remarks: list[str] = [
        one for said in caught for one in getattr(said.message, "remarks", [str(said.message)])
    ]
    return fusion, remarks


def recall(fusion: LabelFusion, truth: np.ndarray) -> float:
    return float((fusion.label()[truth == 3] == 3).mean())


@pytest.mark.parametrize(("knowing", "least"), [(1, 0.0), (2, 0.75), (3, 0.93), (4, 0.97)])
def test_how_many_know_it(knowing: int, least: float) -> None:
    """With `knows`, two who know a label are enough; one is told, by name, and only then."""
    truth, votes = raters(knowing)
    knows = {rater: [0, 1, 2] for rater in range(knowing, 5)}
    fusion, remarks = fused(votes, knows=knows)
    assert recall(fusion, truth) >= least
    told = [one for one in remarks if "label 3 is known to 1 of 5 raters, rater 0" in one]
    assert len(told) == (knowing == 1)
    assert len(remarks) == len(told)


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_the_prior_that_is_advised(count: int) -> None:
    """A prior with the lone rater's shares brings most of the label back, which else is voted down."""
    truth, votes = raters(1, count)
    knows = {rater: [0, 1, 2] for rater in range(1, count)}
    fusion, remarks = fused(votes, knows=knows)
    assert any("give a prior (prior=[...], --prior P,P,...) with the share" in one for one in remarks)
    prior = np.bincount(votes[0], minlength=4) / VOXELS
    advised, remarks = fused(votes, knows=knows, prior=prior)
    assert recall(advised, truth) > max(0.6, recall(fusion, truth))
    assert (advised.label() == truth).mean() > (fusion.label() == truth).mean()
    assert any("the prior that you give decides" in one for one in remarks)


@pytest.mark.parametrize(("knowing", "count"), [(1, 5), (2, 5), (2, 4), (1, 3), (3, 7)])
def test_few_who_give_it(knowing: int, count: int) -> None:
    """Where most lack it, nobody is named as the one who lacks; who says so by `knows` hears nothing of it."""
    _, votes = raters(knowing, count)
    told = f"few raters give label 3 ({knowing} of {count}): if the others do not know it, say so by knows="
    assert any(told in one for one in fused(votes)[1])
    knows = {rater: [0, 1, 2] for rater in range(knowing, count)}
    assert not any("few raters" in one for one in fused(votes, knows=knows)[1])
    all_known = {rater: [0, 1, 2, 3] for rater in range(knowing, count)}
    assert not any("few raters" in one for one in fused(votes, knows=all_known)[1])


def test_strays_are_not_told() -> None:
    """Some voxels of a label that others never give are errors as well."""
    _, votes = raters(0)
    votes[0, :9] = 3
    assert not any("few raters" in one for one in fused(votes)[1])
    _, votes = raters(5)
    assert not fused(votes)[1]


def test_in_files(tmp_path: Path) -> None:
    truth, votes = raters(1)
    paths = []
    for k, one in enumerate(votes):
        paths.append(tmp_path / f"r{k}.npy")
        np.save(paths[-1], one.reshape(20, 50, 20).astype(np.uint8))
    knows = {f"r{k}": [0, 1, 2] for k in range(1, 5)}
    with pytest.warns(fastfuse.FusionWarning, match=r"known to 1 of 5 raters, .*r0\.npy"):
        fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", knows=knows)
    prior = ",".join(f"{share:.4f}" for share in np.bincount(votes[0]) / VOXELS)
    with pytest.warns(fastfuse.FusionWarning, match="the prior that you give decides"):
        advised = fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", knows=knows, prior=prior)
    shaped = truth.reshape(20, 50, 20)
    assert (advised.label()[shaped == 3] == 3).mean() > (fusion.label()[shaped == 3] == 3).mean() + 0.5


def drawn_maps(background: int, rates: tuple[float, ...] = (0.6, 0.7, 0.8, 0.7, 0.5)) -> list[np.ndarray]:
    """Return maps of raters who find these shares of two small structures in a large background."""
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 60_000, p=[0.95, 0.03, 0.02])
    maps = [np.where(rng.random(truth.size) < rate, truth, 0) for rate in rates]
    return [np.where(one == 0, background, one) for one in maps]


@pytest.mark.parametrize("fuse", [fastfuse.staple, fastfuse.majority_vote])
def test_a_background_that_is_not_0_is_told(fuse: Any, recwarn: pytest.WarningsRecorder) -> None:
    """The belief is 5 % of a mean label's voxels, and such a background is no label of that size; the pair that is named is right."""
    recwarn.clear()
    fuse(drawn_maps(0), labels="all")
    fuse(
        drawn_maps(9), labels="all", **({} if fuse is fastfuse.majority_vote else {"performance_prior": None})
    )
    assert not [one for one in recwarn if "counts as background" in str(one.message)]
    if fuse is fastfuse.majority_vote:
        return
    with pytest.warns(fastfuse.FusionWarning, match="label 9 has 97 % of all votes, and none is 0") as told:
        drawn = fuse(drawn_maps(9), labels="all")
    pair = re.search(r"performance_prior=\((.*), (.*)\)", str(told[0].message))
    given = fuse(drawn_maps(9), labels="all", performance_prior=(float(pair[1]), float(pair[2])))
    right = fuse(drawn_maps(0), labels="all")
    assert (
        drawn.sensitivity[4, :2].min() > right.sensitivity[4, 1:].max() + 0.1
    )  # of the rater who finds half
    np.testing.assert_allclose(given.sensitivity[:, :2], right.sensitivity[:, 1:], atol=0.002)


def test_tissues_of_a_brain_have_no_background(recwarn: pytest.WarningsRecorder) -> None:
    rng = np.random.default_rng(1)
    truth = rng.choice([1, 2, 3], 5000, p=[0.6, 0.3, 0.1])
    maps = [np.where(rng.random(truth.size) < 0.9, truth, 1) for _ in range(4)]
    fastfuse.staple(maps, labels="all")
    assert not [one for one in recwarn if "counts as background" in str(one.message)]
