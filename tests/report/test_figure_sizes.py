"""Figures of few and of many raters, with short and with long names: all is on the page, and nothing lies over the data."""

from __future__ import annotations

import functools
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

pytest.importorskip("matplotlib")
from fastfuse import plots

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SHAPE = (24, 26, 20)
PAGE, SLACK = 7.2, 0.02  # inches
NAMES = {
    "short": "rater {}",
    "long": "ManualSegmentation_neuroradiologist_of_centre_{:02d}_second_reading",
    "unlike": "{:02d} of the long named institutes of {:02d} countries",
}


@functools.cache
def masks(count: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    truth = np.zeros(SHAPE, bool)
    truth[8:16, 8:16, 6:14] = True
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    votes = [np.uint8(np.roll(truth, k % 3 - 1, k % 2) ^ (rng.random(SHAPE) < 0.01)) for k in range(count)]
    return tuple(nib.Nifti1Image(vote, affine) for vote in votes)


@functools.cache
def fused(count: int) -> fastfuse.Fusion:
    return fastfuse.staple(masks(count), intervals="information")


def drawn(name: str, count: int, names: list[str]) -> Any:
    """Return the axes of a figure of so many raters."""
    fusion, raters = fused(count), list(masks(count))
    few = dict.fromkeys(names[:7], fusion)
    if name in ("slices", "rates", "intervals"):
        return getattr(plots, name)(fusion, names=names)
    if name in NAMELESS:
        return getattr(plots, name)(fusion)
    if name in ("histogram", "convergence"):
        return getattr(plots, name)(few)
    if name == "reliability":
        return plots.reliability(few, raters[0])
    if name == "scores":
        found = fastfuse.evaluate(raters[0], raters[1])
        return plots.scores(dict.fromkeys(names, found))
    if name == "agreement":
        return plots.agreement(fastfuse.agreement(raters, names=names))
    if name == "confusion":
        maps = [np.asarray(one.dataobj) + (np.arange(SHAPE[0])[:, None, None] > 12) for one in raters]
        labels = dict(enumerate([*names[:2], "another label"]))
        table = fastfuse.tabulate(maps, labels=labels, names=names)
        return plots.confusion(fastfuse.estimate(table, "staple"), rater=1)
    table = fastfuse.tabulate(raters, names=names)
    pooled = fastfuse.pool(dict.fromkeys(names, table), "staple")
    return plots.deviations(dict.fromkeys(names, fastfuse.deviation(table, pooled)))


def boxes(figure: Any) -> tuple[Any, list[Any]]:
    """Return the box of all that is drawn, and those of axes, in inches."""
    figure.draw_without_rendering()
    to_inches = figure.dpi_scale_trans.inverted()
    axes = [ax.get_window_extent().transformed(to_inches) for ax in figure.axes]
    return figure.get_tightbbox(), axes


FIGURES = [
    "agreement", "confusion", "convergence", "deviations", "fit", "histogram", "intervals", "rates", "reliability", "scores",
    "slices", "uncertainty",
]  # fmt: skip


NAMELESS = ("fit", "uncertainty")  # on them no rater is named: they are the same with all names


@pytest.mark.parametrize("count", [2, 7, 15])
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in FIGURES for kind in NAMES if kind == "short" or name not in NAMELESS],
)
def test_all_is_on_the_page(name: str, count: int, kind: str) -> None:
    ax = drawn(name, count, [NAMES[kind].format(k, k) for k in range(count)])
    figure = ax.figure
    whole, axes = boxes(figure)
    width, height = figure.get_size_inches()
    assert width <= PAGE
    assert min(whole.x0, whole.y0) >= -SLACK
    assert whole.x1 <= width + SLACK
    assert whole.y1 <= height + SLACK
    legends = [*figure.legends, *([] if ax.get_legend() is None else [ax.get_legend()])]
    for legend in legends:
        box = legend.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        assert not any(box.overlaps(one) for one in axes), "the legend lies over the data"
    if name == "slices":
        assert axes[0].width > 3.2
        assert len(legends) == 1


def test_figures_are_for_all_that_plots_draws() -> None:
    """A new figure is looked at, too."""
    assert set(FIGURES) == set(plots.__all__) - {"save"}


def test_the_legend_of_given_axes_lies_beside_bars() -> None:
    """Axes of the caller's own keep their figure's size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    ax = plots.fit(fused(7), figure.subplots())
    _, (axes,) = boxes(figure)
    legend = ax.get_legend()
    assert legend is not None
    assert figure.legends == []
    box = legend.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert box.y0 >= axes.y1 - SLACK
    assert figure.get_size_inches().tolist() == [5, 4]
