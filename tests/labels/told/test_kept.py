"""Fusions of labels are pickled and copied; labels beyond 32 bits and long names are written; figures say what they take."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import LabelFusion

from ...command import run_here
from ...images.networks import classes, regions
from ..files import LABELS, NAMES, SHAPE, raters, save, saved
from ..test_networks import NAMES as OF_NETWORKS
from ..test_networks import ORDER, REGIONS, predicted

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def soft(weight: float = 0.9) -> list[np.ndarray]:
    return [np.stack([one == label for label in LABELS]) * weight + (1 - weight) / 4 for one in raters()]


def softmax() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [0.5 * one + 0.5 * rng.dirichlet(np.ones(4), SHAPE).transpose(3, 0, 1, 2) for one in soft(1.0)]


def atlas() -> np.ndarray:
    return np.asarray(np.random.default_rng(1).dirichlet(np.ones(4), SHAPE).transpose(3, 0, 1, 2))


def with_missing() -> np.ndarray:
    votes = np.stack(raters()).astype(float)
    votes[np.random.default_rng(2).random(votes.shape) < 0.2] = np.nan
    return votes


def rings() -> list[Any]:
    image = np.random.default_rng(0).random(SHAPE)
    return fastfuse.soften_labels(raters(), image, size=1.1)


MADE: dict[str, Callable[[], LabelFusion]] = {
    "hard": lambda: fastfuse.staple(raters(), labels=NAMES, undecided=9, intervals="bootstrap", replicates=5),
    "mask": lambda: fastfuse.staple(raters(), labels="all", mask=np.stack(raters()).any(axis=0)),
    "missing": lambda: fastfuse.staple(with_missing(), labels="all", missing="nan", dtype="float64"),
    "vote": lambda: fastfuse.majority_vote(raters(), labels="all", weights=[1, 2, 3, 4]),
    "two": lambda: fastfuse.staple([one > 0 for one in raters()], labels="all"),
    "fortran": lambda: fastfuse.staple([np.asfortranarray(one) for one in raters()], labels="all"),
    "atlas": lambda: fastfuse.staple(raters(), labels="all", prior=atlas()),
    "simplified": lambda: fastfuse.simplified_soft_staple(softmax(), labels=LABELS, m_step="em"),
    "log-linear": lambda: fastfuse.simplified_soft_staple(softmax(), labels=LABELS, likelihood="log_linear"),
    "truncated": lambda: fastfuse.soft_staple(softmax(), labels=LABELS, truncation=0.05, m_step="em"),
    "few values": lambda: fastfuse.soft_staple(soft(), labels=LABELS, candidates="all"),
    "rings": lambda: fastfuse.soft_staple(rings(), labels=LABELS),
    "mean": lambda: fastfuse.majority_vote(softmax(), labels=LABELS, undecided=7),
    "soft atlas": lambda: fastfuse.simplified_soft_staple(softmax(), labels=LABELS, prior=atlas()),
    "applied": lambda: fastfuse.estimate(fastfuse.tabulate(raters(), labels="all"), "staple").apply(raters()),
}


def check_same(one: LabelFusion, other: LabelFusion) -> None:
    assert repr(one) == repr(other)
    np.testing.assert_array_equal(one.label(), other.label())
    assert one.label().dtype == other.label().dtype
    for call in ("confidence", "entropy"):
        np.testing.assert_array_equal(getattr(one, call)(), getattr(other, call)())
    for label in one.labels:
        np.testing.assert_array_equal(one.probability(label), other.probability(label))
    np.testing.assert_array_equal(one.top(2)[0], other.top(2)[0])
    np.testing.assert_equal(one.table(), other.table())


@pytest.mark.parametrize("kind", list(MADE))
def test_pickle_and_copy(kind: str) -> None:
    fusion = MADE[kind]()
    kept = pickle.dumps(fusion)
    wanted = fusion.label()
    for again in (pickle.loads(kept), copy.deepcopy(fusion), copy.copy(fusion)):
        check_same(fusion, again)
    del fusion  # whose arrays no copy may need
    np.testing.assert_array_equal(pickle.loads(kept).label(), wanted)


def test_networks_fusions(tmp_path: Path) -> None:
    made = predicted(tmp_path / "a", [classes(seed, 4) for seed in range(2)], OF_NETWORKS)
    painted = predicted(tmp_path / "b", [regions(seed) for seed in range(2)], REGIONS, order=ORDER)
    for k, paths in enumerate((made, painted)):
        fusion = fastfuse.fuse_files(paths, tmp_path / f"{k}.nii", labels="all")
        again = pickle.loads(pickle.dumps(fusion))
        np.testing.assert_array_equal(fusion.label(), again.label())
        assert repr(fusion) == repr(again)


@pytest.mark.parametrize(
    ("low", "high", "kind"), [(1, 2**31 + 5, "uint32"), (-7, 2**31 + 5, "int64"), (1, 2**40, "uint64"), (-(2**40), 4, "int64")]
)  # fmt: skip
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_labels_beyond_32_bits(tmp_path: Path, low: int, high: int, kind: str, ending: str) -> None:
    paths = []
    for k, one in enumerate(raters()):
        votes = one.astype(np.int64)
        votes[one == 1], votes[one == 4] = low, high
        paths.append(save(tmp_path / f"r{k}{ending}", votes))
    out = tmp_path / f"o{ending}"
    if kind.endswith("64"):
        with pytest.warns(fastfuse.FusionWarning, match=f"labels beyond 32 bits are written as {kind}"):
            fusion = fastfuse.fuse_files(paths, out, labels="all", method="majority")
    else:
        fusion = fastfuse.fuse_files(paths, out, labels="all", method="majority")
    image = nib.load(out)
    assert image.get_data_dtype() == kind
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), fusion.label())
    assert {low, high} <= set(np.unique(fusion.label()).tolist())
    again = fastfuse.fuse_files([out, *paths[:2]], tmp_path / f"p{ending}", labels="all", method="majority")
    assert set(again.labels) == {0, 2, low, high}


@pytest.mark.parametrize("undecided", [5_000_000_000, -5_000_000_000])
def test_undecided_beyond_32_bits(tmp_path: Path, undecided: int) -> None:
    paths = saved(tmp_path)
    fusion = fastfuse.fuse_files(
        paths[:2], tmp_path / "o.nii", labels="all", method="majority", undecided=undecided
    )
    assert (
        (np.asanyarray(nib.load(tmp_path / "o.nii").dataobj) == undecided).sum()
        == (fusion.label() == undecided).sum()
        > 0
    )


@pytest.mark.parametrize(
    "code",
    [
        "import fastfuse.plots; fastfuse.plots.confusion",
        "from fastfuse.plots import confusion",
        "from fastfuse import plots; import fastfuse.plots as p; assert p is plots",
        "import fastfuse.phantom; fastfuse.phantom.RATERS",
        "import fastfuse, sys; assert 'matplotlib' not in sys.modules",
    ],
)
def test_plots_are_imported(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_figures_take_fusions_and_estimates_of_labels(tmp_path: Path) -> None:
    labels = {0: "background", 1: "$a$ " + "long name " * 9, 2: "b" * 80, 4: "%"}
    fusion = fastfuse.staple(raters(), labels=labels)
    found = fastfuse.estimate(fastfuse.tabulate(raters(), labels=labels), "staple")
    plain = fastfuse.staple(raters(), labels={0: "background", 1: "a", 2: "b", 4: "%"})
    sizes = []
    for k, one in enumerate((fusion, found, plain)):
        fastfuse.plots.confusion(tmp_path / f"{k}.png", one)
        sizes.append(matplotlib.image.imread(tmp_path / f"{k}.png").shape)
    assert sizes[0] == sizes[1]
    assert sizes[0][1] < 1.5 * sizes[2][1]  # long names do not widen it by more
    others: list[Any] = [fastfuse.staple([one > 0 for one in raters()]), found.confusion, "fusion", None]
    for other in others:
        with pytest.raises(TypeError, match=r"takes a LabelFusion or a LabelEstimate, as of fastfuse"):
            fastfuse.plots.confusion(tmp_path / "x.png", other)


@pytest.mark.parametrize("columns", [60, 80])
def test_intervals_and_long_names_in_the_terminal(tmp_path: Path, columns: int) -> None:
    saved(tmp_path)
    (tmp_path / "n.tsv").write_text(
        "index\tname\n"
        + "".join(f"{label}\tLeft-Hippocampus-subfield-number-{label}-and-more\n" for label in LABELS)
    )
    done = run_here(
        tmp_path, "fuse", *[f"r{k}.nii.gz" for k in range(4)], "-o", "o.nii", "--labels", "all", "--label-names", "n.tsv",
        "--intervals", "bootstrap", "--replicates", "20", columns=columns,
    )  # fmt: skip
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= columns
    assert "Below the sensitivities: 95 % intervals" in done.stdout
    assert done.stdout.count("–") >= 12
    for label in LABELS:
        assert f"… ({label})" in done.stdout
    for line in done.stdout.splitlines():
        assert not line.rstrip().endswith(")")  # a label's volume stays beside it
