"""Figures show the numbers of their results, name the sides rightly, and are written whole in each format."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import textwrap
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import OutputError

matplotlib = pytest.importorskip("matplotlib")
from fastfuse import plots

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
RNG = np.random.default_rng(3)
SHAPE = (20, 24, 16)
TRUTH = np.zeros(SHAPE, bool)
TRUTH[4:10, 6:14, 4:9] = True
MASKS = [(TRUTH ^ (RNG.random(SHAPE) < 0.02)).astype(np.uint8) for _ in range(4)]
LAS = np.diag([-1.0, 1.5, 3.0, 1.0])


def test_pyplot_knows_figures_where_it_is_in_use() -> None:
    from matplotlib import pyplot as plt

    ax = plots.rates(fused())
    assert ax.figure.number in plt.get_fignums()  # type: ignore[union-attr]


def fused(**options: Any) -> fastfuse.Fusion:
    return fastfuse.staple(MASKS, **options)


def images(affine: np.ndarray) -> list[Any]:
    """Return the masks as images; the order of the affine's axes is that of the data."""
    return [nib.Nifti1Image(mask, affine) for mask in MASKS]


def test_rates_are_those_of_the_fusion() -> None:
    fusion = fused(intervals="information")
    ax = plots.rates(fusion, names=list("abcd"))
    points = {str(line.get_label()): line.get_xydata()[0] for line in ax.lines}
    for at, name in enumerate("abcd"):
        assert points[name] == pytest.approx([fusion.specificity[at], fusion.sensitivity[at]])
    intervals = fusion.intervals
    assert intervals is not None
    for patch, low, high in zip(ax.patches, *np.asarray(intervals.sensitivity).T, strict=True):
        assert patch.height == pytest.approx(high - low)  # type: ignore[attr-defined]
    assert not plots.rates(fused()).patches
    with pytest.raises(ValueError, match="names holds 1, and there are 4 raters"):
        plots.rates(fusion, names=["a"])


def test_rates_say_who_hides_whom() -> None:
    ax = plots.rates(fastfuse.staple([*MASKS, MASKS[0], MASKS[2], MASKS[0]]), names=list("abcdefg"))
    labels = [str(line.get_label()) for line in ax.lines]
    assert labels == [
        "a",
        "b",
        "c",
        "d",
        "e (at the point of a)",
        "f (at the point of c)",
        "g (at the point of a)",
    ]
    legend = [one.get_text() for one in ax.figure.legends[0].get_texts()]
    assert legend == labels
    assert sorted(one.get_text() for one in ax.texts) == ["2 raters", "3 raters"]
    assert not plots.rates(fused()).texts


def test_ticks_of_rates_that_are_nearly_one_have_few_digits() -> None:
    near = dataclasses.replace(fused(), specificity=1 - 1e-8 * np.arange(4))
    ax = plots.rates(near)
    ax.figure.canvas.draw()
    assert ax.get_xlim()[1] - ax.get_xlim()[0] > 1e-4
    assert max(len(one.get_text()) for one in ax.get_xticklabels()) <= 8


def test_intervals_are_those_of_the_fusion() -> None:
    fusion = fused(intervals="information")
    ax = plots.intervals(fusion)
    for line, rate in zip(ax.lines, ("sensitivity", "specificity"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), getattr(fusion, rate))
    ends = np.concatenate([one.get_segments() for one in ax.collections])[:, :, 0]
    assert fusion.intervals is not None
    np.testing.assert_allclose(ends, np.vstack([fusion.intervals.sensitivity, fusion.intervals.specificity]))


def test_convergence_is_the_distance_from_the_highest() -> None:
    fusion = fused()
    (line, _) = plots.convergence(fusion).lines
    trace = fusion.log_likelihood.max() - fusion.log_likelihood
    np.testing.assert_array_equal(line.get_ydata(), trace[trace > 0])
    with pytest.raises(ValueError, match="no iterations"):
        plots.convergence(fastfuse.majority_vote(MASKS))
    early = fused(max_iter=2)
    labels = [str(one.get_label()) for one in plots.convergence({"early": early}).lines]
    assert "early (not converged)" in labels


def test_histogram_counts_voxels() -> None:
    fusion = fused()
    ax = plots.histogram({"a": fusion}, mask=TRUTH)
    counts = ax.patches[0].get_data().values  # type: ignore[attr-defined]
    expected = np.histogram(fusion.probability[TRUTH], len(counts), (0, 1))[0]
    np.testing.assert_array_equal(counts, np.maximum(expected, 0.5))


