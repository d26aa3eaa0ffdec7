"""Figures refuse what they cannot be drawn of, in a sentence that names it and the remedy, and draw what they can."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import OutputError

pytest.importorskip("matplotlib")
from fastfuse import plots
from fastfuse.report.plots.diagrams import raters_by_cases
from fastfuse.report.plots.panels import draw_consensus, draw_labels

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
MASKS = [np.zeros((6, 6, 6), np.uint8) for _ in range(3)]
for k, one in enumerate(MASKS):
    one[1:4, 1:4, k : k + 3] = 1
FIGURES = sorted(set(plots.__all__) - {"save", "reliability"})
TAKES = {
    "agreement": "an Agreement or a Fusion, as of fastfuse.agreement(masks)",
    "confusion": "a LabelFusion or a LabelEstimate",
    "convergence": "a Fusion, an Estimate, a LabelFusion or a LabelEstimate",
    "deviations": "a Deviation, as of fastfuse.deviation",
    "fit": "a Fusion or an Estimate",
    "histogram": "a Fusion, as of fastfuse.staple(masks)",
    "intervals": "a Fusion or an Estimate",
    "rates": "a Fusion, an Estimate, a LabelFusion or a LabelEstimate",
    "scores": "an Evaluation, as of fastfuse.evaluate(mask, truth)",
    "slices": "a Fusion or a LabelFusion",
    "uncertainty": "a Fusion or a LabelFusion",
}
WRONG = {
    "array": (MASKS[0], "an ndarray"),
    "image": (nib.Nifti1Image(MASKS[0], np.eye(4)), "a Nifti1Image"),
    "masks": (MASKS, "a list"),
    "table": (fastfuse.tabulate(MASKS), "a VoteTable"),
    "nothing": (None, "None"),
    "number": (3, "an int"),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("wrong", WRONG)
def test_the_wrong_kind_is_named_with_the_remedy(name: str, wrong: str) -> None:
    value, said = WRONG[wrong]
    with pytest.raises(TypeError) as caught:
        getattr(plots, name)(value)
    told = str(caught.value)
    assert f" is {said}: plots.{name} takes {TAKES[name]}" in told
    assert "as of fastfuse." in told


def test_results_of_another_figure_are_refused() -> None:
    """Results are not mixed up, and one that is wrong among several is named."""
    fusion = fastfuse.staple(MASKS)
    with pytest.raises(TypeError, match=r"found is a Fusion: plots.scores takes an Evaluation"):
        plots.scores(fusion)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"found\['b'\] is an ndarray: plots.convergence"):
        plots.convergence({"a": fusion, "b": MASKS[0]})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"fusion is a dict: .*of several, give one of them"):
        plots.slices({"a": fusion})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="found is empty"):
        plots.convergence({})
    labels = fastfuse.staple(MASKS, labels="all")
    with pytest.raises(
        TypeError, match=r"found is a LabelFusion: plots.intervals .*; plots.confusion, .*plots.rates"
    ):
        plots.intervals(labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted({*FIGURES, "reliability"}))
def test_what_is_no_axes_is_refused(name: str) -> None:
    from matplotlib.figure import Figure

    maps = fastfuse.staple(MASKS, labels="all")
    table = fastfuse.tabulate(MASKS)
    pooled = fastfuse.pool({"a": table, "b": table}, "staple")
    given: dict[str, tuple[Any, ...]] = {
        "agreement": (fastfuse.agreement(MASKS),),
        "confusion": (maps,),
        "deviations": ({"a": fastfuse.deviation(table, pooled)},),
        "reliability": (fastfuse.staple(MASKS), MASKS[0]),
        "scores": (fastfuse.evaluate(MASKS[0], MASKS[1]),),
    }
    call = getattr(plots, name)
    assert "ax" in inspect.signature(call).parameters
    for ax, said in ((Figure(), "ax is a Figure.*figure.subplots"), (3, "ax is an int")):
        with pytest.raises(TypeError, match=said):
            call(*given.get(name, (fastfuse.staple(MASKS),)), ax=ax)


def test_the_agreement_of_a_fusion_is_that_of_its_raters() -> None:
    fusion = fastfuse.staple(MASKS)
    ax = plots.agreement(fusion)
    np.testing.assert_allclose(ax.images[0].get_array(), fastfuse.agreement(MASKS).dice)
    with pytest.raises(ValueError, match="no longer in memory"):
        plots.agreement(fastfuse.staple([mask.copy() for mask in MASKS]))


@pytest.mark.parametrize("of", ["fusion", "estimate"])
def test_rates_of_the_label_of_a_mask_are_those_of_the_mask(of: str) -> None:
    options: dict[str, Any] = {"prior": "estimate"}
    if of == "fusion":
        maps, masks = fastfuse.staple(MASKS, labels="all", **options), fastfuse.staple(MASKS, **options)
    else:
        tables = fastfuse.tabulate(MASKS, labels="all"), fastfuse.tabulate(MASKS)
        maps, masks = (fastfuse.estimate(one, "staple", **options) for one in tables)
    drawn, expected = plots.rates(maps, label=1), plots.rates(masks)
    for line, other in zip(drawn.lines, expected.lines, strict=True):
        np.testing.assert_allclose(line.get_xydata(), other.get_xydata(), atol=1e-4)
        assert line.get_label() == other.get_label()


def test_rates_of_labels_together_are_shares_of_the_consensus() -> None:
    rng = np.random.default_rng(4)
    truth = np.kron(rng.integers(0, 4, (6, 6, 6)), np.ones((3, 3, 3), int))
    maps = [np.where(rng.random(truth.shape) < 0.8, truth, rng.integers(0, 4, truth.shape)) for _ in range(5)]
    names = {0: "none", 1: "a", 2: "b", 3: "c"}
    fusion = fastfuse.staple(maps, labels=names, prior="estimate", tol=1e-10, performance_prior=None)
    inside = fusion.probability(["a", "c"]).astype(float)
    for line, given in zip(plots.rates(fusion, label=["a", "c"]).lines, maps, strict=True):
        gives = np.isin(given, [1, 3])
        specificity = (1 - inside)[~gives].sum() / (1 - inside).sum()
        expected = [[specificity, inside[gives].sum() / inside.sum()]]
        np.testing.assert_allclose(line.get_xydata(), expected, atol=1e-4)


def test_slices_of_a_label_are_those_of_its_masks() -> None:
    maps = [mask * 2 + np.roll(mask, 2, 0) for mask in MASKS]
    fusion = fastfuse.staple(maps, labels="all")
    drawn = plots.slices(fusion, label=2, at=(2, 2, 3))
    masks = [np.uint8(one == 2) for one in maps]
    of_masks = fastfuse.staple(masks)
    expected = plots.slices(of_masks, at=(2, 2, 3))
    seen = [one[:, :, 3] >= 0.5 for one in (fusion.probability(2), of_masks.probability)]
    first = [2 * bool(one.any()) for one in seen]  # of the consensus: two lines
    ours, theirs = (ax.collections[at:] for ax, at in zip((drawn, expected), first, strict=True))
    assert len(ours) == sum(bool(mask[:, :, 3].any()) for mask in masks) > 0
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.get_segments(), other.get_segments())


def test_a_label_is_asked_for_where_there_are_labels() -> None:
    labels, masks = fastfuse.staple(MASKS, labels={0: "none", 1: "core"}), fastfuse.staple(MASKS)
    for figure in (plots.rates, plots.slices):
        with pytest.raises(ValueError, match=r"label is not given: plots\..* draws one label.*none, core"):
            figure(labels)
        with pytest.raises(ValueError, match="label is 'liver'"):
            figure(labels, label="liver")
        with pytest.raises(ValueError, match="label is 1, and this is a fusion of masks"):
            figure(masks, label=1)


def test_uncertainty_takes_label_maps() -> None:
    maps = [mask * 2 + np.roll(mask, 2, 0) for mask in MASKS]
    fusion = fastfuse.majority_vote(maps, labels="all")
    ax = plots.uncertainty(fusion, at=(2, 2, 3))
    bits = ax.images[-1].get_array()
    expected = fusion.entropy()[:, :, 3] / np.log(2)
    np.testing.assert_allclose(np.asarray(bits)[::-1, ::-1].T, expected)
    assert expected.max() > 0.9


def writers(folder: Path) -> dict[str, Any]:
    """Return what writes a file, by its name in plots; each into a path."""
    labels = fastfuse.staple(MASKS, labels="all")
    curve = fastfuse.evaluate_against_raters(fastfuse.staple(MASKS).probability, MASKS).reliability
    zero = np.zeros((6, 6, 6), np.uint8)
    return {
        "save": lambda path, **more: plots.save(plots.rates(fastfuse.staple(MASKS)), path, **more),
        "agreement": lambda path, **more: plots.agreement(path, fastfuse.agreement(MASKS), **more),
        "confusion": lambda path, **more: plots.confusion(path, labels, **more),
        "reliability": lambda path, **more: plots.reliability(path, curve, **more),
        "raters_by_cases": lambda path, **more: raters_by_cases(path, ["a"], ["c"], np.ones((1, 1)), **more),
        "draw_labels": lambda path, **more: draw_labels(path, {"a": MASKS[0]}, {1: "red"}, {1: "x"}, **more),
        "draw_consensus": lambda path, **more: draw_consensus(
            path, np.ones((6, 6, 6)), {"a": MASKS[0]}, ("a", MASKS[0] * 0.3), {"a": zero + 0.5}, **more
        ),
    }


def test_existing_files_are_kept_unless_asked(tmp_path: Path) -> None:
    """As by everything else of the package that writes."""
    known = {
        name for name in plots.__all__ if "overwrite" in inspect.signature(getattr(plots, name)).parameters
    }
    found = writers(tmp_path)
    assert known == set(found) - {
        "raters_by_cases",
        "draw_labels",
        "draw_consensus",
    }  # which are not the public's
    for name, write in found.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(b"mine")
        with pytest.raises(OutputError, match=rf"{name}\.png: exists already"):
            write(path)
        assert path.read_bytes() == b"mine"
        write(path, overwrite=True)
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_what_does_not_apply_is_refused(tmp_path: Path) -> None:
    """A parameter of axes where a file is written, or of a file where axes are drawn into."""
    labels = fastfuse.staple(MASKS, labels="all")
    with pytest.raises(TypeError, match=r"rater is given, and plots.confusion.*leave rater out"):
        plots.confusion(tmp_path / "a.png", labels, rater=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError) as refused:
        plots.reliability(tmp_path / "a.png", {}, mask=MASKS[0])  # type: ignore[call-overload]
    assert 'plots.reliability of a path, such as "reliability.png", writes a file' in str(refused.value)
    with pytest.raises(TypeError, match=r"overwrite is given, and plots.agreement writes no file"):
        plots.agreement(fastfuse.agreement(MASKS), overwrite=True)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="dpi is 0: it must be a positive number"):
        plots.save(plots.rates(fastfuse.staple(MASKS)), tmp_path / "a.png", dpi=0)
    with pytest.raises(TypeError, match="figure is of type Fusion: give the axes"):
        plots.save(fastfuse.staple(MASKS), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
