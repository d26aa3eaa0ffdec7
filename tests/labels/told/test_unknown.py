"""Labels that a rater does not know: undefined wherever something is said of the rater, and the consensus goes by them."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse.fusion.labels.decisions import OPEN
from fastfuse.fusion.labels.fuse import fuse_labels
from fastfuse.fusion.labels.options import LabelOptions
from fastfuse.fusion.labels.remarks import _says_nothing
from fastfuse.report.labels import table_of_means

from ...command import run_here
from ..common import fit
from ..files import LABELS, TSV, raters, save, saved

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
KNOWS: Any = {3: [0, 1, 2]}  # of raters(), whose last one does not know label 4
UNKNOWN = np.zeros((4, 4), bool)
UNKNOWN[3, 3] = True
RATES = ("sensitivity", "ppv", "dice")


def strict(path: Path) -> Any:
    """Read JSON that holds no nan, which is none of it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{path.name} holds {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


def soft(weight: float = 0.9) -> list[NDArray[np.float64]]:
    """Return the raters' maps as votes that are not sure; what is left over goes to label 0."""
    found = [weight * np.stack([one == label for label in LABELS]) for one in raters()]
    for one in found:
        one[0] += 1 - weight
    return found


def check_undefined(found: Any, unknown: NDArray[np.bool_] = UNKNOWN) -> None:
    """Assert that rates are undefined there, and there alone."""
    np.testing.assert_array_equal(np.isnan(found.sensitivity), unknown)
    np.testing.assert_array_equal(np.isnan(found.confusion).all(axis=2), unknown)
    for name in RATES[1:]:
        if hasattr(found, name):
            np.testing.assert_array_equal(np.isnan(getattr(found, name)), unknown)


@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple"])
@pytest.mark.parametrize("confusion", ["full", "class"])
def test_rates_of_the_unknown_are_undefined(method: str, confusion: Any) -> None:
    votes: Any = raters() if method == "staple" else soft()
    fusion = fastfuse.fuse(votes, method, labels=LABELS, knows=KNOWS, confusion=confusion)
    check_undefined(fusion)
    rows = fusion.table()
    assert [row["label"] for row in rows if np.isnan(row["dice"])] == [4]
    assert [row["voxels"] for row in rows if np.isnan(row["dice"])] == [0]
    assert all(np.isnan([row[name] for row in rows]).sum() == 1 for name in RATES)


def test_the_consensus_goes_by_what_it_went_by() -> None:
    """All that the core finds is as it was: the consensus, the other rates, and where EM stopped."""
    codes = np.searchsorted(LABELS, np.stack([one.ravel() for one in raters()]))
    fusion = fastfuse.staple(raters(), labels="all", knows=KNOWS, dtype="float64")
    volume = np.stack([np.bincount(one, minlength=4) for one in codes])
    belief = 0.05 * volume.sum(axis=0)[1:].mean() / 4, 0.9
    wanted = fit(
        codes, 4, knows=KNOWS, start="plurality", candidates="voted", performance_prior=belief, tol=1e-7, max_iter=1000
    )  # fmt: skip
    assert fusion.n_iter == wanted.estimate.iterations
    np.testing.assert_allclose(
        np.stack([fusion.probability(one).ravel() for one in LABELS]), wanted.w, atol=1e-12
    )
    rates = np.where(UNKNOWN[:, :, None], np.nan, wanted.estimate.confusion)
    np.testing.assert_allclose(fusion.confusion, rates, atol=1e-12)
    assert np.isfinite(wanted.estimate.confusion).all()


@pytest.mark.parametrize(
    "options", [{"undecided": 9}, {"knows": {2: [0]}}, {"performance_prior": None, "knows": {2: [0]}}]
)
def test_two_labels(options: Any) -> None:
    """Of two labels nothing goes the way of masks where a rater knows but one."""
    maps = [(one > 0).astype(int) for one in raters(3)]
    maps[2][:] = 0
    unknown = np.zeros((3, 2), bool)
    unknown[2, 1] = "knows" in options
    fusion = fastfuse.staple(maps, labels=[0, 1], **options)
    np.testing.assert_array_equal(np.isnan(fusion.sensitivity), unknown)
    np.testing.assert_array_equal(np.isnan(fusion.dice), unknown)


def test_intervals_decisions_and_priors() -> None:
    fusion = fastfuse.staple(raters(), labels="all", knows=KNOWS, intervals="bootstrap", replicates=5)
    row = fusion.table()[-1]
    assert np.isnan([row["sensitivity_error"], row["sensitivity_low"], row["sensitivity_high"]]).all()
    atlas = np.full((4, *raters()[0].shape), 0.25)
    check_undefined(fastfuse.staple(raters(), labels="all", knows=KNOWS, prior=atlas))
    decided = np.full(raters()[0].shape, OPEN)
    decided[9:12, 6:8, 4:7] = 4
    check_undefined(fuse_labels(raters(), options=LabelOptions(knows=KNOWS, decisions=decided)))


@pytest.mark.parametrize("knows", [KNOWS, {"rater 3": (0, 1, 2)}])
def test_an_estimate_goes_by_them_and_does_not_say_them(knows: Any) -> None:
    maps = raters()
    table = fastfuse.tabulate(maps, labels="all")
    found = fastfuse.estimate(table, "staple", knows=knows, intervals="bootstrap", replicates=5)
    check_undefined(found)
    applied, plain = found.apply(maps), fastfuse.staple(maps, labels="all", knows=KNOWS)
    check_undefined(applied)
    for label in LABELS:
        np.testing.assert_allclose(applied.probability(label), plain.probability(label), atol=1e-6)
    names = ["rater 3", "rater 0", "rater 1"]
    some = found.of_raters(names)
    check_undefined(some.apply([maps[3], *maps[:2]]), UNKNOWN[[3, 0, 1]])
    wrong = maps[3].copy()
    wrong[0, 0, 0] = 4
    with pytest.raises(ValueError, match="rater 3 holds label 4 at 1 voxel"):
        some.apply([wrong, *maps[:2]])


def test_in_the_sidecar_and_at_the_terminal(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "names.tsv").write_text(TSV)
    files = [f"r{i}.nii.gz" for i in range(4)]
    words = ["fuse", *files, "-o", "o.nii.gz", "--labels", "all", "--label-names", "names.tsv"]
    told = run_here(tmp_path, *words, "--knows", "r3=0,1,2", "--report", "o.html")
    assert (told.returncode, told.stderr) == (0, "")
    facts = strict(tmp_path / "o.json")
    of_last = facts["raters"][3]
    null = [[one[name] is None for name in RATES] for one in of_last["labels"]]
    assert null == [[False] * 3] * 3 + [[True] * 3]
    assert of_last["confusion"][3] == [None] * 4
    assert all(None not in row for row in of_last["confusion"][:3])
    means, said = table_of_means(facts)
    cells = dict(zip([column.title for column in means.columns], means.rows[3].cells, strict=True))
    foreground = of_last["labels"][1:3]
    for title, name in (("sens.", "sensitivity"), ("PPV", "ppv")):
        assert cells[title] == f"{np.mean([one[name] for one in foreground]):.4f}\nof 2"
    assert means.rows[3].cells[4] == "necrosis"  # the lowest, of those that the rater knows
    assert said == [
        "Of N: a mean of N labels only. PPV is undefined where a rater never gives a label, all rates where they do not know it."
    ]
    assert "means over 3 labels, background left out" in told.stdout
    page = (tmp_path / "o.html").read_text()
    assert (
        "Means over 3 labels, background left out, against the consensus. Of N: a mean of N labels only."
        in page
    )
    assert page.count(">undefined<") >= 3
    without = run_here(tmp_path, *words, "--overwrite")
    assert "enhancing  0.0000" in without.stdout
    assert "alone where a rater never gives a label: r3.nii.gz at enhancing (0.106)" in without.stderr


def test_in_a_notebook_and_in_figures(tmp_path: Path) -> None:
    fusion = fastfuse.staple(raters(), labels="all", knows=KNOWS)
    html = fusion._repr_html_()
    assert "means over up to 3 labels, background left out" in html
    assert f"{fusion.sensitivity[3, 1:3].mean():.4f}</td>" in html
    pytest.importorskip("matplotlib")
    axes = fastfuse.plots.rates(fusion, label=4)
    legend = axes.get_legend() or axes.figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()][2:] == ["rater 2", "rater 3 (undefined)"]
    together = fastfuse.plots.rates(fusion, label=[1, 4]).get_lines()[3].get_ydata()
    np.testing.assert_allclose(together, fusion.confusion[3, 1, [1, 3]].sum())
    fastfuse.plots.confusion(tmp_path / "c.png", fusion)


