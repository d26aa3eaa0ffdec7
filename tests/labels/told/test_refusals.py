"""Options that do not apply, or contradict the votes: refused or told, and each remedy that is offered works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse

from ...images.networks import classes
from ..files import LABELS, raters, saved
from ..test_networks import NAMES, predicted

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*never gives label", "ignore:.*has not converged", "ignore:.*hold the same votes"
)
OF_EM: list[dict[str, Any]] = [
    {"roi": 3},
    {"prior": "estimate"},
    {"prior": [0.7, 0.1, 0.1, 0.1]},
    {"candidates": "all"},
    {"knows": {3: [0, 1, 2]}},
    {"confusion": "class"},
    {"init": "vote"},
    {"performance_prior": (5, 0.9)},
    {"acceleration": "squarem"},
    {"tol": 1e-3},
]
OF_SOFT_VOTES: list[dict[str, Any]] = [
    {"m_step": "em"},
    {"likelihood": "log_linear"},
    {"expectation": "enumerate"},
]


def told(paths: Any, out: Path, **options: Any) -> str:
    """Return what is said against a fusion, which must be refused."""
    with pytest.raises((ValueError, TypeError)) as caught:
        fastfuse.fuse_files(paths, out, labels="all", **options)
    assert not out.exists()
    return str(caught.value)


@pytest.mark.parametrize("option", OF_EM, ids=lambda one: next(iter(one)))
def test_options_of_em(tmp_path: Path, option: dict[str, Any]) -> None:
    """Of the majority of maps the offer is staple, which takes it; of networks, the segmentations beside them."""
    maps = saved(tmp_path / "maps")
    out = tmp_path / "o.nii"
    said = told(maps, out, method="majority", **option)
    assert re.search(r"leave it out, or choose (\S+)$", said)
    assert said.endswith("staple")
    fastfuse.fuse_files(maps, out, labels="all", method="staple", **option)
    networks = predicted(tmp_path, [classes(seed, 4) for seed in range(3)], NAMES)
    said = told(networks, tmp_path / "n.nii", **option)
    assert said.endswith("fuse the segmentations beside the .npz by staple")
    if option.get("knows") is None:
        beside = [path.with_name("case.nii.gz") for path in networks]
        fastfuse.fuse_files(beside, tmp_path / "n.nii", labels="all", method="staple", **option)


@pytest.mark.parametrize("option", OF_SOFT_VOTES, ids=lambda one: next(iter(one)))
@pytest.mark.parametrize("method", ["staple", "majority", None])
def test_options_of_soft_votes(tmp_path: Path, option: dict[str, Any], method: Any) -> None:
    """Nothing in files has them: none is offered."""
    networks = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    for paths in (saved(tmp_path / "maps"), *([networks] if method != "staple" else [])):
        assert re.search(
            r"no such option.*; leave it out$", told(paths, tmp_path / "o.nii", method=method, **option)
        )


def test_methods(tmp_path: Path) -> None:
    networks = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    out = tmp_path / "o.nii"
    assert told(saved(tmp_path / "m"), out, method="soft-staple").endswith("choose staple or majority")
    assert told(networks, out, method="soft-staple").endswith("choose majority")
    fastfuse.fuse_files(networks, out, labels="all", method="majority")


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_intervals_in_files_too(tmp_path: Path, method: Any) -> None:
    fusion = fastfuse.fuse_files(
        saved(tmp_path), tmp_path / "o.nii", labels="all", method=method, intervals="bootstrap", replicates=5
    )
    assert fusion.intervals is not None
    assert np.isfinite(fusion.intervals.sensitivity[0]).all()


@pytest.mark.parametrize("labels", [[4, 2, 1, 0], [1, 0, 2, 4], {4: "d", 0: "a", 2: "c", 1: "b"}])
@pytest.mark.parametrize("soft", [False, True])
def test_the_order_of_a_prior(labels: Any, soft: bool) -> None:
    """Beside labels in another order a list is ambiguous; a mapping is not."""
    votes: Any = raters()
    fuse: Any = fastfuse.staple
    if soft:
        votes = [0.9 * np.stack([one == label for label in labels]) + 0.025 for one in votes]
        fuse = fastfuse.simplified_soft_staple
    with pytest.raises(
        ValueError, match=r"not in ascending order: give a mapping of labels to probabilities"
    ):
        fuse(votes, labels=labels, prior=[0.1, 0.2, 0.3, 0.4])
    prior = {0: 0.4, 1: 0.3, 2: 0.2, 4: 0.1}
    np.testing.assert_allclose(fuse(votes, labels=labels, prior=prior).prior, [0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    "knows",
    [
        {3: [0, 1, 2], "rater 3": [0, 1]},
        {"rater 3": [0, 1, 2], 3: [0]},
        {0: LABELS, "rater 3": [0, 1, 2], 3: [0]},
    ],
)
def test_a_rater_named_twice(knows: Any) -> None:
    with pytest.raises(ValueError, match="knows names rater 3 twice: give all their labels at once"):
        fastfuse.staple(raters(), labels="all", knows=knows)


def test_pairs_of_knows_in_files(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    with pytest.raises(ValueError, match=r"knows names r3\.nii\.gz twice"):
        fastfuse.fuse_files(
            paths, tmp_path / "o.nii", labels="all", knows=(("3", (0, 1, 2)), ("r3", (0, 1)))  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.mark.parametrize("knows", [{3: [0, 1, 2]}, {"rater 3": [0, 1, 2], 0: [0, 1, 2, 4]}])
def test_an_estimate_keeps_to_what_raters_know(knows: Any) -> None:
    maps = raters()
    found = fastfuse.estimate(fastfuse.tabulate(maps, labels="all"), "staple", knows=knows)
    found.apply(maps)
    maps[3][0, 0, 0] = 4
    with pytest.raises(
        ValueError, match=r"rater 3 holds label 4 at 1 voxel.*knows says that they do not know it"
    ):
        found.apply(maps)
    maps[3][0, 0, 0] = 0
    found.apply(maps)


@pytest.mark.parametrize(
    ("known", "remedy"), [([1, 2], "add it there$"), ([0, 1], "or set it to 0 in their map$")]
)
def test_what_helps_where_a_rater_gives_what_they_do_not_know(known: list[int], remedy: str) -> None:
    """0 cannot be set to 0."""
    with pytest.raises(ValueError, match=remedy):
        fastfuse.staple(raters(), labels="all", knows={3: known})


@pytest.mark.parametrize(("labels", "said"), [([9], "9"), ([1, 9], "9"), ([7, 9, 2], "7, 9")])
def test_rings_of_labels_that_nobody_has(labels: list[int], said: str) -> None:
    maps = raters(2)
    image = np.random.default_rng(0).random(maps[0].shape)
    with pytest.warns(
        fastfuse.FusionWarning,
        match=f"no rater has label {said}, which was to grow: those that occur are 1, 2, 4",
    ):
        soft = fastfuse.soften_labels(maps, image, labels=labels, size=1.1)
    assert set(soft[0].sizes) == {1, 2} & set(labels)
    with pytest.raises(ValueError, match="labels holds 0, the background, which does not grow"):
        fastfuse.soften_labels(maps, image, labels=[0, *labels])


@pytest.mark.parametrize("labels", [3, 4, 7])
@pytest.mark.parametrize("m_step", ["em", "paper"])
def test_votes_that_tell_nothing(labels: int, m_step: Any) -> None:
    """All alike: whichever M-step, it is told that the votes hardly tell labels apart."""
    q = [np.full((labels, 6, 5), 1 / labels)] * 3
    with pytest.warns(fastfuse.FusionWarning, match="take the majority vote"):
        fastfuse.simplified_soft_staple(q, labels=range(labels), m_step=m_step)


def test_labels_are_not_doubted_without_need() -> None:
    rng = np.random.default_rng(0)
    q = [0.9 * np.eye(4)[rng.choice(4, 500, p=[0.97, 0.01, 0.01, 0.01])].T + 0.025 for _ in range(3)]
    fastfuse.majority_vote(q, labels=LABELS)
