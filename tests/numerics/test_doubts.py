"""What is said of a doubtful fusion: derived from what is written, at the cut, and with a remedy that works."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

import fastfuse
from fastfuse.fusion.case import Case
from fastfuse.fusion.doubts import comparison, consensus
from fastfuse.fusion.doubts.comparison import Comparison, are_probabilities, compare, compared
from fastfuse.fusion.doubts.evidence import Evidence
from fastfuse.fusion.options import Options
from fastfuse.fusion.votes import Votes

from ..doors import fuse_arrays
from ..problems import simulated_raters, soften

SHAPE = (40, 40, 32)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * int((a & b).sum()) / max(1, int(a.sum() + b.sum()))


def ensemble(seed: int, floor: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return lesions, and five networks' probabilities of them, none below the floor."""
    rng = np.random.default_rng(seed)
    grid = np.indices(SHAPE)
    truth = np.zeros(SHAPE, bool)
    for _ in range(5):
        centre = [rng.integers(6, side - 6) for side in SHAPE]
        radius = rng.uniform(1.5, 4.5)
        truth |= sum((grid[a] - centre[a]) ** 2 for a in range(3)) <= radius**2
    signed = distance_transform_edt(truth) - distance_transform_edt(~truth)
    votes = []
    for _ in range(5):
        noise = gaussian_filter(rng.normal(size=SHAPE), 2.5)
        logit = 1.5 * (signed + rng.normal(-0.3, 0.5)) + 1.2 * noise / noise.std()
        votes.append(np.maximum(1 / (1 + np.exp(-logit)), floor).astype(np.float32))
    return truth, votes


FITS: list[tuple[str, dict[str, Any]]] = [
    ("soft-staple", {}),
    ("soft-staple", {"m_step": "em", "prior": "estimate"}),
    ("simplified-soft-staple", {}),
    ("simplified-soft-staple", {"m_step": "em", "prior": "estimate"}),
]