def test_scores_are_those_of_the_evaluation() -> None:
    found = fastfuse.evaluate(fused().label(), TRUTH, spacing_mm=(1, 1, 1))
    (line,) = plots.scores({"STAPLE": found}).lines
    assert line.get_ydata()[0] == found.dice
    assert line.get_ydata()[2] == found.recall


def test_agreement_is_drawn_into_axes_or_a_file(tmp_path: Path) -> None:
    found = fastfuse.agreement(MASKS)
    ax = plots.agreement(found)
    np.testing.assert_allclose(ax.images[0].get_array(), found.dice)
    assert plots.agreement(tmp_path / "a.png", found) is None
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_deviations_are_by_rater_and_case() -> None:
    tables = {
        name: fastfuse.tabulate(masks, names=names)
        for name, masks, names in (("one", MASKS, list("abcd")), ("two", MASKS[1:], list("bcd")))
    }
    pooled = fastfuse.pool(tables, "staple")
    found = {name: fastfuse.deviation(table, pooled.of(name)) for name, table in tables.items()}
    ax = plots.deviations(found)
    shown = ax.images[0].get_array()
    assert shown.shape == (4, 2)
    assert np.ma.getmaskarray(shown)[0, 1]  # "a" did not read the second case
    assert shown[2, 0] == pytest.approx(np.log10(1 + found["one"].log_ratio[2]))
    assert ax.get_xlabel() == "2 cases"
    assert plots.deviations(found["one"]).get_xlabel() == "1 case"


def test_confusion_is_that_of_one_rater(tmp_path: Path) -> None:
    maps = [mask.astype(int) * 2 + (np.arange(SHAPE[0])[:, None, None] > 12) for mask in MASKS]
    fusion = fastfuse.staple(maps, labels="all")
    np.testing.assert_allclose(plots.confusion(fusion, rater=2).images[0].get_array(), fusion.confusion[2])
    with pytest.raises(ValueError, match="rater is 9, and there are 4"):
        plots.confusion(fusion, rater=9)
    plots.confusion(tmp_path / "c.png", fusion)
    assert (tmp_path / "c.png").exists()


def test_no_figure_of_label_maps_has_a_rate_that_is_0_of_0() -> None:
    """The last rater sees half of the volume, in which one voxel has label 2, by one of the others."""
    inner = np.broadcast_to(np.arange(SHAPE[0])[:, None, None] > 12, SHAPE)
    maps = [np.where(inner, mask, 2 * mask).astype(float) for mask in MASKS]
    maps[3][~inner] = np.nan
    maps[0][19, 0, 0] = 2
    fusion = fastfuse.staple(maps, labels=[0, 1, 2], missing="nan")
    assert np.isfinite(fusion.confusion[3, 2]).all()  # of EM, and of the belief
    drawn = plots.confusion(fusion, rater=3).images[0].get_array()
    assert np.ma.getmaskarray(drawn).tolist() == [[False] * 3, [False] * 3, [True] * 3]
    ends = [plots.rates(fusion, label=label).lines[3].get_xydata() for label in (1, 2)]
    assert [bool(np.isnan(one).any()) for one in ends] == [False, True]


@pytest.mark.parametrize("turn", ["LAS", "RAS", "PIR"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices_lie_as_the_letters_say(turn: str, plane: Any) -> None:
    """A mark far to the right, front and top of the patient is drawn there, however the file's axes run."""
    volume = np.zeros((30, 30, 30), np.uint8)  # RAS
    volume[24, 25, 26] = 1
    image = nib.Nifti1Image(volume, np.eye(4))
    to = nib.orientations.axcodes2ornt(turn)
    turned = image.as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.io_orientation(np.eye(4)), to)
    )
    raters = [turned, turned, turned, nib.Nifti1Image(np.zeros((30, 30, 30), np.uint8), turned.affine)]
    fusion = fastfuse.majority_vote(raters)
    ax = plots.slices(fusion, plane=plane, window_mm=None)
    lines = np.concatenate([np.array(one.get_segments()) for one in ax.collections])
    middle = lines.reshape(-1, 2).mean(axis=0)
    inside = ax.transAxes.inverted().transform(ax.transData.transform(middle))
    letters = {text.get_text(): text.get_position() for text in ax.texts if len(text.get_text()) == 1}
    assert set(letters) == {"axial": set("RLAP"), "coronal": set("RLSI"), "sagittal": set("APSI")}[plane]
    toward = [letters[side] for side in "RAS" if side in letters]
    for where in toward:
        axis = int(abs(where[1] - 0.5) > abs(where[0] - 0.5))
        assert (inside[axis] > 0.5) == (where[axis] > 0.5), (turn, plane, letters)


