"""What nothing determines is nan or null, counts in no mean, and a prior leaves no voxel without probabilities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.report.labels import table_of_means

from ..files import LABELS, raters, save

FUSE = {
    "staple": fastfuse.staple,
    "majority": fastfuse.majority_vote,
    "soft-staple": fastfuse.soft_staple,
    "simplified-soft-staple": fastfuse.simplified_soft_staple,
}


def maps(count: int = 4) -> np.ndarray:
    return np.stack(raters(count))


def one_hot(votes: np.ndarray, labels: Any, weight: float = 0.9) -> list[np.ndarray]:
    """Return soft votes: the rest of each goes to the first label."""
    soft = [np.stack([one == label for label in labels]) * weight for one in votes]
    for one in soft:
        one[0] += 1 - weight
    return soft


@pytest.mark.parametrize("method", list(FUSE))
@pytest.mark.parametrize(("labels", "absent"), [((0, 1, 2, 4, 9), [9]), ((-3, 0, 1, 2, 3, 4), [-3, 3])])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_labels_that_nobody_gives(method: str, labels: tuple[int, ...], absent: list[int]) -> None:
    votes: Any = maps()
    if "soft" in method:
        ground = labels.index(0)
        votes = [np.roll(one, 1, axis=0) * 0 + one for one in one_hot(votes, labels)]
        for one in votes:
            one[ground] += one[0] - (maps()[0] == labels[0]) if ground else 0
            one[0] = 0 if ground else one[0]
        votes = [one / one.sum(axis=0) for one in votes]
    fusion = FUSE[method](votes, labels=labels)
    codes = [labels.index(label) for label in absent]
    others = np.delete(np.arange(len(labels)), codes)
    assert np.isnan(fusion.confusion[:, codes]).all()
    assert np.isfinite(fusion.sensitivity[:, others]).all()
    assert all(np.isnan(row["sensitivity"]) for row in fusion.table() if row["label"] in absent)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_where_a_rater_does_not_vote() -> None:
    """A rater who votes nowhere where a label is thought true has no sensitivity for it; others have."""
    votes = maps().astype(np.float32)
    votes[0][(votes[1:] == 4).any(axis=0)] = np.nan
    votes[0][votes[0] == 4] = np.nan
    fusion = fastfuse.staple(votes, labels="all", missing="nan")
    assert np.isnan(fusion.sensitivity[0, 3])
    assert np.isfinite(fusion.sensitivity[1:]).all()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_estimate_applies_as_before() -> None:
    """Rates that no estimate shows are those of the Dirichlet, where a given prior lets the label come up later."""
    table = fastfuse.tabulate(maps(), labels=[*LABELS, 9])
    prior = [0.6, 0.1, 0.1, 0.1, 0.1]
    found = fastfuse.estimate(table, "staple", prior=prior, performance_prior=(50, 0.9))
    assert np.isnan(found.sensitivity[:, 4]).all()
    later = np.where(maps() == 4, 9, maps())
    fusion = found.apply(later)
    assert (fusion.label()[(later == 9).sum(axis=0) > 2] == 9).all()


@pytest.mark.parametrize("intervals", ["none", "bootstrap"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_sidecar_and_means(tmp_path: Path, intervals: str) -> None:
    """The mean sensitivity is that without the label; a map of one label has PPV for one, which is said."""
    paths = [save(tmp_path / f"r{i}.nii", one.astype(np.uint8)) for i, one in enumerate(raters(5))]
    save(paths[4], (raters(5)[3] == 1).astype(np.uint8))
    facts = {}
    resampling: Any = {"replicates": 5} if intervals == "bootstrap" else {}
    for name, labels in (("with", [*LABELS, 9]), ("without", LABELS)):
        fastfuse.fuse_files(
            paths, tmp_path / f"{name}.nii", labels=labels, intervals=intervals, **resampling
        )  # fmt: skip
        facts[name] = json.loads((tmp_path / f"{name}.json").read_text())
    assert all(rater["labels"][4]["sensitivity"] is None for rater in facts["with"]["raters"])
    means, said = table_of_means(facts["with"])
    without, _ = table_of_means(facts["without"])
    assert [row.cells for row in means.rows] == [row.cells for row in without.rows]
    assert means.title == "staple of 5 raters: means over 3 of 4 labels, background left out"
    assert without.title == "staple of 5 raters: means over 3 labels, background left out"
    lone = dict(zip([column.title for column in means.columns], means.rows[4].cells, strict=True))
    assert lone["PPV"].endswith("\nof 1")
    assert "\n" not in lone["sens."]
    assert any("a rater never gives a label" in line for line in said)


@pytest.mark.parametrize("candidates", ["voted", "all"])
@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple"])
@pytest.mark.parametrize(
    "prior", [[1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0], {0: 0, 1: 0, 2: 0.5, 4: 0.5}]
)
def test_priors_with_zeros(prior: Any, method: str, candidates: str) -> None:
    given: Any = maps() if method == "staple" else one_hot(maps(), LABELS)
    excluded = [
        label
        for label, share in zip(
            LABELS, list(prior.values()) if isinstance(prior, dict) else prior, strict=True
        )
        if not share
    ]
    with pytest.warns(fastfuse.FusionWarning, match="prior is 0 for label") as caught:
        fusion = FUSE[method](given, labels=LABELS, prior=prior, candidates=candidates, dtype="float64")
    assert ", ".join(map(str, excluded)) in str(caught[0].message)
    total = sum(fusion.probability(label) for label in LABELS)
    np.testing.assert_allclose(total, 1, atol=1e-9)
    assert (fusion.confidence() >= 1 / 4).all()
    np.testing.assert_allclose(fusion.prior.sum(), 1)


@pytest.mark.filterwarnings("ignore:(rater 0 and rater 3 hold|.*nobody votes for label)")
def test_a_prior_may_exclude_what_nobody_votes() -> None:
    fusion = fastfuse.staple(
        raters(5)[:3] + raters(5)[:1], labels=[*LABELS, 9], prior=[0.4, 0.2, 0.2, 0.2, 0]
    )
    assert fusion.prior[4] == 0