def test_mirrored_maps_are_still_found(tmp_path: Path) -> None:
    """A rater who knows few labels is held against the others as before."""
    paths = saved(tmp_path)
    turned = np.ascontiguousarray(np.where(raters()[3] > 0, raters()[3], 0)[::-1])
    save(paths[3], turned.astype(np.int32))
    with pytest.warns(fastfuse.FusionWarning, match=r"r3\.nii\.gz.*mirrored|mirrored.*r3\.nii\.gz"):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", knows={"r3": [0, 1, 2]})


def test_who_says_nothing_says_it_of_what_they_know() -> None:
    """Votes that depend on no truth are told of, of a rater who knows some labels too."""
    fusion = fastfuse.staple(raters(), labels="all", knows=KNOWS)
    alike = np.broadcast_to(fusion.volume[:, None] / fusion.volume.sum(axis=1)[:, None, None], (4, 4, 4))
    assert not _says_nothing(fusion)
    assert _says_nothing(replace(fusion, confusion=np.where(UNKNOWN[:, :, None], np.nan, alike)))
    only = UNKNOWN | (np.arange(4) > 0) & UNKNOWN.any(
        axis=1, keepdims=True
    )  # of one label, which depends on nothing
    assert _says_nothing(replace(fusion, confusion=np.where(only[:, :, None], np.nan, alike)))


