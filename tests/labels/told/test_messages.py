"""What votes and labels are refused for, and the remedy that is named, tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse

from ...command import run_here
from ..files import LABELS, SHAPE, load, raters, saved

FUSE: list[Any] = [fastfuse.simplified_soft_staple, fastfuse.majority_vote]


def softmax(count: int = 4, shape: tuple[int, ...] = SHAPE) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.moveaxis(rng.dirichlet(np.ones(count), shape), -1, 0) for _ in range(3)]


@pytest.mark.parametrize("fuse", FUSE)
@pytest.mark.parametrize("shape", [SHAPE, (9, 7), (30,)])
@pytest.mark.parametrize("labels", ["all", LABELS])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_labels_last(fuse: Any, shape: tuple[int, ...], labels: Any) -> None:
    votes = softmax(shape=shape)
    last = [np.moveaxis(one, 0, -1) for one in votes]
    with pytest.raises(ValueError, match=r"the labels come first, as by numpy\.moveaxis\(votes, -1, 0\)"):
        fuse(last, labels=labels)
    again = fuse([np.moveaxis(one, -1, 0) for one in last], labels=labels)
    np.testing.assert_array_equal(again.label(), fuse(votes, labels=labels).label())


@pytest.mark.parametrize("fuse", FUSE)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_as_many_channels_as_labels(fuse: Any, count: int) -> None:
    told = f"it sums to 1 along {count} channels, and there are 4 labels: name the label of each channel"
    with pytest.raises(ValueError, match=told):
        fuse(softmax(count), labels=LABELS)


@pytest.mark.parametrize("fuse", FUSE)
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_votes_of_0(fuse: Any) -> None:
    """Outside a brain mask: a mask, or nan, and no softmax."""
    votes, outside = softmax(), np.zeros(SHAPE, bool)
    outside[:2] = True
    for one in votes:
        one[:, outside] = 0
    with pytest.raises(
        ValueError, match=r"votes are all 0 at voxel \(0, 0, 0\): leave such voxels out by mask"
    ) as bad:
        fuse(votes, labels=LABELS)
    assert "softmax" not in str(bad.value)
    masked = fuse(votes, labels=LABELS, mask=~outside)
    missing = [np.where(outside, np.nan, one) for one in votes]
    nan = fuse(missing, labels=LABELS, missing="nan")
    np.testing.assert_array_equal(nan.label()[~outside], masked.label()[~outside])


@pytest.mark.parametrize(
    ("scale", "told"), [(0.9, "divide them by their sum"), (1.2, "divide them"), (30, "look like logits")]
)
def test_sums_that_are_not_1(scale: float, told: str) -> None:
    votes = [scale * one for one in softmax()]
    with pytest.raises(ValueError, match=told):
        fastfuse.majority_vote(votes, labels=LABELS)
    fastfuse.majority_vote([one / one.sum(axis=0) for one in votes], labels=LABELS)


@pytest.mark.parametrize("of_first_voxel", [0.0, 0.001, 0.999])
def test_probabilities_of_structures_that_overlap(of_first_voxel: float) -> None:
    votes = [np.random.default_rng(seed).random((3, *SHAPE)) for seed in range(3)]
    for one in votes:
        one[:, 0, 0, 0] = of_first_voxel
    with pytest.raises(ValueError, match=r"overlap=True") as bad:
        fastfuse.majority_vote(votes, labels=LABELS[:3])
    assert "logits" not in str(bad.value)
    assert len(fastfuse.majority_vote(votes, labels=LABELS[:3], overlap=True)) == 3


def test_soft_votes_that_were_changed_before_a_volume_was_asked_for() -> None:
    votes = [np.array(one) for one in softmax()]
    fusion = fastfuse.majority_vote(votes, labels=LABELS)
    votes[1][:] = 0
    for volume in (fusion.label, fusion.entropy, lambda: fusion.probability(LABELS[1])):
        with pytest.raises(
            ValueError, match=r"^rater 1's votes were changed since they were fused.*fuse again"
        ):
            volume()


@pytest.mark.parametrize("fuse", [fastfuse.staple, fastfuse.majority_vote])
def test_an_empty_mask(tmp_path: Path, fuse: Any) -> None:
    with pytest.raises(ValueError, match="the mask is empty: there is no label to fuse"):
        fuse(raters(), labels="all", mask=np.zeros(SHAPE))
    nothing = np.full((3, *SHAPE), np.nan)
    with pytest.raises(ValueError, match="every vote is missing: there is no label to fuse"):
        fuse(nothing, labels="all", missing="nan")


@pytest.mark.parametrize("labels", ["all", list(range(65535))])
@pytest.mark.filterwarnings("ignore:no voxel is in doubt")
def test_more_labels_than_fit(labels: Any) -> None:
    maps = [np.arange(70000 if labels == "all" else 65535)] * 3
    with pytest.raises(ValueError, match=r"fuse one label at a time by select_label=K$"):
        fastfuse.staple(maps, labels=labels)
    assert fastfuse.staple(maps, select_label=9).label().sum() == 1


@pytest.mark.parametrize("value", [2**53 + 1, 2**60, 2**63])
def test_labels_beyond_53_bits(value: int) -> None:
    maps = [np.array([0, 1, 2**53 if value < 2**54 else 2, value], np.uint64)] * 3
    with pytest.raises(
        ValueError, match=r"holds a label of about .*beyond 2\^53 labels cannot be told apart"
    ):
        fastfuse.staple(maps, labels="all")
    fastfuse.majority_vote([np.minimum(one, np.uint64(2**52)) for one in maps], labels="all")


def test_float_labels_in_the_shell(tmp_path: Path) -> None:
    """No message in the shell names what cannot be typed."""
    maps = raters()
    for k, one in enumerate(maps):
        np.save(tmp_path / f"r{k}.npy", one + 0.3)
    done = run_here(tmp_path, "fuse", *[f"r{k}.npy" for k in range(4)], "-o", "o.nii", "--labels", "all")
    assert done.returncode == 2
    assert "without --labels" in done.stderr
    assert "labels=" not in done.stderr


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_names_with_commas_and_numbers(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    names = tmp_path / "n.tsv"
    names.write_text(
        "index\tname\n0\tbg\n1\tgyrus, anterior division\n2\tgyrus, posterior division\n4\ta, b, c\n"
    )
    files = [f"r{k}.nii.gz" for k in range(4)]
    common = ["-o", "o.nii", "--labels", "all", "--label-names", "n.tsv", "--overwrite"]
    done = run_here(
        tmp_path, "fuse", *files, *common, "--save-probability", "gyrus, anterior division=p.nii",
        "--save-probability", "gyrus, posterior division,a, b, c,0=q.nii", "--knows", "r3=bg,gyrus,anterior division,2",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    fusion = fastfuse.staple(raters(), labels="all", knows={3: [0, 1, 2]})
    np.testing.assert_array_equal(load(tmp_path / "p.nii"), fusion.probability(1))
    np.testing.assert_array_equal(load(tmp_path / "q.nii"), fusion.probability([2, 4, 0]))
    done = run_here(tmp_path, "fuse", *files, *common, "--save-probability", "gyrus=p.nii")
    assert "the names are 'bg', 'gyrus, anterior division'" in done.stderr
    names.write_text("index\tname\n0\tbg\n2\t1\n4\tx\n")
    with pytest.raises(
        ValueError, match="label 2 is called '1', and label 1 has no name but its number: give it one"
    ):
        fastfuse.fuse_files(paths, tmp_path / "x.nii", labels="all", label_names=names)
    names.write_text("index\tname\n0\tbg\n2\t1\n4\tx\n1\ty\n")
    assert (
        fastfuse.fuse_files(paths, tmp_path / "x.nii", labels="all", label_names=names).label_names[2] == "1"
    )


def test_no_dirichlet_prior_in_the_shell(tmp_path: Path) -> None:
    """ITK's MultiLabelSTAPLE, as Python has it by performance_prior=None; and what the help lists."""
    saved(tmp_path)
    files = [f"r{k}.nii.gz" for k in range(4)]
    plain = fastfuse.staple(
        raters(), labels="all", init="itk", candidates="all", performance_prior=None, knows={3: [0, 1, 2]}
    )
    for words in (["--performance-prior", "none"], ["--performance-prior=none"]):
        done = run_here(
            tmp_path, "fuse", *files, "-o", "o.nii", "--labels", "all", "--init", "itk", "--candidates", "all",
            "--knows", "3=0,1,2", "--save-probability", "4=p.nii", "--overwrite", *words,
        )  # fmt: skip
        assert done.returncode == 0
        np.testing.assert_array_equal(load(tmp_path / "p.nii"), plain.probability(4))
    done = run_here(
        tmp_path, "fuse", *files, "-o", "o.nii", "--labels", "all", "--performance-prior", "none", "1"
    )
    assert done.returncode == 2
    shown = " ".join(run_here(tmp_path, "fuse", "--help", columns=200).stdout.split())
    for word in ("plurality", "itk", "S D", "none: no prior", "0=X,4=X"):
        assert word in shown
