"""Figures: outlines along the voxels' edges, the case in the middle, chosen epochs, failures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fastfuse.cohort.msseg import find_cases
from fastfuse.report.plots import panels as plots
from fastfuse.train import figures
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.conclude import tabulate
from fastfuse.train.figures import typical_case
from fastfuse.train.finished import open_runs
from fastfuse.train.narrator import Narrator
from fastfuse.train.results.entries import entries_of
from fastfuse.train.results.plots import brain, cases, reliability, training
from fastfuse.train.results.plots.palette import FAILED
from fastfuse.train.scoring import score

from .made import empty, fail


def drawn(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[Figure]:
    """Figures that a module saves, kept instead."""
    found: list[Figure] = []
    monkeypatch.setattr(module, "save_anew", lambda figure, path: found.append(figure))
    return found


@pytest.fixture(scope="module")
def kept(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, list[Figure]]:
    """The figures of the finished run, by the module that draws them; none is saved."""
    with pytest.MonkeyPatch.context() as patch:
        found = {module: drawn(patch, module) for module in (brain, cases, reliability, training)}
        (opened,) = open_runs([finished], Narrator(silent=True))
        tabulate([opened], tmp_path_factory.mktemp("kept") / "out")
    return found


def test_outlines_follow_the_edges() -> None:
    """One pixel has four edges, half a pixel from its centre; a block of 2 × 3 has its perimeter."""
    mask = np.zeros((5, 4), bool)
    mask[2, 1] = True  # row 2, column 1
    found = {tuple(map(tuple, edge)) for edge in plots.edges(mask)}
    assert found == {
        ((0.5, 1.5), (1.5, 1.5)),
        ((0.5, 2.5), (1.5, 2.5)),
        ((0.5, 1.5), (0.5, 2.5)),
        ((1.5, 1.5), (1.5, 2.5)),
    }
    assert len(plots.edges(np.ones((2, 3)))) == 10
    assert plots.edges(np.zeros((2, 3))).shape == (0, 2, 2)


def test_the_image_shines_through() -> None:
    ax = Figure().subplots()
    plots.show(ax, np.ones((6, 6)), 1, "", (1.0, 2.0))
    shown = plots.overlay(ax, np.linspace(0, 1, 36).reshape(6, 6))
    assert float(np.max(shown.get_alpha())) <= 0.5
    assert ax.get_aspect() == 2
    plots.scale_bar(ax, (60, 60), (2.0, 2.0))
    (bar,) = ax.lines
    assert 2 * np.ptp(bar.get_xdata()) == pytest.approx(20)
    assert ax.texts[-1].get_text() == "20 mm"


def test_chosen_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds differ in colour and mark; the lowest validation loss is marked, and what failed."""
    epochs = np.array([[1, 0.9, np.nan], [2, 0.5, 0.6], [3, 0.4, np.nan], [4, 0.3, 0.7]])
    one = training.History(1, epochs)
    assert one.chosen == (2, 0.6)
    assert training.History(1, epochs[[0, 2]]).chosen == (3, 0.4)
    assert training.History(1, epochs[:0], "nan").chosen is None
    figures = drawn(monkeypatch, training)
    two, lost = training.History(2, epochs), training.History(3, epochs[:2], "the loss is nan")
    training.draw_training(Path("t.png"), {"": {"STAPLE": [one, two, lost]}})
    lines = figures[0].axes[0].lines
    chosen = [line for line in lines if line.get_markeredgecolor() == "black"]
    assert [line.get_xdata()[0] for line in chosen] == [2, 2]
    assert len({(line.get_color(), line.get_marker()) for line in chosen}) == 2
    failed = [line for line in lines if line.get_color() == FAILED]
    assert [float(line.get_xdata()[0]) for line in failed] == [2]
    assert "training failed" in [text.get_text() for text in figures[0].legends[0].get_texts()]


@pytest.mark.parametrize(
    ("validations", "failure", "named"),
    [
        ([True, True], "", ["chosen epoch"]),
        ([False, False], "", ["last epoch"]),
        ([True, False], "", ["chosen, or last epoch"]),
        ([False, False], "the loss is nan", []),
    ],
)
def test_the_last_epoch_is_not_called_chosen(
    monkeypatch: pytest.MonkeyPatch, validations: list[bool], failure: str, named: list[str]
) -> None:
    """Without validation nothing chooses an epoch; of trainings that broke off none is kept."""
    found = drawn(monkeypatch, training)
    epochs = np.array([[1, 0.9, 0.8], [2, 0.6, 0.5]])
    without = np.array([[1, 0.9, np.nan], [2, 0.6, np.nan]])
    histories = [
        training.History(fold, epochs if validated else without, failure)
        for fold, validated in enumerate(validations, start=1)
    ]
    training.draw_training(Path("t.png"), {"": {"STAPLE": histories}})
    (legend,) = found[0].legends
    assert [text.get_text() for text in legend.get_texts() if "epoch" in text.get_text()] == named