def remarks_of(run: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [one for said in caught for one in getattr(said.message, "remarks", [str(said.message)])]


BELIEF = "the sensitivity is that of performance_prior alone where a rater never gives a label: "


def test_who_never_gives_a_label_is_told_whose_number_that_is() -> None:
    """Once, of all raters and labels; not where they do not know it, nor where nothing is believed of raters."""
    fusion = fastfuse.staple(raters(), labels="all")
    told = [
        one for one in remarks_of(lambda: fastfuse.staple(raters(), labels="all")) if one.startswith(BELIEF)
    ]
    assert told == [f"{BELIEF}rater 3 at 4 ({fusion.sensitivity[3, 3]:.3f})"]
    everything: Any = {3: [0, 1, 2, 4]}
    assert BELIEF in "\n".join(remarks_of(lambda: fastfuse.staple(raters(), labels="all", knows=everything)))
    silent: list[dict[str, Any]] = [{"knows": KNOWS}, {"performance_prior": None}]
    for options in silent:
        run = remarks_of(lambda options=options: fastfuse.staple(raters(), labels="all", **options))
        assert not any("performance_prior" in one for one in run)
    assert not any(
        "performance_prior" in one
        for one in remarks_of(lambda: fastfuse.majority_vote(raters(), labels="all"))
    )
    many = raters(6)
    for one in many[3:]:
        one[one == 1] = 0
        one[one == 4] = 0
    told = [one for one in remarks_of(lambda: fastfuse.staple(many, labels="all")) if one.startswith(BELIEF)]
    assert len(told) == 1
    assert told[0].endswith(" and 3 more")


@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple"])
def test_of_masks_too(method: str) -> None:
    """The belief is named where it has a say in this rate, and a rater who marks nothing, or everything, has none."""
    masks = np.zeros((5, 1000), int)
    masks[:3, :100] = 1
    masks[0, 90:110] = masks[1, 5:20] = masks[4] = 1

    def said(prior: Any) -> str:
        return "\n".join(remarks_of(lambda: fastfuse.fuse(masks, method, performance_prior=prior)))

    nothing, everything = "rater 3 marks nothing", "rater 4 marks everything"
    of_one, of_zero = (
        f" (the {rate} is that of performance_prior alone)" for rate in ("sensitivity", "specificity")
    )
    assert nothing in said(None)
    assert "performance_prior alone" not in said(None) + said("auto")
    assert nothing + of_one in said((5, 1.5))
    assert everything + of_zero in said((5, 1.5))
    assert of_one not in said(((1, 2), (5, 2)))
    assert everything + of_zero in said(((1, 2), (5, 2)))