@pytest.mark.parametrize("floor", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("seed", range(4))
def test_networks_that_agree(seed: int, floor: float) -> None:
    """A fit that is far worse than the mean is warned of, and the mean is what the warning advises."""
    truth, votes = ensemble(seed, floor)
    mean = fastfuse.majority_vote(votes).label().astype(bool)
    reached = dice(mean, truth)
    assert reached > 0.85
    for method, options in FITS:
        fused, remarks = fuse_arrays(votes, method, **options)
        if dice(fused.label().astype(bool), truth) < reached - 0.1:
            assert any("for networks' probabilities take the mean (method='majority')" in r for r in remarks)


def test_some_of_these_fits_are_bad() -> None:
    """Else the test above would show nothing."""
    for seed in range(8):
        truth, votes = ensemble(seed, 0.03)
        mean = fastfuse.majority_vote(votes).label().astype(bool)
        fused, remarks = fuse_arrays(votes, "simplified-soft-staple", m_step="em", prior="estimate")
        if dice(fused.label().astype(bool), truth) < dice(mean, truth) - 0.1:
            assert "take the mean (method='majority')" in " ".join(remarks)
            assert "m_step='em'" not in " ".join(remarks), "what is set is not advised"
            assert "prior='estimate'" not in " ".join(remarks)
            return
    raise AssertionError("no fit is bad")


@pytest.mark.parametrize("seed", range(12))
def test_ordinary_raters_are_not_warned_of(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = simulated_raters(rng, int(rng.integers(3, 8)), 4000, prevalence=0.2)
    for method, votes in (
        ("staple", masks),
        ("soft-staple", soften(rng, masks, "three-valued")),
        ("simplified-soft-staple", soften(rng, masks, "three-valued")),
    ):
        for options in ({}, {"prior": "estimate"}):
            _, remarks = fuse_arrays(list(votes), method, **options)
            assert remarks == []


def test_far_from_every_rater() -> None:
    """Raters who mark other places: their consensus is that of none of them. The mean marks what they mark."""
    masks = np.zeros((3, 4000))
    for i in range(3):
        masks[i, 40 * i : 40 * i + 50] = 1
    fused, remarks = fuse_arrays(list(masks), "staple", prior=1e-4, init=0.9)
    assert fused.label().sum() < 50
    assert any(re.search(r"empty at the cut|far from every rater", remark) for remark in remarks)


def test_comparison_counts_voxels() -> None:
    rng = np.random.default_rng(0)
    votes = rng.random((3, 6, 7, 8)).astype(np.float32)
    votes[1, :2] = np.nan
    mask = rng.random((6, 7, 8)) < 0.7
    looked = [None, None, rng.random((6, 7, 8)) < 0.8]
    for order in ("C", "F"):
        raters = [np.asarray(vote, order=order) for vote in votes]
        options = Options(missing="nan").checked()
        case = Case.of(Votes(raters, mask=mask, present=looked), options)
        written = np.where(mask, rng.random((6, 7, 8)), 0).astype(np.float32)
        found = compare(written, case, options, 0.4)
        label = written >= np.float32(0.4)
        assert found.volume == label.sum()
        seen = [
            mask & ~np.isnan(vote) & (True if at is None else at)
            for vote, at in zip(votes, looked, strict=True)
        ]
        for i, vote in enumerate(votes):
            marked = seen[i] & (vote >= np.float32(0.4))
            assert found.volumes[i] == marked.sum()
            assert found.dice[i] == pytest.approx(dice(marked, label & seen[i]))
        total = sum(np.where(at, vote, 0).astype(float) for vote, at in zip(votes, seen, strict=True))
        mean = (total >= 0.4 * sum(np.asarray(seen, int))) & np.any(seen, axis=0)
        assert found.mean_dice == pytest.approx(dice(mean, label))


@pytest.mark.parametrize(
    ("values", "dense"),
    [([0, 1], False), ([0, 0.3, 1], False), ([0, 0.1, 0.2, 0.25, 0.5], False), (None, True)],
)
def test_networks_are_told_by_their_values(values: list[float] | None, dense: bool) -> None:
    rng = np.random.default_rng(0)
    for floor in (0.0, 0.03):
        votes = rng.random((3, 4000)) if values is None else rng.choice(values, (3, 4000))
        votes[:, :3000] = floor
        options = Options().checked()
        assert are_probabilities(Case.of(Votes(list(votes.astype(np.float32))), options), options) == dense


# --- what is said agrees with what is written ----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("below", [1e-3, 1e-8, 2e-9, 1e-12, 0.0, -1e-12])
@pytest.mark.parametrize("number", [0.5, 0.3, 0.7])
def test_empty_and_full_agree_with_the_mask(number: float, below: float, dtype: str) -> None:
    """At the cut that was asked for, in the precision in which the probability is written."""
    from fastfuse.fusion.pipeline import fuse_votes
    from fastfuse.fusion.registry import method_called

    high = np.full((2, 50), number - below)
    high[:, :25] = 0.01
    for votes, word, extreme in ((high, "empty", np.max), (1 - high, "full", np.min)):
        given = Votes(list(votes), dtype=dtype)
        for cut in (number, 1 - number, 0.2):
            fused, remarks = fuse_votes(given, method_called("majority"), Options(), cut=cut)
            label = fused.label(cut)
            is_so = not label.any() if word == "empty" else bool(label.all())
            said = [remark for remark in remarks if f"consensus is {word}" in remark]
            assert bool(said) == is_so
            if said:
                shown = float(re.search(r"probability is ([0-9.e-]+)\)", said[0])[1])
                assert (shown >= cut) == (word == "full"), "the number shown does not contradict the cut"
                assert shown == pytest.approx(float(extreme(fused.probability)), rel=1e-2)
                assert f"at the cut {cut:g}" in said[0]


def majority_of_files(paths: list[Path], **options: Any) -> tuple[str, int]:
    """Fuse files beside themselves; return what is said, and how many voxels the written mask marks."""
    folder = paths[0].parent
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastfuse.fuse_files(
            paths,
            folder / "c.nii",
            method="majority",
            save_label=folder / "l.nii",
            overwrite=True,
            **options,
        )
    marked = int(np.asarray(nib.load(folder / "l.nii").dataobj).sum())
    return " ".join(str(one.message) for one in caught), marked


def test_files_are_judged_at_their_cut(tmp_path: Path) -> None:
    """An empty mask is warned of, and a mask with voxels is not, whatever lies above 0.5."""
    rng = np.random.default_rng(0)
    for i in range(3):
        votes = np.where(rng.random((8, 8, 8)) < 0.3, 0.4, 0.05).astype(np.float32)
        nib.save(nib.Nifti1Image(votes, np.eye(4)), tmp_path / f"r{i}.nii")
    paths = [tmp_path / f"r{i}.nii" for i in range(3)]
    for cut in (0.2, 0.5, 0.9):
        said, marked = majority_of_files(paths, cut=cut)
        assert ("consensus is empty" in said) == (marked == 0)
        facts = json.loads((tmp_path / "c.json").read_text())
        assert facts["foreground"]["voxels"] == marked


def test_files_are_judged_by_their_ties(tmp_path: Path) -> None:
    """Two raters of two places: all is a tie."""
    for i in range(2):
        votes = np.zeros((4, 4, 4), np.uint8)
        votes[i] = 1
        nib.save(nib.Nifti1Image(votes, np.eye(4)), tmp_path / f"r{i}.nii")
    paths = [tmp_path / f"r{i}.nii" for i in range(2)]
    for ties, marked in (("foreground", 32), ("background", 0)):
        said, written = majority_of_files(paths, ties=ties)
        assert written == marked
        assert ("empty at the cut 0.5, which its highest probability is" in said) == (marked == 0)


def test_full_inside_a_mask_is_not_full_everywhere() -> None:
    votes = np.ones((3, 20))
    _, remarks = fuse_arrays(list(votes), "staple")
    assert "the probability is 1 everywhere" in remarks[0]
    fused, remarks = fuse_arrays(list(votes), "staple", mask=np.arange(20) < 5)
    assert "the probability is 1 on all voxels that are fused" in remarks[0]
    assert fused.probability.sum() == 5


# --- remedies --------------------------------------------------------------------------------------------------


def stopped(votes: Any, **options: Any) -> str:
    fused, remarks = fuse_arrays(list(votes), "simplified-soft-staple", max_iter=8, **options)
    assert not fused.converged
    return next(remark for remark in remarks if remark.startswith("stopped at max_iter = 8"))


def test_what_helps_where_em_stops_early() -> None:
    votes = np.random.default_rng(5).random((4, 3000))
    said = stopped(votes, m_step="em")
    assert said.endswith("try acceleration='squarem', a larger max_iter or a mask")
    fused, remarks = fuse_arrays(
        list(votes), "simplified-soft-staple", m_step="em", acceleration="squarem", max_iter=3000
    )
    assert fused.converged
    assert not any("stopped" in remark for remark in remarks)


def test_nothing_is_advised_that_is_set() -> None:
    votes = np.random.default_rng(5).random((4, 3000))
    mask = np.ones(3000, bool)
    for given, word in (
        ({"acceleration": "squarem"}, "squarem"),
        ({"mask": mask}, "a mask"),
        ({"roi": 3.0, "spacing_mm": [1.0]}, "a mask"),
    ):
        assert word in stopped(votes, m_step="em")
        assert word not in stopped(votes, m_step="em", **given)
    assert "a fixed prior" in stopped(votes, m_step="em", prior="estimate")
    assert "a fixed prior" not in stopped(votes, m_step="em", prior=0.3)
    assert "squarem" not in stopped(votes.reshape(4, 60, 50), m_step="em", mrf=0.1)
    assert "a fixed prior" not in stopped(votes, m_step="em", prior=np.linspace(0.1, 0.9, 3000))


def test_remedies_of_a_fit_that_tells_nothing() -> None:
    """Dense votes: the mean first, then what is not set yet."""
    rng = np.random.default_rng(0)
    truth = rng.random(4000) < 0.05
    votes = np.clip(np.where(truth, 0.85, 0.15) + rng.normal(0, 0.15, (5, truth.size)), 0, 1)
    _, remarks = fuse_arrays(list(votes), "soft-staple")
    assert remarks[0].endswith(
        "for networks' probabilities take the mean (method='majority'), or try m_step='em' or a mask"
    )
    _, remarks = fuse_arrays(list(votes), "soft-staple", prior="estimate", mask=np.ones(4000, bool))
    assert remarks[0].endswith("take the mean (method='majority'), or try m_step='em'")
    assert np.array_equal(fastfuse.majority_vote(list(votes)).label(), truth)


def of_five() -> list[np.ndarray]:
    return list(simulated_raters(np.random.default_rng(0), 5, 960).reshape(5, 12, 10, 8))


FAINT = "the highest vote is {} where the others' is 1: if it was stored at another scale"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("method", ["soft-staple", "simplified-soft-staple", "majority"])
@pytest.mark.parametrize("faint", [(2,), (0,), (0, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_whose_highest_vote_is_next_to_nothing(
    dtype: Any, method: str, faint: tuple[int, ...], order: str
) -> None:
    """As of a mask that was stored as 0 and 1/255; taking what is above 0 makes a mask of it."""
    masks = of_five()
    votes = [np.asarray(mask, dtype, order=order) for mask in masks]
    for at in faint:
        votes[at] = votes[at] / dtype(255)
    _, remarks = fuse_arrays(votes, method)
    named = " and ".join(f"rater {at}" for at in faint)
    [told] = [one for one in remarks if "highest vote" in one]
    assert told.startswith(
        f"{named}: {FAINT.format('0.0039')}, write it again as votes in [0, 1]; of masks, "
    )
    assert told.endswith("binarize=True (--binarize) takes all that is above 0")
    fused, remarks = fuse_arrays(votes, method, binarize=True)
    assert "highest vote" not in " ".join(remarks)
    expected = fuse_arrays(masks, method)[0].probability
    np.testing.assert_allclose(fused.probability, expected, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda vote: vote,  # a mask
        lambda vote: 0 * vote,  # which marks nothing, as is said
        lambda vote: np.where(vote > 0, 0.1, 0.001),  # a network that is not sure
        lambda vote: np.where(np.indices(vote.shape)[0] == 0, 1, vote / 255),  # some vote is high
        lambda vote: vote.astype(np.uint8),
    ],
)
def test_whose_highest_vote_is_ordinary(change: Any) -> None:
    masks = [mask.astype(np.float64) for mask in of_five()]
    masks[1] = change(masks[1])
    assert "highest vote" not in " ".join(fuse_arrays(masks, "majority")[1])


def test_all_of_whom_vote_next_to_nothing() -> None:
    """Then their scales do not differ; that the consensus is empty is said."""
    masks = [mask / 255 for mask in of_five()]
    remarks = " ".join(fuse_arrays(masks, "majority")[1])
    assert "highest vote" not in remarks
    assert "the consensus is empty at the cut 0.5" in remarks


@pytest.mark.parametrize("threads", [1, 2])
def test_floats_compare_as_other_votes_do(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Halves and floats are compared by the core, others by NumPy: the same numbers, also at the cut itself."""
    rng = np.random.default_rng(6)
    shape = (13, 40, 50)
    votes = [np.round(rng.random(shape) * 20).astype(np.float32) / np.float32(20) for _ in range(3)]
    votes[1] = votes[1].astype(np.float16)
    votes[2] = np.asfortranarray(votes[2])
    written = np.round(rng.random(shape) * 20).astype(np.float32) / np.float32(20)
    options = Options(threads=threads).checked()
    case = Case.of(Votes(votes), options)
    for cut in (0.3, 0.45, 0.5, 0.9999):
        by_core = compare(written, case, options, cut)
        with monkeypatch.context() as patch:
            patch.setattr(comparison, "_are_floats_everywhere", lambda *_: False)
            by_numpy = compare(written, case, options, cut)
        assert by_core.volume == by_numpy.volume
        assert by_core.mean_dice == by_numpy.mean_dice
        np.testing.assert_array_equal(by_core.volumes, by_numpy.volumes)
        np.testing.assert_array_equal(by_core.dice, by_numpy.dice)
        assert by_core.volumes[0] == np.count_nonzero(votes[0] >= np.float32(cut))


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("method", ["staple", "soft_staple", "simplified_soft_staple"])
def test_a_table_compares_as_voxels_do(monkeypatch: pytest.MonkeyPatch, method: str, masked: bool) -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(SHAPE) < 0.2
    votes = [(truth ^ (rng.random(SHAPE) < 0.2)).astype(np.float32) for _ in range(4)]
    if method != "staple":
        votes[0][votes[0] == 0] = rng.choice([0, 0.3], SHAPE).astype(np.float32)[votes[0] == 0]
    votes[3] = np.where(rng.random(SHAPE) < 0.1, np.nan, votes[3])
    asked: list[Evidence] = []

    def noted(evidence: Evidence) -> Comparison:
        asked.append(evidence)
        return compared(evidence)

    monkeypatch.setattr(consensus, "compared", noted)
    mask = rng.random(SHAPE) < 0.7 if masked else None
    getattr(fastfuse, method)(votes, mask=mask, missing="nan")
    [evidence] = asked
    assert evidence.found.table is not None
    assert evidence.case is not None
    by_voxels = compare(evidence.fusion.probability, evidence.case, evidence.options, evidence.cut)
    by_table = compared(evidence)
    assert by_table.volume == by_voxels.volume > 0
    for name in ("volumes", "dice"):
        np.testing.assert_array_equal(getattr(by_table, name), getattr(by_voxels, name))
    assert by_table.mean_dice == by_voxels.mean_dice