def test_epochs_are_whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a training of two; without validation the legend has none."""
    figures = drawn(monkeypatch, training)
    without = np.array([[1, 0.9, np.nan], [2, 0.5, np.nan]])
    for epochs in (without, np.array([[1, 0.9, np.nan], [2, 0.5, 0.6]])):
        training.draw_training(Path("t.png"), {"": {"STAPLE": [training.History(1, epochs)]}})
    assert all(float(tick).is_integer() for tick in figures[0].axes[0].get_xticks())
    said = [[text.get_text() for text in figure.legends[0].get_texts()] for figure in figures]
    assert said == [
        ["fold 1", "training", "last epoch"],
        ["fold 1", "training", "validation", "chosen epoch"],
    ]


def test_differences_of_nothing_have_an_axis(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where methods predict the same, the axis is not one of rounding errors."""
    run = shutil.copytree(finished, tmp_path / "run")
    for path in (run / "predictions" / "staple").iterdir():
        shutil.copy(path, run / "predictions" / "soft-staple" / path.name)
    monkeypatch.setattr(figures, "_draw_slices", lambda *_: None)
    found, _, _ = (drawn(monkeypatch, module) for module in (cases, reliability, training))
    tabulate(open_runs([run], Narrator(silent=True)), tmp_path / "out")
    for ax in found[1].axes:
        low, high = ax.get_xlim()
        assert low <= -0.1 < 0.1 <= high