def test_the_bar_is_as_long_as_it_says() -> None:
    ax = plots.slices(fastfuse.staple(raters := images(LAS)), window_mm=12)
    (said,) = [text.get_text() for text in ax.texts if text.get_text().endswith(" mm")]
    left, right = next(line.get_xdata() for line in ax.lines)
    assert right - left == float(said.removesuffix(" mm"))
    assert ax.get_xlim()[1] - ax.get_xlim()[0] == pytest.approx(12)
    assert raters


def test_slices_take_a_voxel_and_know_no_side_of_arrays() -> None:
    fusion = fused()
    ax = plots.slices(fusion, at=(5, 7, 6), legend=False)
    assert [text.get_text() for text in ax.texts if len(text.get_text()) == 1] == []
    assert ax.get_legend() is None
    with pytest.raises(ValueError, match="outside"):
        plots.slices(fusion, at=(5, 7, 60))
    with pytest.raises(ValueError, match="axial, coronal, sagittal"):
        plots.slices(fusion, plane="oblique")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no longer in memory"):
        plots.slices(fastfuse.staple([mask.copy() for mask in MASKS]))


def test_entropy_is_one_bit_at_a_half() -> None:
    from fastfuse.report.plots.planes import entropy

    np.testing.assert_allclose(entropy(np.array([0, 0.5, 1, 0.25])), [0, 1, 0, 0.811278], atol=1e-6)
    ax = plots.uncertainty(fastfuse.majority_vote(images(LAS)), images(LAS)[0])
    assert ax.images[-1].get_array().max() == pytest.approx(1.0)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_files_are_the_same_each_time(tmp_path: Path, kind: str) -> None:
    for name in "ab":
        plots.save(plots.rates(fused()), tmp_path / f"{name}.{kind}")
    a, b = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
    assert a == b
    assert len(a) > 3000
    if kind == "svg":
        assert b"sensitivity</text>" in a  # letters, not their shapes
    with pytest.raises(OutputError, match=r"must end in \.png, \.pdf, \.svg"):
        plots.save(plots.rates(fused()), tmp_path / "a.tiff")


made_once = functools.cache(fastfuse.phantom.make_case)
DRAWN = [name for name in plots.__all__ if ".. plot::" in (getattr(plots, name).__doc__ or "")]


def test_every_figure_has_a_picture() -> None:
    assert set(DRAWN) == set(plots.__all__) - {"save"}


@pytest.mark.parametrize("name", DRAWN)
def test_the_pictures_of_the_documentation_are_drawn(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No wider than a page, in letters that can be read in print."""
    monkeypatch.setattr(fastfuse.phantom, "make_case", made_once)
    doc = inspect.getdoc(getattr(plots, name)) or ""
    code = textwrap.dedent(re.findall(r"\.\. plot::\n\n((?: {4}.*\n|\n)+)", f"{doc}\n")[0])
    *lines, last = code.strip().splitlines()
    found: dict[str, Any] = {}
    exec("\n".join([*lines, f"ax = {last}"]), found)  # noqa: S102 - code of the package's own documentation
    ax = found["ax"]
    plots.save(ax, tmp_path / "a.png", dpi=72)
    assert ax.figure.get_figwidth() <= 7.2
    texts = [text for text in ax.figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 6


def test_a_name_that_no_font_has_is_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes, and warnings of fonts, tell nothing; letters that are there stay, and a reader's own font counts."""
    from fastfuse.report.plots.diagrams import raters_by_cases
    from fastfuse.report.plots.style import called

    private = "\ue000\ue001"  # of no script, and so of no font but a user's own
    names = ["ana", "Žofie", "αβγ", private]
    assert called(names) == ["ana", "Žofie", "αβγ", "4"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raters_by_cases(tmp_path / "a.png", names, [private, "case"], np.ones((4, 2)))
    monkeypatch.setattr("fastfuse.report.plots.style._letters", lambda _: frozenset(map(ord, "".join(names))))
    assert called(names) == names