def test_numbers_of_cases_are_above_the_dots(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a case has 100 %."""
    (run,) = open_runs([finished], Narrator(silent=True))
    entries = entries_of([score(run, run.options.evaluation)])
    found = drawn(monkeypatch, cases)
    cases.draw_cases(Path("c.png"), entries)
    for ax in found[0].axes:
        ax.figure.canvas.draw()
        perfect = ax.transData.transform((0, 100))[1]
        assert {text.get_text() for text in ax.texts} == {"n=9"}
        assert all(text.get_window_extent().y0 > perfect + 4 for text in ax.texts)
        assert max(ax.get_yticks()) == 100


@pytest.mark.parametrize(("of", "title"), [(7, "outlines of 2 of 7 experts"), (0, "outlines of 2 experts")])
def test_an_expert_is_missing(monkeypatch: pytest.MonkeyPatch, of: int, title: str) -> None:
    found = drawn(monkeypatch, brain)
    masks = [np.eye(9), np.ones((9, 9))]
    brain.draw_experts(Path("e.png"), brain.View("A", np.ones((9, 9)), masks, (1.0, 1.0), (1, 3), of))
    assert found[0].axes[1].get_title() == title


def test_outlines_that_coincide_are_both_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lower one is the wider."""
    found = drawn(monkeypatch, brain)
    mask = np.zeros((9, 9))
    mask[3:6, 3:6] = 1
    view = brain.View("A", np.ones((9, 9)), [mask], (1.0, 1.0))
    brain.draw_masks(Path("m.png"), view, {"STAPLE\nconsensus": mask}, {"STAPLE\nprediction": mask}, mask)
    panel = next(ax for ax in found[0].axes if ax.get_title() == "STAPLE\nconsensus")
    below, above = panel.collections
    assert to_hex(below.get_edgecolor()[0]) == plots.TRUTH
    assert below.get_linewidth()[0] >= 2 * above.get_linewidth()[0]


def test_case_in_the_middle(finished: Path) -> None:
    (run,) = open_runs([finished], Narrator(silent=True))
    entries = entries_of([score(run, run.options.evaluation)])
    dice = np.mean([entry.values((True, "dice"))[0] for entry in entries], axis=0)
    assert typical_case(entries) == entries[0].cases[int(np.argsort(dice)[4])]


def test_failures_are_marked(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crosses for a network that marks nothing, and below all values for one without predictions; n is less."""
    run = shutil.copytree(finished, tmp_path / "run")
    empty(run, "staple", 1)
    fail(run, "soft-staple", 2)
    figures, _, _ = (drawn(monkeypatch, module) for module in (cases, reliability, training))
    (opened,) = open_runs([run], Narrator(silent=True))
    tabulate([opened], tmp_path / "out")
    by_case, differences = figures
    first = by_case.axes[0]
    dots = [found for found in first.collections if isinstance(found, PathCollection)]
    crosses = [found for found in dots if found.get_sizes()[:1] == [30] and len(found.get_offsets())]
    assert [sorted(map(float, found.get_offsets()[:, 1])) for found in crosses] == [[0, 0, 0], [-2, -2, -2]]
    assert [text.get_text() for text in first.texts] == ["n=9", "n=6"]
    assert [text.get_text() for text in by_case.axes[1].texts] == ["n=6", "n=6"]  # precision
    assert by_case.axes[2].get_title("left") == "recall"
    assert "n=6" in differences.axes[0].texts[0].get_text()
    assert (tmp_path / "out" / "figures" / "consensus.png").stat().st_size > 10_000


def test_where_the_slice_is(finished: Path, kept: dict[Any, list[Figure]]) -> None:
    """The title names case, centre and height; sides and scale bars are there."""
    (opened,) = open_runs([finished], Narrator(silent=True))
    entries = entries_of([score(opened, opened.options.evaluation)])
    assert len(kept[brain]) == 2
    for figure in kept[brain]:
        title = figure.get_suptitle()
        assert str(typical_case(entries)) in title
        assert "axial slice at S = " in title
        words = {text.get_text() for ax in figure.axes for text in ax.texts}
        assert {"R", "L"} < words
        assert any(word.endswith(" mm") for word in words)


def test_what_is_outlined(kept: dict[Any, list[Figure]]) -> None:
    """Every expert in a colour of their own; in each mask's panel what half of them mark, over a FLAIR that is seen."""
    experts, masks = kept[brain]
    _, zoomed, names, _ = experts.axes[:4]
    colours = [to_hex(found.get_edgecolor()[0]) for found in zoomed.collections]
    assert len(set(colours)) == len(colours) > 4
    assert set(colours) <= {line.get_color() for line in names.get_legend().get_lines()}
    assert len(names.get_legend().get_lines()) == 7
    panels = [ax for ax in masks.axes if ax.get_title().endswith(("consensus", "prediction"))]
    assert len(panels) == 4
    for ax in panels:
        flair, shown = ax.images
        assert flair.get_alpha() is None
        assert 0 < float(np.max(shown.get_alpha())) <= 0.5
        assert plots.TRUTH in {to_hex(found.get_edgecolor()[0]) for found in ax.collections}
    assert plots.RATER in {to_hex(found.get_edgecolor()[0]) for ax in panels for found in ax.collections}


def test_the_patients_right_is_on_the_left() -> None:
    ax = Figure().subplots()
    image = np.arange(20.0).reshape(4, 5)  # in RAS order: the last x is furthest to the right
    plots.show(ax, image, 19, "")
    np.testing.assert_array_equal(ax.images[0].get_array()[:, 0], image[-1])
    plots.mark_sides(ax)
    places = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert places["R"] < 0.5 < places["L"]


def test_height_of_the_slice(cohort: Path, tmp_path: Path) -> None:
    """The world's z of the slice with most of the experts' voxels, in whatever order a file holds its slices."""
    case = find_cases(cohort)[1]
    home = case.images["FLAIR"].parents[1]
    copy = shutil.copytree(home, tmp_path / "c" / home.relative_to(cohort))
    for path in copy.rglob("*.nii.gz"):
        image = nib.load(path)
        back = np.diag([-1.0, 1.0, -1.0, 1.0])
        back[:3, 3] = image.shape[0] - 1, 0, image.shape[2] - 1
        data = np.ascontiguousarray(np.asanyarray(image.dataobj)[::-1, :, ::-1])
        nib.save(nib.Nifti1Image(data, image.affine @ back), path)
    titles = []
    for root in (cohort, tmp_path / "c"):
        loaded = load_case(next(one for one in find_cases(root) if one.name == case.name))
        ras = figures._ras(loaded)
        masks = [ras(mask) for mask in loaded.masks]
        view = figures._view(loaded, ras(loaded.images["FLAIR"]), masks, brain.most_marked(masks))
        titles.append(view.title)
        votes = np.sum(loaded.masks, axis=0)
        heights = loaded.like.affine[2, 3] + loaded.like.affine[2, 2] * np.arange(votes.shape[2])
        highest = heights[votes.sum(axis=(0, 1)) == votes.sum(axis=(0, 1)).max()]
        assert any(f"S = {height:+.0f} mm" in view.title for height in highest)
        assert view.votes.sum() == votes.sum(axis=(0, 1)).max()
    assert titles[0] == titles[1]
    assert loaded.like.affine[2, 2] < 0


def test_reliability_of_the_networks(finished: Path, cohort: Path, kept: dict[Any, list[Figure]]) -> None:
    """The curve is the share of experts against the probability, counted here from the files."""
    given, voted = [], []
    for case in find_cases(cohort):
        loaded = load_case(case)
        path = finished / "predictions" / "staple" / f"{case.name}.nii.gz"
        inside = loaded.brain > 0
        given.append(np.asarray(nib.load(path).dataobj)[inside])
        voted.append(np.mean([mask > 0 for mask in loaded.masks], axis=0)[inside])
    p, votes = np.concatenate(given), np.concatenate(voted)
    bins = np.minimum((10 * p).astype(int), 9)
    held = sorted(set(bins.tolist()))
    assert len(held) == 10
    curve = kept[reliability][0].axes[0].lines[1]
    np.testing.assert_allclose(curve.get_xdata(), [p[bins == k].mean() for k in held], atol=1e-5)
    np.testing.assert_allclose(curve.get_ydata(), [votes[bins == k].mean() for k in held], atol=1e-5)
    assert curve.get_label().startswith("STAPLE: Brier ")
